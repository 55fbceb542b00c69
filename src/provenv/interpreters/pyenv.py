"""pyenv: which of its versions a name means, and what one of its shims would start. Nothing is run."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from provenv.core.values import frozen, replace
from provenv.interpreters.executables import is_executable, python_in, shim_manager
from provenv.interpreters.search import Search, nearest, read_versions_file
from provenv.interpreters.versions import split_version

_NOT_LATEST = r".*(?:-dev|-src|-latest|(?:a|b|rc)\d+)"


@frozen
class Shim:
    """One of pyenv's shims, and what it comes to.

    Attributes:
        path: Where it lies.
        program: What it is to start, for example ``python3.9``.
        starts: The program that it would start now, or None where it would fail.
        selected: The names that pyenv selects, whether or not they are installed.
        having: The installed versions that have the program.
    """

    path: str
    program: str
    starts: str | None
    selected: tuple[str, ...]
    having: tuple[str, ...]

    def reason(self) -> str:
        """Why it cannot run, in one clause."""
        chosen = ", ".join(name for name in self.selected if name != "system")
        there = ", ".join(self.having) or "none"
        selects = f"pyenv selects {chosen}" if chosen else "pyenv selects no version"
        return (
            f"it is a pyenv shim, no interpreter: {selects}, without {self.program} "
            f"(installed versions with it: {there})"
        )

    def hint(self) -> str:
        """What to do instead."""
        if not self.having:
            return (
                "No version under pyenv's root has it; `provenv python list` shows what there is."
            )
        best = self.having[0]
        return (
            f"Ask for the version itself (`--python {best}`), "
            f"or let pyenv select it (`pyenv shell {best}`)."
        )


def versions_folder(pyenv_root: str | None) -> str | None:
    """Where pyenv keeps its versions."""
    return os.path.join(pyenv_root, "versions") if pyenv_root else None


def version_folder(search: Search, name: str) -> str | None:
    """The folder of the version that pyenv means by ``name``, or None.

    A folder's whole name (``3.12.1``, ``my-environment``, ``3.12.1/envs/mine``), or the beginning of one,
    which means the newest final release that begins so (``3.12``).
    """
    versions = versions_folder(search.pyenv_root)
    parts = name.split("/")
    if versions is None or not all(parts) or {".", ".."}.intersection(parts):
        return None
    exact = os.path.join(versions, *parts)
    if os.path.isdir(exact):
        return exact
    begins = [
        folder for folder in version_names(search) if re.match(rf"{re.escape(name)}[-.]", folder)
    ]
    final = [folder for folder in begins if not re.fullmatch(_NOT_LATEST, folder)]
    return os.path.join(versions, max(final, key=_age)) if final else None


def version_names(search: Search) -> list[str]:
    """The names of all versions that are installed, the newest first."""
    versions = versions_folder(search.pyenv_root)
    try:
        names = os.listdir(versions) if versions else []
    except OSError:
        names = []
    return sorted((name for name in names if not name.startswith(".")), key=_age, reverse=True)


def _age(name: str) -> tuple[bool, tuple[int, ...], str]:
    numbers, _ = split_version(name.removeprefix("pypy"))
    return name[:1].isdigit(), numbers, name


def pyenv_python(search: Search, name: str) -> str | None:
    """The interpreter of the version that pyenv means by ``name``, or None."""
    folder = version_folder(search, name)
    return python_in(folder) if folder else None


def selected(search: Search, folder: str | None) -> tuple[str, ...]:
    """What pyenv selects in ``folder``: ``PYENV_VERSION``, ``.python-version``, or the global versions."""
    if search.pyenv_version:
        return search.pyenv_version
    local = nearest(folder, ".python-version") if folder is not None else None
    if local is not None and (words := read_versions_file(local)):
        return words
    return global_versions(search)


def global_versions(search: Search) -> tuple[str, ...]:
    """What ``pyenv global`` chose."""
    if search.pyenv_root is None:
        return ()
    return read_versions_file(os.path.join(search.pyenv_root, "version")) or ()


def read_shim(path: str, search: Search, folder: str | None) -> Shim | None:
    """What the pyenv shim ``path`` comes to in ``folder``; None where it is none of pyenv's.

    As ``pyenv which`` decides: the selected versions in their order, and then the rest of ``PATH``. A
    shim belongs to the pyenv whose ``shims`` folder it lies in.
    """
    if shim_manager(path) != "pyenv":
        return None
    folder_of_shims, program = os.path.split(path)
    if os.path.basename(folder_of_shims) == "shims":
        search = replace(search, pyenv_root=os.path.dirname(folder_of_shims))
    names = selected(search, folder)
    return Shim(
        path=path,
        program=program,
        starts=_starts(program, path, names, search),
        selected=names,
        having=tuple(name for name in version_names(search) if _has(search, name, program)),
    )


def _starts(program: str, path: str, names: Sequence[str], search: Search) -> str | None:
    for name in (*names, "system"):
        if name == "system":
            shims = os.path.dirname(path)
            places = [place for place in search.path if os.path.normpath(place) != shims]
        else:
            version = version_folder(search, name)
            places = [os.path.join(version, "bin")] if version else []
        for place in places:
            candidate = os.path.join(place, program)
            if is_executable(candidate):
                return candidate
    return None


def _has(search: Search, name: str, program: str) -> bool:
    return is_executable(
        os.path.join(versions_folder(search.pyenv_root) or "", name, "bin", program)
    )
