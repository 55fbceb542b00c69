"""From the process's environment to a :class:`Context`: the one place that reads it for the library."""

from __future__ import annotations

import os
from collections.abc import Mapping

from provenv import __version__
from provenv.cli.place import NoHomeError, home_folder
from provenv.core.errors import UsageError
from provenv.core.events import Emit, silent
from provenv.core.http import HttpSettings, origin, split_credentials
from provenv.model.layout import HomeLayout
from provenv.workspace.projects.context import Context


def make_context(
    environ: Mapping[str, str],
    *,
    emit: Emit = silent,
    cause: str = "provenv",
    offline: bool = False,
    index_url: str | None = None,
) -> Context:
    """The world as this process sees it.

    Raises:
        UsageError: Nobody says where the home folder is.
    """
    proxies = {
        scheme: environ.get(f"{scheme}_proxy") or environ.get(f"{scheme.upper()}_PROXY")
        for scheme in ("http", "https")
    }
    ignored = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    index = index_url or environ.get("PROVENV_INDEX_URL") or None
    credentials = {}
    if index is not None:
        bare, given = split_credentials(index)
        if given is not None:
            credentials[origin(bare)] = given
    return Context(
        home=HomeLayout(_home_folder(environ)),
        environ=environ,
        user_home=_user_home(environ),
        http=HttpSettings(
            credentials=credentials,
            proxies={scheme: url for scheme, url in proxies.items() if url},
            no_proxy=tuple(name.strip() for name in ignored.split(",") if name.strip()),
            offline=offline or environ.get("PROVENV_OFFLINE", "") not in ("", "0"),
            user_agent=f"provenv/{__version__}",
        ),
        emit=emit,
        index_url=index,
        cause=cause,
    )


def _home_folder(environ: Mapping[str, str]) -> str:
    try:
        return home_folder(environ)
    except NoHomeError as error:
        named = environ.get("HOME")
        why = f"HOME is not set, and user {os.getuid()} has none"
        raise UsageError(
            f"there is no home folder: {f'HOME is {named!r}, no whole path' if named else why}",
            hint="Set PROVENV_HOME to the folder that all projects are to share.",
        ) from error


def _user_home(environ: Mapping[str, str]) -> str:
    """The home folder, where users keep their own files; one in which nothing is where there is none."""
    home = environ.get("HOME") or os.path.expanduser("~")
    return home if os.path.isabs(home) else os.devnull
