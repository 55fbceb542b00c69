"""Locking a manifest in a test, and reading what came out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.pylock import Pylock

from provenv.core.events import Event
from provenv.model.lock import render_lock
from provenv.model.manifest import parse_manifest
from provenv.resolve import ResolveSettings, resolve


@dataclass
class Project:
    """A folder with a manifest, and what locking it gives."""

    folder: Path
    settings: ResolveSettings
    events: list[Event]

    def locks(
        self,
        text: str,
        previous: dict[str | None, Pylock] | None = None,
        *,
        upgrade: bool | frozenset[str] = False,
        settings: ResolveSettings | None = None,
    ) -> dict[str | None, Pylock]:
        found = resolve(
            parse_manifest(text),
            project=str(self.folder),
            previous=previous or {},
            upgrade=upgrade,
            settings=settings or self.settings,
            emit=self.events.append,
        )
        return dict(found)

    def lock(self, text: str, previous: Pylock | None = None, **options: Any) -> Pylock:
        return self.locks(text, {None: previous} if previous else {}, **options)[None]

    def text(self, text: str, previous: Pylock | None = None) -> str:
        return render_lock(self.lock(text, previous))


def versions(lock: Pylock) -> dict[str, str]:
    """Name → version (or versions, one after another)."""
    found: dict[str, str] = {}
    for package in lock.packages:
        text = str(package.version) if package.version else ""
        found[package.name] = f"{found[package.name]} {text}" if package.name in found else text
    return found


def selected(
    lock: Pylock,
    markers: Mapping[str, str],
    *,
    extras: Collection[str] = (),
    groups: Collection[str] = (),
) -> dict[str, str]:
    """What a PEP 751 installer chooses: name → version."""
    variables: dict[str, str | frozenset[str]] = {
        **markers,
        "extras": frozenset(extras),
        "dependency_groups": frozenset(groups),
    }
    return {
        p.name: str(p.version or "")
        for p in lock.packages
        if p.marker is None or p.marker.evaluate(variables, context="lock_file")
    }
