"""Facts about a project's sources: what they import, and where that comes from."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from packaging.utils import canonicalize_name

from provenv.doctor import modules
from provenv.doctor.facts import Command, EnvironmentFacts, SourceFacts
from provenv.doctor.shelf import Shelf
from provenv.doctor.sources import read_sources
from provenv.doctor.walk import Tree
from provenv.interpreters.executables import base_executable

_DEFAULT = (3, 13)


def source_facts(
    root: str,
    tree: Tree,
    environments: Sequence[EnvironmentFacts],
    python: Command | None,
    shelf: Shelf,
    user_home: str,
    own: str | None,
) -> SourceFacts:
    """Read the sources of the project ``own`` in ``root``; ``python`` is what that word starts."""
    made = [item for item in environments if item.generation is not None]
    version = _minor(next((item.python for item in made if item.python), None)) or _DEFAULT
    standard = modules.standard_library(version)
    read = read_sources(root, tree, standard)
    provided, commanding = modules.provided_by(
        [item.generation for item in made if item.generation is not None], shelf
    )
    local = read.local | _linked(made)
    wanted = {item.top for item in read.imports} - standard - local
    outside, system = _outside(python, user_home, wanted)
    return SourceFacts(
        imports=tuple(read.imports),
        local=frozenset(local),
        unparsed=tuple(read.unparsed),
        unread=tree.unread,
        shadows=read.shadows,
        provided=provided if made else None,
        metadata=required_by_metadata(made, own) if own is not None else None,
        commanding=commanding,
        python=version,
        outside=outside,
        system=system,
    )


def required_by_metadata(made: Sequence[EnvironmentFacts], own: str) -> frozenset[str] | None:
    """What an installed project requires (core metadata, ``Requires-Dist``)."""
    for item in made:
        site = site_packages(item.folder)
        for name in _names(site) if site else []:
            title = name.removesuffix(".dist-info").partition("-")[0]
            if name.endswith(".dist-info") and canonicalize_name(title) == canonicalize_name(own):
                lines = _lines(f"{site}/{name}/METADATA")
                found = [re.match(r"Requires-Dist:\s*([\w.-]+)", line) for line in lines]
                return frozenset(canonicalize_name(match[1]) for match in found if match)
    return None


def _outside(
    python: Command | None, user_home: str, wanted: set[str]
) -> tuple[dict[str, str], frozenset[str]]:
    """What the global interpreter behind ``python``, and this user's own folder, have of ``wanted``."""
    base = base_executable(python.path) if python is not None else None
    minor = _minor_of_executable(base) if base is not None else None
    if base is None or minor is None:
        return {}, frozenset()
    folders, system = modules.global_folders(base, minor, user_home)
    return modules.installed_in(folders, wanted), frozenset(system)


def _minor(version: str | None) -> tuple[int, int] | None:
    match = re.match(r"(\d+)\.(\d+)", version or "")
    return (int(match[1]), int(match[2])) if match else None


def _minor_of_executable(path: str) -> tuple[int, int] | None:
    """Told from the name, or from the folder of its standard library."""
    match = re.search(r"python(\d+)\.(\d+)t?$", path)
    if match is not None:
        return int(match[1]), int(match[2])
    try:
        names = os.listdir(os.path.join(os.path.dirname(os.path.dirname(path)), "lib"))
    except OSError:
        return None
    found = [m for name in names if (m := re.fullmatch(r"python(\d+)\.(\d+)t?", name))]
    return (int(found[0][1]), int(found[0][2])) if len(found) == 1 else None


def _linked(made: Sequence[EnvironmentFacts]) -> set[str]:
    """Modules in folders that editable installs put onto the path."""
    return {
        name.partition(".")[0]
        for item in made
        for folder in editable_folders(item.folder)
        for name in _names(folder)
    }


def editable_folders(folder: str) -> list[str]:
    """The folders that ``.pth`` lines of an environment put onto the path."""
    site = site_packages(folder)
    if site is None:
        return []
    lines = [
        line
        for name in sorted(_names(site))
        if name.endswith(".pth")
        for line in _lines(f"{site}/{name}")
    ]
    return [line for line in lines if os.path.isabs(line)]


def site_packages(folder: str) -> str | None:
    """Where an environment on disk has its packages."""
    for name in sorted(_names(f"{folder}/lib")):
        if os.path.isdir(path := f"{folder}/lib/{name}/site-packages"):
            return path
    return None


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read().splitlines()
    except OSError:
        return []
