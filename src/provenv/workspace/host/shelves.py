"""What can be installed: uv, the mirror that counts, and the builds that it has."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator, Sequence

from provenv.core.errors import ProvenvError
from provenv.core.files import temporary_folder
from provenv.core.http import Transport
from provenv.core.values import frozen
from provenv.interpreters import builds, parse_request
from provenv.interpreters.builds import Build
from provenv.tools.uv import Uv, clean_environment, find_uv
from provenv.workspace.host import access
from provenv.workspace.projects.context import Context, Project


@frozen
class Shelf:
    """What can be installed, and all that installing needs."""

    uv: Uv
    source: builds.Source
    tmp: str
    builds: tuple[Build, ...]
    offline: bool


@contextlib.contextmanager
def shelf(
    context: Context, *, project: Project | None = None, mirror: str | None = None
) -> Iterator[Shelf]:
    """The builds that the mirror (or uv's own list) has for this machine.

    The mirror is what the caller gives, else ``PROVENV_PYTHON_MIRROR``, the project's, or uv's own
    variable for it.

    Raises:
        UsageError, InputError, NetworkError: The mirror cannot be used.
        UndecidedError: uv cannot say what there is.
    """
    mirror = mirror or context.environ.get("PROVENV_PYTHON_MIRROR") or None
    if mirror is None and project is not None:
        mirror = project.manifest.python_mirror
    mirror = mirror or context.environ.get("UV_PYTHON_INSTALL_MIRROR") or None
    with open_uv(context) as (uv, folder):
        transport = Transport(
            access.http_settings(project, context),
            emit=context.emit,
            look_up=access.look_up(context),
        )
        listed = context.environ.get("UV_PYTHON_DOWNLOADS_JSON_URL") or None
        source = builds.open_source(mirror, listed, transport, folder, context.emit)
        known = builds.list_builds(uv, source, folder)
        yield Shelf(uv=uv, source=source, tmp=folder, builds=known, offline=context.offline)


@contextlib.contextmanager
def open_uv(context: Context) -> Iterator[tuple[Uv, str]]:
    """uv, and a folder that is gone afterwards."""
    work = os.path.join(context.home.cache, "work")
    with temporary_folder(work, "pythons") as folder:
        environ = clean_environment(
            context.environ,
            cache=os.path.join(context.home.cache, "uv"),
            config=os.path.join(folder, "config"),
            http=context.http,
            credentials={},
        )
        yield Uv(binary=find_uv(), environ=environ), folder


def advice(project: Project | None, context: Context, requests: Sequence[str]) -> str | None:
    """What could be installed where no interpreter here is what ``requests`` ask for; None if nothing."""
    requires = project.manifest.requires_python if project is not None else None
    try:
        wanted = [request for text in requests if (request := parse_request(text)).path is None]
        if not wanted and (requests or requires is None):
            return None
        with shelf(context, project=project) as stock:
            for request in wanted or [parse_request(requires or "")]:
                build = builds.best(request, stock.builds, requires)
                if build is not None:
                    word = shlex.quote(request.text)
                    title = f"{build.implementation} {build.version}"
                    return f"`provenv python install {word}` installs {title}; or ask for another."
    except ProvenvError:
        pass  # this is advice: what cannot be found out is left unsaid
    return None
