"""The previous lock as uv reads it: versions that stay unless something rules them out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from packaging.pylock import Package, Pylock
from packaging.utils import canonicalize_name

from provenv.model.lock import toml_value
from provenv.model.manifest import Manifest
from provenv.model.origins import PYPI

# Settings that a uv.lock must repeat: uv throws it away whole where they differ from the project's.
_OPTIONS = {
    "resolution": "resolution-mode",
    "prerelease": "prerelease-mode",
    "fork-strategy": "fork-strategy",
    "exclude-newer": "exclude-newer",
}


def render_preferences(
    previous: Pylock,
    manifest: Manifest,
    *,
    project: str,
    requires_python: str,
    upgrade: bool | frozenset[str],
) -> str | None:
    """The text of a minimal ``uv.lock``; None where nothing is to be preferred.

    ``upgrade`` names the distributions that are let go; True lets everything go.
    """
    if upgrade is True:
        return None
    let_go = {canonicalize_name(name) for name in upgrade} if upgrade else set()
    entries = [
        entry
        for package in previous.packages
        if package.name not in let_go and (entry := _entry(package, manifest, project)) is not None
    ]
    if not entries:
        return None
    lines = ["version = 1", f"requires-python = {toml_value(requires_python)}"]
    options = {
        ours: manifest.uv[theirs] for theirs, ours in _OPTIONS.items() if theirs in manifest.uv
    }
    if options:
        lines += ["[options]", *_lines(options)]
    for entry in entries:
        lines += ["[[package]]", *_lines(entry)]
    return "\n".join(lines) + "\n"


def _lines(table: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {toml_value(value)}" for key, value in table.items()]


def _entry(package: Package, manifest: Manifest, project: str) -> dict[str, Any] | None:
    if package.version is None or package.directory is not None or package.archive is not None:
        return None
    entry: dict[str, Any] = {"name": package.name, "version": str(package.version)}
    if package.vcs is not None:
        url = package.vcs.url
        if package.vcs.type != "git" or not url:
            return None
        query = _git_query(package, manifest)
        entry["source"] = {"git": f"{url}{query}#{package.vcs.commit_id}"}
    else:
        entry["source"] = {"registry": package.index or _folder(package, project) or PYPI}
    return entry


def _folder(package: Package, project: str) -> str | None:
    """Where a package's files lie that came from a folder."""
    for file in (*(package.wheels or ()), package.sdist):
        if file is not None and file.path is not None:
            return os.path.dirname(os.path.normpath(os.path.join(project, file.path)))
    return None


def _git_query(package: Package, manifest: Manifest) -> str:
    """What was asked of the repository, spelled as uv spells it: branch, tag or revision."""
    assert package.vcs is not None
    parts: list[str] = []
    if package.vcs.subdirectory:
        parts.append(f"subdirectory={quote(package.vcs.subdirectory, safe='')}")
    kind = "rev"
    for name, source in manifest.sources.items():
        if canonicalize_name(name) == package.name and isinstance(source, Mapping):
            kind = next((key for key in ("branch", "tag") if key in source), "rev")
    if package.vcs.requested_revision:
        parts.append(f"{kind}={quote(package.vcs.requested_revision, safe='')}")
    return "?" + "&".join(parts) if parts else ""
