"""Builds that can be installed: uv's managed Pythons, chosen by request, from uv's sources or a mirror.

uv knows the builds of python-build-standalone, PyPy and GraalPy, nearly all with a SHA-256, and keeps
those that it installs in one folder, which it shares with us. A *mirror* is a folder with the same files,
or a download list (``….json``, in uv's form) of somebody's own.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from provenv.core.disk import refused_in
from provenv.core.errors import (
    DiskError,
    InputError,
    IntegrityError,
    NetworkError,
    ProvenvError,
    UndecidedError,
    UsageError,
)
from provenv.core.events import Emit, Warned
from provenv.core.files import write_atomic
from provenv.core.http import Transport, redacted, status_error
from provenv.core.values import frozen
from provenv.interpreters.discovery import folder_hint
from provenv.interpreters.executables import python_in
from provenv.interpreters.requests import Request
from provenv.interpreters.versions import allows, split_version
from provenv.tools.uv import Uv

# Of these uv's list (0.13.9) has no SHA-256, and would install them as they come.
_UNCHECKED = re.compile(r"/python-build-standalone/releases/download/20(?:1\d|20|21)\d{4}/")
_VARIANTS = {"default": False, "freethreaded": True}
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")
_HASHES = re.compile(r"Expected:\s+(\S+)\s+Computed:\s+(\S+)")
_NETWORK = re.compile(r"Failed to download|HTTP status|Network connectivity|error sending request")
_MISSING = re.compile(r"failed to query metadata of file\s+`(?P<file>[^`]+)`")
_DISK = re.compile(r"\(os error (?:13|28|30|122)\)")


@frozen
class Build:
    """One Python that can be installed. ``key`` is uv's name for it, and that of its folder."""

    key: str
    implementation: str
    version: str
    free_threaded: bool
    url: str


@frozen
class Managed:
    """A build that is installed in uv's folder, as far as the name of its own folder tells."""

    key: str
    folder: str
    implementation: str
    version: str
    free_threaded: bool

    @property
    def executable(self) -> str | None:
        """Its interpreter, or None where the installation is broken."""
        found = python_in(self.folder)
        return os.path.realpath(found) if found is not None else None


@frozen
class Source:
    """Where builds come from: uv's own list and servers, a mirror of those, or another list."""

    mirror: str | None = None
    list_file: str | None = None

    @property
    def list_options(self) -> list[str]:
        """What ``uv python list`` needs to know."""
        return ["--python-downloads-json-url", self.list_file] if self.list_file else []

    @property
    def options(self) -> list[str]:
        """What ``uv python install`` needs to know."""
        found = self.list_options
        if self.mirror:
            for name in ("--mirror", "--pypy-mirror", "--graalpy-mirror"):
                found += [name, self.mirror]
        return found


def open_source(
    mirror: str | None, listed: str | None, transport: Transport, tmp: str, emit: Emit
) -> Source:
    """The source behind two addresses, each of which may be None (uv's own).

    ``mirror`` is a folder, or a list where its name ends in ``.json``; ``listed`` is the list of a
    folder. In a list, addresses may be relative to its own; builds without a SHA-256 do not count.
    The folder ``tmp`` keeps what uv is to read.

    Raises:
        UsageError: It is no address.
        InputError: The list is none.
        NetworkError: It is not there.
    """
    folder = None if mirror is None else _address(mirror)
    if folder is not None and urlsplit(folder).path.endswith(".json"):
        folder, listed = None, mirror
    list_file = None
    if listed is not None:
        address = _address(listed)
        entries = _with_hashes(_read_list(address, transport), address, emit)
        list_file = os.path.join(tmp, "downloads.json")
        write_atomic(list_file, json.dumps(entries).encode())
    return Source(mirror=folder.rstrip("/") if folder else None, list_file=list_file)


def _address(mirror: str) -> str:
    if os.path.isabs(mirror):
        return f"file://{mirror}"
    if urlsplit(mirror).scheme in ("http", "https", "file"):
        return mirror
    raise UsageError(
        f"{redacted(mirror)!r} is no mirror for Pythons",
        hint="Write https://…, file:///… or an absolute path: a folder, or a list that ends in .json.",
    )


def _read_list(address: str, transport: Transport) -> dict[str, Any]:
    if address.startswith("file:"):
        file = unquote(urlsplit(address).path)
        try:
            with open(file, "rb") as stream:
                data = stream.read()
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", file=file) from error
    else:
        answer = transport.get(address)
        if answer.status != 200:
            raise status_error(answer.status, address)
        data = answer.body
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(entry, dict) for entry in found.values()):
        raise InputError(
            "is not a list of Python downloads",
            file=redacted(address),
            hint="It is a JSON object of uv's form: key → name, version, platform, url, sha256.",
        )
    return found


def _with_hashes(entries: dict[str, Any], address: str, emit: Emit) -> dict[str, Any]:
    """The entries that say what bytes they promise, with whole addresses."""
    kept = {
        key: {**entry, "url": urljoin(address, str(entry.get("url")))}
        for key, entry in entries.items()
        if re.fullmatch(r"[0-9a-fA-F]{64}", str(entry.get("sha256")))
    }
    left = [key for key in entries if key not in kept]
    if left:
        listed = ", ".join(left[:3]) + (f" and {len(left) - 3} more" if left[3:] else "")
        emit(
            Warned(
                message=f"{redacted(address)}: what has no SHA-256 there does not count: {listed}"
            )
        )
    return kept


