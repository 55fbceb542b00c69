"""``[tool.uv.sources]`` as it must read from another folder, workspace members found."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Mapping
from typing import Any

from packaging.utils import canonicalize_name

from provenv.core.errors import InputError
from provenv.model import toml
from provenv.model.manifest import Manifest


def carried_sources(
    manifest: Manifest, project: str, *, groups: Collection[str], extras: Collection[str]
) -> dict[str, Any]:
    """The sources with absolute paths, without entries for groups and extras that are left out.

    Raises:
        InputError: ``workspace = true``, and there is no workspace or no such member in it.
    """
    own = canonicalize_name(manifest.name) if manifest.name else None
    carried: dict[str, Any] = {}
    for name, source in manifest.sources.items():
        if canonicalize_name(name) == own:
            continue
        entries = source if isinstance(source, list) else [source]
        kept = [
            _carried(entry, name, project, manifest.file)
            for entry in entries
            if canonicalize_name(entry.get("group", "")) in {"", *groups}
            and canonicalize_name(entry.get("extra", "")) in {"", *extras}
        ]
        if kept:
            carried[name] = kept if isinstance(source, list) else kept[0]
    return carried


def _carried(entry: Mapping[str, Any], name: str, project: str, file: str) -> dict[str, Any]:
    if entry.get("workspace"):
        rest = {key: value for key, value in entry.items() if key != "workspace"}
        editable = rest.pop("editable", True)
        return {"path": _member(name, project, file), "editable": editable, **rest}
    if "path" in entry:
        return {**entry, "path": os.path.normpath(os.path.join(project, entry["path"]))}
    return dict(entry)


def _member(name: str, project: str, file: str) -> str:
    """The folder of the workspace member called ``name``."""
    key = f"tool.uv.sources.{name}"
    root = _workspace(project)
    if root is None:
        raise InputError(
            "says `workspace = true`, and the project is not in a uv workspace",
            file=file,
            key=key,
            hint=f'Give its folder instead: {name} = {{ path = "../{name}", editable = true }}.',
        )
    folder, table = root
    candidates = [folder]
    for pattern in table.get("members", ()):
        candidates += sorted(glob.glob(os.path.join(glob.escape(folder), pattern)))
    for candidate in candidates:
        found = _read(candidate).get("project", {}).get("name")
        if isinstance(found, str) and canonicalize_name(found) == canonicalize_name(name):
            return candidate
    raise InputError(
        f"says `workspace = true`, and the workspace in {folder} has no member {name!r}",
        file=file,
        key=key,
        hint="Add its folder to `members` in [tool.uv.workspace], or give a `path`.",
    )


def _workspace(project: str) -> tuple[str, Mapping[str, Any]] | None:
    """The nearest folder at or above ``project`` that declares a workspace, and its table."""
    folder = project
    while True:
        table = _read(folder).get("tool", {}).get("uv", {}).get("workspace")
        if isinstance(table, Mapping):
            return folder, table
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def _read(folder: str) -> Mapping[str, Any]:
    path = os.path.join(folder, "pyproject.toml")
    try:
        with open(path, encoding="utf-8") as stream:
            return toml.parse(stream.read(), path)
    except (FileNotFoundError, NotADirectoryError):
        return {}
