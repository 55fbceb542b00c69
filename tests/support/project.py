"""A project in a folder, and the command line run on it as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import provenv

_SOURCE = Path(provenv.__file__).parents[1]
# What a program needs from the caller's environment; the rest would make tests depend on the machine.
_KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")


def clean_environment(home: Path, *, index_url: str | None = None) -> dict[str, str]:
    """The environment of a program under test: ``home`` is its home folder, nothing else leaks in.

    ``PROVENV_HOME`` lies at ``home/provenv``; ``index_url`` becomes ``PROVENV_INDEX_URL``.
    """
    kept = {key: os.environ[key] for key in _KEPT if key in os.environ}
    kept |= {key: value for key, value in os.environ.items() if key.startswith("COVERAGE_")}
    made = {
        "HOME": str(home),
        "PROVENV_HOME": str(home / "provenv"),
        "PIP_CONFIG_FILE": os.devnull,  # pip's system-wide one would let other indexes in
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "NO_COLOR": "1",
        "COLUMNS": "100",
    }
    if index_url is not None:
        made["PROVENV_INDEX_URL"] = index_url
    return kept | made


def command() -> list[str]:
    """How to start provenv: as ``python -m provenv``, from the sources that the tests import.

    PYTHONPATH is not used for that: it would reach the programs that provenv starts.
    """
    if "site-packages" in _SOURCE.parts:
        return [sys.executable, "-P", "-m", "provenv"]
    code = (
        f"import sys; sys.path.insert(0, {str(_SOURCE)!r}); "
        "import runpy; runpy.run_module('provenv', run_name='__main__', alter_sys=True)"
    )
    return [sys.executable, "-P", "-c", code]


@dataclass(frozen=True)
class Result:
    """What one run of the command line left behind."""

    args: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    @cached_property
    def json(self) -> Any:
        """Standard output as JSON; nothing else may stand there."""
        try:
            return json.loads(self.stdout)
        except ValueError as error:
            raise AssertionError(f"standard output is not JSON\n{self}") from error

    def __str__(self) -> str:
        return (
            f"$ provenv {' '.join(self.args)}\nexit code {self.code}\n"
            f"--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"
        )


class Project:
    """A folder with a ``pyproject.toml``.

    Attributes:
        folder: The project.
        home: The user's home folder (``PROVENV_HOME`` lies below it).
        env: The environment of the programs that are run; tests may change it.
    """

    def __init__(self, folder: Path, *, home: Path, index_url: str | None = None) -> None:
        self.folder = folder
        self.home = home
        folder.mkdir(parents=True, exist_ok=True)
        home.mkdir(parents=True, exist_ok=True)
        self.env = clean_environment(home, index_url=index_url)

    def write(self, path: str, text: str) -> Path:
        """Write a file of the project; common indentation is taken off."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text).lstrip("\n"))
        return target

    def pyproject(self, text: str) -> Path:
        """Write ``pyproject.toml``."""
        return self.write("pyproject.toml", text)

    def depends(
        self,
        *requirements: str,
        groups: Mapping[str, list[str]] | None = None,
        extras: Mapping[str, list[str]] | None = None,
        more: str = "",
    ) -> Path:
        """Write a ``pyproject.toml`` that asks for ``requirements``; ``more`` is appended as it is."""
        lines = [
            "[project]",
            'name = "shop"',
            'version = "0.1.0"',
            'requires-python = ">=3.11"',
            f"dependencies = {list(requirements)!r}",
        ]
        for title, tables in (
            ("project.optional-dependencies", extras),
            ("dependency-groups", groups),
        ):
            if tables:
                lines += ["", f"[{title}]", *(f"{k} = {list(v)!r}" for k, v in tables.items())]
        return self.pyproject("\n".join(lines) + "\n" + textwrap.dedent(more))

    def read(self, path: str) -> str:
        """The text of a file of the project."""
        return (self.folder / path).read_text()

    def popen(self, *args: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start provenv and leave it running."""
        return subprocess.Popen(
            [*command(), *args],
            cwd=self.folder,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        *args: str,
        env: Mapping[str, str] | None = None,
        input: str | None = None,  # noqa: A002  # as in subprocess.run
        cwd: Path | None = None,
        timeout: float = 120,
    ) -> Result:
        """Run provenv with ``args`` in the project, whatever it exits with."""
        done = subprocess.run(
            [*command(), *args],
            cwd=cwd or self.folder,
            env={**self.env, **(env or {})},
            input=input or "",
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Result(args, done.returncode, done.stdout, done.stderr)

    def ok(self, *args: str, env: Mapping[str, str] | None = None) -> Result:
        """Run provenv; it must exit with 0."""
        return self.fails(0, *args, env=env)

    def fails(self, code: int, *args: str, env: Mapping[str, str] | None = None) -> Result:
        """Run provenv; it must exit with ``code``, and never with a traceback."""
        result = self.run(*args, env=env)
        assert result.code == code, f"wanted exit code {code}\n{result}"
        assert "Traceback (most recent call last)" not in result.stderr, str(result)
        return result

    def python(self, code: str, *, environment: str = ".venv") -> str:
        """Run ``code`` in an environment of the project and return what it printed, stripped."""
        done = subprocess.run(
            [str(self.folder / environment / "bin/python"), "-c", code],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()
