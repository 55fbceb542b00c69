"""Every interpreter that there may be, in order, lazily, and without running any."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from provenv.core.values import frozen
from provenv.interpreters.executables import base_executable, is_executable, is_shim, python_in
from provenv.interpreters.pyenv import global_versions, pyenv_python, versions_folder
from provenv.interpreters.requests import Hint
from provenv.interpreters.search import Search
from provenv.interpreters.versions import split_version

# Patterns are compiled when first used (re keeps them): start-up pays for none that it does not need.
_FILE_NAME = r"(?P<name>python|pypy|graalpy)(?P<release>\d+(?:\.\d+)?)?(?P<t>t)?(?:\.exe)?"
_FILE_STARTS = ("python", "pypy", "graalpy")
_FOLDER_NAME = (
    r"(?:(?P<name>cpython|pypy|graalpy)-?)?(?P<version>\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?)"
    r"(?P<t>t|\+freethreaded)?(?P<rest>-.*)?"
)


@frozen
class Candidate:
    """An executable that looks like an interpreter.

    Attributes:
        path: As it was found.
        executable: The real path of the base interpreter behind it.
        source: ``request``, ``path``, ``pyenv``, ``uv``, ``managed``, ``system`` or ``conda``.
        hint: What its names promise.
    """

    path: str
    executable: str
    source: str
    hint: Hint


def candidates(search: Search) -> Iterator[Candidate]:
    """All candidates, the preferred first, each executable once (as it was found first).

    Virtual environments stand for their base interpreter; shims are left out, because what they
    would start is found by itself.
    """
    seen: set[str] = set()
    for path, source in _places(search):
        executable = base_executable(path)
        if executable is None or executable in seen or not is_executable(executable):
            continue
        seen.add(executable)
        if is_shim(executable):
            continue
        yield Candidate(
            path=path,
            executable=executable,
            source=_source(executable, search) or source,
            hint=hint_of(executable, search),
        )


def _places(search: Search) -> Iterator[tuple[str, str]]:
    for place in search.extra:
        path = python_in(place) if os.path.isdir(place) else place
        if path is not None:
            yield path, "request"
    shims = os.path.join(search.pyenv_root, "shims") if search.pyenv_root else None
    for folder in search.path:
        if shims is not None and os.path.normpath(folder) == shims:
            yield from ((path, "pyenv") for path in _pyenv_selected(search))
        else:
            yield from ((path, "path") for path in _pythons(folder))
    for root, source in _managers(search):
        yield from ((path, source) for path in _installed(root))
    for folder in search.system:
        yield from ((path, "system") for path in _pythons(folder))
    for prefix in search.prefixes:
        yield from ((path, "system") for path in _installed(prefix))
    yield from ((path, "conda") for path in _conda(search))


def _pythons(folder: str) -> Iterator[str]:
    return (path for path in python_names(folder) if is_executable(path))


def python_names(folder: str) -> Iterator[str]:
    """What is called like an interpreter in one folder of PATH, whether or not it is one.

    ``python3``, ``python``, and then the newest named version first.
    """
    likely = [name for name in _names(folder) if name.startswith(_FILE_STARTS)]
    names = [(match, name) for name in likely if (match := re.fullmatch(_FILE_NAME, name))]
    for _, name in sorted(names, key=_file_order):
        yield os.path.join(folder, name)


def installation_folders(search: Search) -> Iterator[tuple[str, str]]:
    """The folders that version managers made, one an installation, with the source that they are."""
    for root, source in _managers(search):
        for name in sorted(_names(root)):
            if not name.startswith("."):
                yield os.path.join(root, name), source


def installed_beside(executable: str, search: Search) -> tuple[str, ...]:
    """The interpreters of the version manager that ``executable`` is, or was, one of; the newest first."""
    folder = os.path.dirname(
        os.path.dirname(os.path.dirname(executable))
    )  # <root>/<version>/bin/python
    managed = any(os.path.realpath(root) == folder for root, _ in _managers(search))
    return tuple(_installed(folder)) if managed else ()


def _managers(search: Search) -> list[tuple[str, str]]:
    """Where version managers keep one installation a folder, with the source that those are."""
    roots = [(versions_folder(search.pyenv_root), "pyenv"), (search.uv_python_dir, "uv")]
    roots += [(folder, "managed") for folder in search.managed]
    return [(root, source) for root, source in roots if root]


def _file_order(entry: tuple[re.Match[str], str]) -> tuple[bool, int, tuple[int, ...], bool]:
    match, _ = entry
    release = tuple(map(int, match["release"].split("."))) if match["release"] else (3,)
    named = 0 if release == (3,) and match["release"] else 1 if not match["release"] else 2
    return match["name"] != "python", named, tuple(-number for number in release), bool(match["t"])


def _pyenv_selected(search: Search) -> Iterator[str]:
    """What pyenv's shims would start: ``PYENV_VERSION``, else the global versions, in their order."""
    for name in search.pyenv_version or global_versions(search):
        path = pyenv_python(search, name)
        if path is not None:
            yield path


