"""Advisories made by tests: OSV records, and the archive that a mirror would serve."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

REAL = Path(__file__).resolve().parents[3] / "shared" / "advisories"
"""Real data, where the workplace has it; tests that use it skip without it."""


def now() -> str:
    """This moment, as records have it."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def record(  # a record has that many fields
    name: str,
    package: str = "alpha",
    *,
    versions: Sequence[str] = (),
    ranges: Sequence[Sequence[tuple[str, str]]] = (),
    aliases: Sequence[str] = (),
    cvss: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """One record: ``ranges`` hold events, as ``[("introduced", "0"), ("fixed", "1.2")]``."""
    made: dict[str, Any] = {
        "schema_version": "1.6.0",
        "id": name,
        "modified": now(),
        "published": "2026-01-02T03:04:05Z",
        "summary": f"{package} can be hurt.",
        "aliases": list(aliases),
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": package},
                "versions": list(versions),
                "ranges": [
                    {"type": "ECOSYSTEM", "events": [{kind: version} for kind, version in events]}
                    for events in ranges
                ],
            }
        ],
    }
    if cvss is not None:
        made["severity"] = [{"type": "CVSS_V3", "score": cvss}]
    return {**made, **more}


def archive(path: Path, records: Sequence[Mapping[str, Any]]) -> Path:
    """A zip as the OSV project's ``all.zip`` is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as stream:
        for one in records:
            stream.writestr(f"{one['id']}.json", json.dumps(one))
    return path


GRAVE = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
"""A vector of 9.8."""
