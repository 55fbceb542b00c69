"""Many distributions of every shape that installers meet, in versions that tell themselves apart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.index import Index
from support.project import Project
from support.wheels import make_wheel

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet


def publish_many(index: Index, folder: Path, version: str, count: int = 40) -> list[str]:
    """Serve ``count`` distributions ``many-0`` … in one version; returns their names.

    Packages with lazily imported submodules, single modules, shared PEP 420 namespaces, data files
    and scripts. Each module says ``VERSION``.
    """
    names = []
    for number in range(count):
        name, module = f"many-{number}", f"many_{number}"
        line = f"VERSION = {version!r}\n"
        files = {f"{module}/__init__.py": line, f"{module}/late.py": line}
        if number % 4 == 1:
            files = {f"{module}.py": line, f"{module}_late.py": line}
        elif number % 4 == 2:
            files = {f"manyspace/{module}/__init__.py": line, f"manyspace/{module}/late.py": line}
        index.add(
            make_wheel(
                folder / version,
                name,
                version,
                files=files,
                data={f"share/many/{module}.txt": line} if number % 8 == 3 else None,
                entry_points={"console_scripts": {name: f"{_package(number)}:VERSION.__len__"}},
            )
        )
        names.append(name)
    return names


def _package(number: int) -> str:
    return f"manyspace.many_{number}" if number % 4 == 2 else f"many_{number}"


def modules(count: int = 40) -> tuple[list[str], list[str]]:
    """The modules of :func:`publish_many`: those to import at once, and those to import late."""
    late = [
        f"{_package(number)}_late" if number % 4 == 1 else f"{_package(number)}.late"
        for number in range(count)
    ]
    return [_package(number) for number in range(count)], late


def versions_seen(project: Project, count: int = 40) -> str:
    """The one version that every module of the environment says; a mixture fails."""
    first, late = modules(count)
    code = (
        "import importlib, importlib.metadata as m\n"
        f"seen = {{importlib.import_module(n).VERSION for n in {first + late!r}}}\n"
        f"seen |= {{m.version('many-%d' % i) for i in range({count})}}\n"
        "print(*sorted(seen))"
    )
    found = project.python(code)
    assert " " not in found, f"a mixture of versions: {found}"
    return found


def snapshot(folder: Path, *, ignore: tuple[str, ...] = ()) -> dict[str, str]:
    """Every path below ``folder`` with what it is: two equal snapshots mean that nothing changed."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if any(name == item or name.startswith(f"{item}/") for item in ignore):
            continue
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_dir():
            found[name] = "folder"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "special"
    return found


def few(cases: Iterable[Any], fast: int) -> list[ParameterSet]:
    """The cases of a test, all but the first ``fast`` of them marked slow."""
    return [
        pytest.param(case, marks=() if number < fast else pytest.mark.slow)
        for number, case in enumerate(cases)
    ]