def _installed(folder: str) -> Iterator[str]:
    """The interpreters of all installations that are folders of ``folder``, the newest first."""
    for name in sorted(_names(folder), key=lambda name: (*_newest_first(folder_hint(name)), name)):
        path = python_in(os.path.join(folder, name))
        if path is not None:
            yield path


def _newest_first(hint: Hint) -> tuple[bool, bool, bool, tuple[int, ...]]:
    """Known names before unknown ones, CPython, final releases, then by falling version."""
    plain = hint.implementation == "cpython" and not hint.free_threaded
    return not hint.release, not plain, bool(hint.pre), tuple(-n for n in (*hint.release, 0, 0)[:3])


def _conda(search: Search) -> Iterator[str]:
    roots = list(search.conda)
    if search.conda_list:
        try:
            with open(search.conda_list, encoding="utf-8", errors="replace") as stream:
                roots += [line.strip() for line in stream if os.path.isabs(line.strip())]
        except OSError:
            pass  # conda is not used here
    for root in dict.fromkeys(roots):
        path = python_in(root)
        if path is not None:
            yield path
        yield from _installed(os.path.join(root, "envs"))


def _names(folder: str) -> Iterable[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return ()


def _source(executable: str, search: Search) -> str | None:
    """The manager in whose folder an executable lies, whichever way it was found."""
    for root, source in (*_managers(search), *((root, "conda") for root in search.conda)):
        if executable.startswith(os.path.join(os.path.realpath(root), "")):
            return source
    return None


def hint_of(executable: str, search: Search) -> Hint:
    """What the folder that a manager made, or else the file's own name, promises."""
    for root, _ in _managers(search):
        if executable.startswith(prefix := os.path.join(os.path.realpath(root), "")):
            hint = folder_hint(executable[len(prefix) :].partition(os.sep)[0])
            if hint.release:
                return hint
    match = re.fullmatch(_FILE_NAME, os.path.basename(executable))
    if match is None:
        return Hint()
    release = tuple(map(int, match["release"].split("."))) if match["release"] else ()
    implementation = None if match["name"] == "python" else match["name"]
    return Hint(
        implementation=implementation, release=release, free_threaded=True if match["t"] else None
    )


def folder_hint(name: str) -> Hint:
    """``3.13.0``, ``3.14.0rc2``, ``3.13-dev``, ``pypy3.10-7.3.12``, ``cpython-3.13.1-linux-x86_64-gnu``."""
    match = re.fullmatch(_FOLDER_NAME, name)
    if match is None:
        return Hint()
    release, pre = split_version(match["version"])
    return Hint(
        implementation=match["name"] or "cpython",
        release=release,
        pre=pre or ("dev" if (match["rest"] or "").startswith("-dev") else ""),
        free_threaded=bool(match["t"]),
    )
