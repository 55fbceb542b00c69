"""Interpreters that this machine has besides the one that runs the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support.wheels import sha256_of

_PYENV = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")


def pyenv_python(version: str) -> str:
    """The executable of pyenv's Python ``version`` (``2.7``); skips where there is none."""
    found = sorted(_PYENV.glob(f"versions/{version}.*/bin/python"))
    if not found:
        pytest.skip(f"pyenv has no Python {version} here")
    return str(found[-1])


def pypy() -> str:
    """The executable of a PyPy 3 on PATH; skips where there is none."""
    found = shutil.which("pypy3")
    if found is None:
        pytest.skip("no pypy3 on PATH")
    return found


def answer(python: str | Path, *arguments: str, **variables: str) -> str:
    """What ``python`` prints when it is run with ``arguments``, stripped; it must exit with 0."""
    done = subprocess.run(
        [str(python), *arguments], env={**os.environ, **variables}, cwd="/", capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout.strip()


def frozen_lock(*wheels: Path, requires_python: str = ">=2.7") -> str:
    """A PEP 751 lock of these wheels, as another tool would freeze them: names, files, hashes."""
    found: dict[tuple[str, str], list[Path]] = {}
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        found.setdefault((name.replace("_", "-"), version), []).append(wheel)
    lines = [
        'lock-version = "1.0"',
        f'requires-python = "{requires_python}"',
        'created-by = "hand"',
    ]
    for (name, version), files in found.items():
        lines += ["", "[[packages]]", f'name = "{name}"', f'version = "{version}"', "wheels = ["]
        lines += [
            f'  {{ name = "{file.name}", path = "{file}", size = {file.stat().st_size}, '
            f'hashes = {{ sha256 = "{sha256_of(file)}" }} }},'
            for file in files
        ]
        lines += ["]"]
    return "\n".join(lines) + "\n"
