"""Which format a file is: by its name first, and by what stands in it where the name is free."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable
from typing import Literal

from packaging.requirements import Requirement
from packaging.version import Version

from provenv.core.errors import InputError
from provenv.core.values import frozen, replace
from provenv.formats import (
    pdm,
    pipenv,
    poetry,
    poetry_lock,
    pylocks,
    requirements,
    setuptools,
    uv_lock,
)
from provenv.formats.foreign import Edge, Foreign, Source, wrong

Role = Literal["lock", "manifest", "both"]


@frozen
class Format:
    """One format: the names of its files, whether it pins or asks, and what reads it."""

    name: str
    patterns: tuple[str, ...]
    role: Role
    read: Callable[[Source], Foreign | None]


def _read_conda(source: Source) -> Foreign:
    from provenv.formats import conda  # YAML is read for this format alone

    return conda.read_environment(source)


def _read_pyproject(source: Source) -> Foreign | None:
    return poetry.read_manifest(source) or pdm.read_manifest(source)


FORMATS = (
    Format(name="uv.lock", patterns=("uv.lock",), role="lock", read=uv_lock.read_lock),
    Format(name="poetry.lock", patterns=("poetry.lock",), role="lock", read=poetry_lock.read_lock),
    Format(name="pdm.lock", patterns=("pdm.lock", "pdm.*.lock"), role="lock", read=pdm.read_lock),
    Format(name="Pipfile.lock", patterns=("Pipfile.lock",), role="lock", read=pipenv.read_lock),
    Format(name="pylock", patterns=("pylock.toml", "pylock.*.toml"), role="lock", read=pylocks.read_lock),
    Format(name="pyproject.toml", patterns=("pyproject.toml",), role="manifest", read=_read_pyproject),
    Format(name="Pipfile", patterns=("Pipfile",), role="manifest", read=pipenv.read_manifest),
    Format(name="setup.cfg", patterns=("setup.cfg",), role="manifest", read=setuptools.read_setup_cfg),
    Format(name="setup.py", patterns=("setup.py",), role="manifest", read=setuptools.read_setup_py),
    Format(
        name="environment.yml",
        patterns=("environment*.yml", "environment*.yaml"),
        role="both",
        read=_read_conda,
    ),
    Format(
        name="requirements",
        patterns=("*requirements*.txt", "*constraints*.txt", "*.in", "*.txt", "*.pip"),
        role="both",
        read=requirements.read_requirements,
    ),
)  # fmt: skip
_GROUP = re.compile(
    r"^(?:requirements?[-_.]?(?P<after>.*)|(?P<before>.+?)[-_.]requirements?)$", re.IGNORECASE
)
_PROJECT = frozenset(
    {"", "base", "common", "main", "prod", "production", "requirements", "core", "app"}
)
_ALIASES = {
    "develop": "dev",
    "development": "dev",
    "local": "dev",
    "testing": "test",
    "tests": "test",
}


def format_of(path: str) -> Format:
    """The format that a file's name stands for.

    Raises:
        InputError: It stands for none; the known names are listed.
    """
    name = os.path.basename(path)
    for known in FORMATS:
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in known.patterns):
            return known
    listed = ", ".join(known.patterns[0].replace("*", "") for known in FORMATS)
    raise InputError(
        "its name stands for no format that provenv reads",
        file=path,
        hint=f"Known: {listed}.",
    )


def read(source: Source) -> tuple[Format, Foreign | None]:
    """A file's format and what it says; None where it holds nothing of that format.

    Raises:
        InputError: Its name stands for no format, or it is not what its name says.
    """
    known = format_of(source.path)
    try:
        foreign = known.read(source)
        return known, _checked(foreign) if foreign is not None else None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        # The readers follow the formats; where a table stands for a list, one of these comes of it.
        found = f"something in it is of another kind ({type(error).__name__}: {error})"
        raise wrong(source, f"a {known.name} as its tool writes it", found) from error


def _checked(foreign: Foreign) -> Foreign:
    """The same with normalized versions (PEP 440), which readers take as they stand.

    Raises:
        InvalidVersion, InvalidRequirement: Something is none.
    """
    for texts in (foreign.dependencies, *foreign.extras.values(), *foreign.groups.values()):
        for text in texts:
            Requirement(text)
    normal = {pin.version: str(Version(pin.version)) for pin in foreign.pins if pin.version}
    if all(key == value for key, value in normal.items()):
        return foreign

    def edges(given: tuple[Edge, ...]) -> tuple[Edge, ...]:
        return tuple(
            replace(edge, version=normal.get(edge.version, edge.version)) for edge in given
        )

    pins = tuple(
        replace(
            pin,
            version=normal.get(pin.version, ""),
            edges=edges(pin.edges),
            extras={name: edges(given) for name, given in pin.extras.items()},
        )
        for pin in foreign.pins
    )
    roots = {place: edges(given) for place, given in foreign.roots.items()}
    return replace(foreign, pins=pins, roots=roots)


def group_of(path: str) -> str | None:
    """The dependency group that a requirements file's name stands for.

    ``requirements-dev.txt``, ``dev-requirements.in`` and ``requirements/dev.txt`` stand for ``dev``;
    empty for the project itself (``requirements.txt``, ``requirements/base.txt``); None for a name that
    says nothing.
    """
    stem = os.path.splitext(os.path.basename(path))[0]
    folder = os.path.basename(os.path.dirname(path)).lower()
    match = _GROUP.match(stem)
    if match is not None:
        word = match["after"] or match["before"] or ""
    elif folder in ("requirements", "requires", "reqs"):
        word = stem
    else:
        return None
    word = re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")
    return "" if word in _PROJECT else _ALIASES.get(word, word)
