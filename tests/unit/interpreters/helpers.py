"""Real interpreters where this machine has them, and scripts that only say that they are one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provenv.core.events import Event, Warned
from provenv.interpreters.search import Search
from support.mirrors import fake_python, report

PYENV = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")


def installed_versions() -> list[str]:
    """The CPython versions that pyenv has here."""
    versions = PYENV / "versions"
    if not versions.is_dir():
        return []
    return sorted(p.name for p in versions.iterdir() if p.name[:1].isdigit() and not p.is_symlink())


def real(version: str) -> str:
    """The executable of an installed version that starts with ``version``; skips where there is none."""
    for name in installed_versions():
        if name.startswith(f"{version}."):
            return str(PYENV / "versions" / name / "bin" / "python")
    pytest.skip(f"pyenv has no Python {version} here")


class Heard:
    """An ``emit`` that keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def __call__(self, event: Event) -> None:
        assert isinstance(event, Warned)
        self.warnings.append(event.message)


def nowhere(**places: object) -> Search:
    """A search that looks only where the test says."""
    return Search(**{"system": (), "prefixes": (), **places})  # type: ignore[arg-type]


def script(path: Path, body: str) -> str:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


__all__ = [
    "PYENV", "Heard", "fake_python", "installed_versions", "nowhere", "real", "report", "script",
]  # fmt: skip
