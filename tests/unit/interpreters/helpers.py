"""Real interpreters where this machine has them, and scripts that only say that they are one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import provenv.interpreters
from provenv.core.events import Event, Warned
from provenv.interpreters.search import Search

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


@cache
def _real_report() -> str:
    script = os.path.join(os.path.dirname(provenv.interpreters.__file__), "_probe_script.py")
    done = subprocess.run(
        [sys.executable, "-E", "-s", "-S", "-B", script], capture_output=True, text=True, check=True
    )
    return done.stdout.split("<provenv-interpreter>")[1].split("</provenv-interpreter>")[0]


def report(**changes: Any) -> Any:
    """What the interpreter running the tests says of itself, with ``changes``."""
    return {**json.loads(_real_report()), **changes}


def fake_python(path: Path, version: str, *, log: Path | None = None, **changes: Any) -> str:
    """A script that answers the probe as a Python ``version`` would; each run adds a line to ``log``."""
    numbers = version.split(".")
    release = [int(numbers[0]), int(numbers[1])]
    answer = report(version=version, release=release, executable=str(path), **changes)
    answer["markers"] |= {
        "python_version": f"{release[0]}.{release[1]}",
        "python_full_version": version,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    note = f"echo {path.name} >> '{log}'\n" if log else ""
    text = f"<provenv-interpreter>{json.dumps(answer)}</provenv-interpreter>"
    path.write_text(f"#!/bin/sh\n{note}cat <<'ANSWER'\n{text}\nANSWER\n")
    path.chmod(0o755)
    return str(path)


def script(path: Path, body: str) -> str:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)
