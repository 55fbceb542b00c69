"""Floor 6: the use cases, one module a verb; the command line is their first user.

from provenv.workspace.projects.context import Context, open_project
from provenv.workspace.syncing.sync import sync

result = sync(open_project("."), Context(home=…, environ=…, user_home=…))
"""
