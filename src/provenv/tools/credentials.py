"""Credentials for an index: from the environment, its address, netrc or a keyring, in this order."""

from __future__ import annotations

import importlib.util
import netrc
import os
import shutil
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

from provenv.core import process
from provenv.core.errors import UndecidedError
from provenv.core.http import Credentials, split_credentials
from provenv.tools.uv import variable_part

_KEYRING_SECONDS = 5.0


def find_credentials(
    url: str, name: str, *, environ: Mapping[str, str], home: str, use_keyring: bool = True
) -> Credentials | None:
    """The user name and password for the index ``name`` at ``url``; None where none are known.

    Asked in this order: ``PROVENV_INDEX_<NAME>_USERNAME`` and ``…_PASSWORD``, the same with
    ``UV_INDEX_``, the user information in ``url``, netrc (``NETRC``, else ``~/.netrc``), a keyring.
    """
    bare, inline = split_credentials(url)
    found = _from_environment(name, environ)
    if found is not None:
        return found
    if inline is not None and inline.password:
        return inline
    found = _from_netrc(bare, environ, home, declared=bool(name))
    if found is not None:
        return found
    username = inline.username if inline is not None else None
    found = _from_keyring(bare, username, environ) if use_keyring else None
    return found or inline


def _from_environment(name: str, environ: Mapping[str, str]) -> Credentials | None:
    part = variable_part(name)
    for prefix in ("PROVENV_INDEX_", "UV_INDEX_"):
        username = environ.get(f"{prefix}{part}_USERNAME")
        password = environ.get(f"{prefix}{part}_PASSWORD")
        if username or password:
            return Credentials(username=username or "", password=password or "")
    return None


def _from_netrc(
    url: str, environ: Mapping[str, str], home: str, *, declared: bool
) -> Credentials | None:
    """From netrc; a file that is missing or that cannot be read as one holds no credentials.

    Its ``default`` entry is for indexes that the manifest declares: a server that a page or a redirect
    leads to gets what was written down for its name, and nothing else.
    """
    try:
        entries = netrc.netrc(environ.get("NETRC") or os.path.join(home, ".netrc"))
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None
    host = urlsplit(url).hostname or ""
    entry = entries.authenticators(host) if declared else entries.hosts.get(host)
    if entry is None:
        return None
    login, _, password = entry
    return Credentials(username=login or "", password=password or "")


def _from_keyring(url: str, username: str | None, environ: Mapping[str, str]) -> Credentials | None:
    """From the ``keyring`` package where it is installed, else from the program of that name.

    A keyring may wait for a person or for a desktop that is not there: it is left after a while.
    """
    if importlib.util.find_spec("keyring") is None:
        return _from_keyring_program(url, urlsplit(url).netloc, username, environ)
    answers: list[Credentials] = []

    def ask() -> None:
        import keyring

        for service in (url, urlsplit(url).netloc):
            try:
                found = keyring.get_credential(service, username)
            except Exception:  # noqa: BLE001  # back ends raise their own errors; all mean "no answer"
                return
            if found is not None:
                name = found.username or username or ""
                answers.append(Credentials(username=name, password=found.password or ""))
                return

    asking = threading.Thread(target=ask, name="keyring", daemon=True)
    asking.start()
    asking.join(_KEYRING_SECONDS)
    return answers[0] if answers else None


def _from_keyring_program(
    url: str, host: str, username: str | None, environ: Mapping[str, str]
) -> Credentials | None:
    program = shutil.which("keyring", path=environ.get("PATH", os.defpath))
    if program is None:
        return None
    for service in (url, host):
        command = [program, "get", service, username or "__token__"]
        try:
            done = process.run(command, env=environ, timeout=_KEYRING_SECONDS)
        except UndecidedError:
            return None
        if done.code == 0 and done.stdout.strip():
            return Credentials(
                username=username or "__token__", password=done.stdout.rstrip("\r\n")
            )
    return None