def list_builds(uv: Uv, source: Source, tmp: str) -> tuple[Build, ...]:
    """Every build for this machine, as uv orders them: by implementation, the newest first.

    Builds from before 2022 are left out of uv's own list, which does not say what bytes they have.

    Raises:
        UndecidedError: uv cannot say.
    """
    os.makedirs(tmp, exist_ok=True)
    done = uv.python_list(tmp, ["--all-versions", *source.list_options])
    try:
        rows = json.loads(done.stdout) if done.code == 0 else None
        found = tuple(
            _build(row)
            for row in rows or ()
            if row.get("variant") in _VARIANTS
            and (source.list_file or not _UNCHECKED.search(str(row["url"])))
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        rows, found = None, ()
    if rows is None:
        raise UndecidedError(f"uv cannot list Pythons to install: {_said(done.stderr)}")
    return found


def _build(row: dict[str, Any]) -> Build:
    return Build(
        key=str(row["key"]),
        implementation=str(row["implementation"]),
        version=str(row["version"]),
        free_threaded=_VARIANTS[row["variant"]],
        url=redacted(str(row["url"])),
    )


def best(
    request: Request, builds: Sequence[Build], requires_python: str | None = None
) -> Build | None:
    """The build that a request means: ordinary final releases first, and of those the newest."""
    fitting = [
        build
        for build in builds
        if request.matches(build) and allows(requires_python, build.version)
    ]
    return min(fitting, key=lambda b: (request.rank(b), newest(b.version)), default=None)


def newest(version: str) -> tuple[object, ...]:
    """A key that sorts the newest version first; pre-releases before their final release come last."""
    numbers, pre = split_version(version)
    parts = re.match(r"(a|b|rc)(\d+)", pre)
    order = ({"a": 2, "b": 1, "rc": 0}[parts[1]], -int(parts[2])) if parts else (-1, 0)
    return (tuple(-number for number in numbers), order)


def install(
    uv: Uv, build: Build, source: Source, *, into: str, tmp: str, again: bool, offline: bool
) -> None:
    """Download, check and unpack one build into the folder ``into``; ``again`` replaces it.

    ``offline`` leaves a mirror on disk to take it from.

    Raises:
        IntegrityError: The bytes are not those that were promised; nothing was installed.
        NetworkError: They are not to be had.
        DiskError: The file system refused.
    """
    os.makedirs(tmp, exist_ok=True)
    options = [*source.options]
    options += ["--reinstall"] if again else []
    options += ["--offline"] if offline else []
    there = os.path.lexists(os.path.join(into, build.key))
    done = uv.python_install(tmp, build.key, into=into, options=options)
    if done.code != 0:
        if not there:  # what was unpacked before uv saw that it is no Python
            uv.python_uninstall(tmp, build.key, source=into)
        raise _failure(done.stderr, build, into)


def _failure(stderr: str, build: Build, into: str) -> ProvenvError:
    said = _said(stderr)
    title = f"{build.key} was not installed"
    if match := _HASHES.search(stderr):
        return IntegrityError(
            f"{title}: what came has another SHA-256 than was promised",
            hint="Nothing was kept. The mirror is damaged, or somebody has changed it.",
            details={"wanted": match[1], "found": match[2], "source": build.url},
        )
    if "Failed to extract archive" in stderr:
        return IntegrityError(
            f"{title}: what came is no whole archive: {said}",
            hint="Nothing was kept. The mirror is damaged, or the file there is another one.",
            details={"source": build.url},
        )
    if match := _MISSING.search(stderr):
        return NetworkError(
            f"{title}: the mirror has no {match['file']}",
            hint="Put the file there, or choose another mirror.",
            details={"url": f"file://{match['file']}"},
        )
    if _NETWORK.search(stderr):
        return NetworkError(
            f"{title}: {said}",
            hint="Check the network; --mirror takes it from elsewhere, also from a file:// folder.",
            details={"url": build.url},
        )
    refused = refused_in(stderr)
    if refused is not None:
        refused.amend(f"installing {title}")
        return refused
    if _DISK.search(stderr):
        return DiskError(f"{title}: {said}", details={"path": into})
    return UndecidedError(f"{title}: {said}")


def _said(stderr: str) -> str:
    """What uv said, in one line and without passwords: the last of its causes says the most."""
    text = re.sub(
        r"\n(?!\s*(?:error|cause|hint|warning): )\s*", " ", _USER_INFO.sub("****@", stderr)
    )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line.removeprefix("cause: ") for line in lines if line.startswith("cause: ")]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (causes or errors or lines or ["it said nothing"])[-1]


def managed(folder: str | None) -> tuple[Managed, ...]:
    """The builds installed in uv's folder, by name. Links that uv makes for a minor version are none."""
    found = []
    for name in sorted(os.listdir(folder)) if folder and os.path.isdir(folder) else ():
        path, hint = os.path.join(folder or "", name), folder_hint(name)
        if len(hint.release) == 3 and hint.implementation and not os.path.islink(path):
            found.append(
                Managed(
                    key=name,
                    folder=path,
                    implementation=hint.implementation,
                    version=".".join(map(str, hint.release)) + hint.pre,
                    free_threaded=bool(hint.free_threaded),
                )
            )
    return tuple(found)


def uninstall(uv: Uv, key: str, *, source: str, tmp: str) -> None:
    """Remove the managed build ``key`` from the folder ``source``.

    Raises:
        UndecidedError: uv could not.
    """
    os.makedirs(tmp, exist_ok=True)
    done = uv.python_uninstall(tmp, key, source=source)
    if done.code != 0 or os.path.lexists(os.path.join(source, key)):
        raise UndecidedError(f"{key} was not removed: {_said(done.stderr)}")
