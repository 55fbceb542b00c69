"""``provenv env ACTION``."""

DESCRIPTION = """\
Environments by name: in a project, or outside of all, where `-e NAME` finds them from anywhere. And
which there are on this machine, and a private copy of one package to edit."""
EXAMPLES = (
    ("provenv env create ml --python 3.12 --with jupyterlab", "declare and make one"),
    ("provenv env path ml", "where it is"),
    ("provenv env remove ml", "take it away"),
    ("provenv env list", "every environment on this machine"),
    ("provenv env prune --dry-run", "what is left of those that nobody needs"),
    ("provenv env edit httpx", "a copy of httpx that may be edited"),
)
ACTIONS = {
    "create": "declare an environment, and make it",
    "path": "where an environment is",
    "remove": "take an environment away",
    "list": "every environment on this machine, or of this project",
    "prune": "remove what is left of environments that nobody needs any more",
    "edit": "give an environment a private copy of one package, to edit it",
}
