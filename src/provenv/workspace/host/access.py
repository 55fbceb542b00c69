"""How use cases reach the machine: where interpreters are looked for, how indexes are reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from provenv.core.http import Credentials, HttpSettings, origin
from provenv.core.values import replace
from provenv.interpreters import Search
from provenv.model.interpreter import Interpreter
from provenv.tools.credentials import find_credentials
from provenv.workspace.projects.context import Context, Project

if TYPE_CHECKING:
    from provenv.resolve import ResolveSettings


def search(context: Context, folder: str | None = None) -> Search:
    """Where interpreters are looked for, on behalf of a project's ``folder``."""
    return Search.from_environ(context.environ, context.user_home, folder=folder)


def index_credentials(
    project: Project | None, context: Context, *, use_keyring: bool
) -> dict[str, Credentials]:
    """Credentials of the project's indexes, by index name; those that have none are left out.

    A keyring takes seconds to ask: only the resolver needs its answer before a server asks for it.
    """
    found: dict[str, Credentials] = {}
    for index in project.manifest.indexes if project else ():
        credentials = find_credentials(
            index.url,
            index.name,
            environ=context.environ,
            home=context.user_home,
            use_keyring=use_keyring,
        )
        if credentials is not None:
            found[index.name] = credentials
    return found


def look_up(context: Context) -> Callable[[str], Credentials | None]:
    """Who is asked for credentials when a server that is no declared index wants some."""

    def ask(url: str) -> Credentials | None:
        return find_credentials(url, "", environ=context.environ, home=context.user_home)

    return ask


def http_settings(project: Project | None, context: Context) -> HttpSettings:
    """How to reach servers, with the credentials of the project's indexes by origin."""
    named = index_credentials(project, context, use_keyring=False)
    by_origin = dict(context.http.credentials)
    for index in project.manifest.indexes if project else ():
        if index.name in named:
            by_origin[origin(index.url)] = named[index.name]
    return replace(context.http, credentials=by_origin)


def resolve_settings(
    project: Project | None, context: Context, interpreter: Interpreter
) -> ResolveSettings:
    """How the resolver is run for a project."""
    from provenv.resolve import ResolveSettings

    return ResolveSettings(
        interpreter=interpreter,
        cache=f"{context.home.cache}/uv",
        tmp=f"{context.home.cache}/work",
        environ=context.environ,
        http=http_settings(project, context),
        credentials=index_credentials(project, context, use_keyring=not context.offline),
        index_url=context.index_url,
        offline=context.offline,
    )
