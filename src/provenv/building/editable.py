"""What an editable install depends on besides the code that it points to."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from provenv.building.system import BuildSystem, table, text_at
from provenv.building.versioning import git_state, reads_version_control
from provenv.core import digest
from provenv.core.values import frozen

_CONFIGURATION = ("pyproject.toml", "setup.py", "setup.cfg", "hatch_build.py")
_SOURCE_FOLDERS = ("src", "lib", "python")


@frozen
class EditableInputs:
    """What decides the content of an editable wheel, as far as it can be told.

    Attributes:
        paths: Absolute, those included that are not there and would matter if they were.
        digest: Over their content and the names of what could be packages, without the root.
    """

    paths: tuple[str, ...]
    digest: str


def editable_inputs(root: str, system: BuildSystem) -> EditableInputs:
    """Find what the editable wheel of the project in ``root`` depends on."""
    inner = dict.fromkeys(_CONFIGURATION)
    inner.update(dict.fromkeys(_named_files(root, system.pyproject)))
    inner.update(dict.fromkeys(_in_tree_backend(root, system)))
    paths = [os.path.normpath(os.path.join(root, path)) for path in inner]
    rows: list[object] = [[path, _content(full)] for path, full in zip(inner, paths, strict=True)]
    if reads_version_control(root, system):
        watched, commit = git_state(root)
        paths += watched
        rows.append(["commit", commit])
    for folder in _SOURCE_FOLDERS:
        full = os.path.join(root, folder)
        if os.path.isdir(full):
            paths.append(full)
    if system.uses_setuptools and not os.path.isdir(os.path.join(root, "src")):
        paths.append(root)  # setuptools looks for packages there, and lists them in the wheel
    rows.append(["packages", _candidates(root, system)])
    return EditableInputs(paths=tuple(dict.fromkeys(paths)), digest=digest.of_json(rows))


def _named_files(root: str, pyproject: Mapping[str, Any]) -> Iterator[str]:
    """Files that dynamic metadata is read from, relative to ``root``."""
    tool = table(pyproject, "tool")
    project = table(pyproject, "project")
    for path in (
        text_at(tool, "hatch", "version", "path"),
        text_at(tool, "pdm", "version", "path"),
        text_at(tool, "hatch", "build", "hooks", "custom", "path"),
        text_at(tool, "hatch", "metadata", "hooks", "custom", "path"),
        text_at(tool, "pdm", "build", "custom-hook"),
    ):
        if path:
            yield path
    for value in table(tool, "setuptools", "dynamic").values():
        yield from _setuptools_value(value)
    yield from _setup_cfg(root)
    if text_at(pyproject, "build-system", "build-backend").startswith("flit"):
        name = str(project.get("name", "")).replace("-", "_")
        yield from _module_files(text_at(tool, "flit", "module", "name") or name)
    for entry in table(tool, "uv").get("cache-keys") or ():
        pattern = entry.get("file") if isinstance(entry, Mapping) else entry
        if isinstance(pattern, str):
            found = sorted(glob.glob(pattern, root_dir=root, recursive=True))
            yield from found or [pattern]


def _setuptools_value(value: object) -> Iterator[str]:
    if not isinstance(value, Mapping):
        return
    files = value.get("file", ())
    yield from [files] if isinstance(files, str) else [f for f in files if isinstance(f, str)]
    attribute = value.get("attr")
    if isinstance(attribute, str):
        yield from _module_files(attribute.rpartition(".")[0])


def _setup_cfg(root: str) -> Iterator[str]:
    path = os.path.join(root, "setup.cfg")
    if not os.path.exists(path):
        return
    import configparser

    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError):
        return
    for section in ("metadata", "options"):
        for value in dict(parser[section]).values() if parser.has_section(section) else ():
            found = re.fullmatch(r"\s*(attr|file):\s*(.*?)\s*", value, re.DOTALL)
            if found is None:
                continue
            if found[1] == "attr":
                yield from _module_files(found[2].rpartition(".")[0])
            else:
                yield from (item.strip() for item in found[2].split(",") if item.strip())


def _module_files(module: str) -> list[str]:
    """Where a module of the project may lie: in the root or in a source folder, module or package."""
    path = module.replace(".", "/")
    if not path:
        return []
    return [
        f"{folder}{path}{suffix}"
        for folder in ("", *(f"{name}/" for name in _SOURCE_FOLDERS))
        for suffix in (".py", "/__init__.py")
    ]


def _in_tree_backend(root: str, system: BuildSystem) -> Iterator[str]:
    for folder in system.backend_path:
        for found in sorted(
            glob.glob("**/*.py", root_dir=os.path.join(root, folder), recursive=True)
        ):
            if os.path.normpath(folder) != "." or "/" not in found:
                yield os.path.normpath(os.path.join(folder, found))


def _candidates(root: str, system: BuildSystem) -> list[str]:
    """What automatic discovery could take for packages: in the source folders, or else in the root."""
    folders = [name for name in _SOURCE_FOLDERS if os.path.isdir(os.path.join(root, name))]
    found = [f"{name}/{entry}" for name in folders for entry in _modules(os.path.join(root, name))]
    if not folders:
        return _modules(root)
    own = text_at(system.pyproject, "project", "name").replace("-", "_").lower()
    return [*found, *(entry for entry in _modules(root) if entry.lower() in (own, f"{own}.py"))]


def _modules(folder: str) -> list[str]:
    """The names of modules and of folders with modules in ``folder``, in order."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.endswith(".py") or (
                name.isidentifier()
                and entry.is_dir()
                and glob.glob(f"{glob.escape(entry.path)}/*.py")
            ):
                found.append(name)
    return sorted(found)


def _content(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            return digest.of_bytes(stream.read())
    except OSError:
        return ""
