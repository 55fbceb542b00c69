"""Pythons to install: archives in the layout of python-build-standalone and PyPy, and lists of them.

A *fake* is a shell script that answers provenv's probe and nothing else; the *real* one is the
interpreter that runs the tests, with as much of its library as it needs to start.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import provenv.interpreters

ORIGIN = "https://github.com/astral-sh/python-build-standalone/releases/download"
# uv reads this file, and wants to see how a real one begins.
_SYSCONFIG = (
    b"# system configuration generated and used by the sysconfig module\nbuild_time_vars = {}\n"
)
_PACKAGES = ("collections", "ctypes", "encodings", "importlib", "json", "re", "sysconfig")


@cache
def _own_report() -> str:
    script = os.path.join(os.path.dirname(provenv.interpreters.__file__), "_probe_script.py")
    done = subprocess.run(
        [sys.executable, "-E", "-s", "-S", "-B", script], capture_output=True, text=True, check=True
    )
    return done.stdout.split("<provenv-interpreter>")[1].split("</provenv-interpreter>")[0]


def report(**changes: Any) -> Any:
    """What the interpreter running the tests says of itself, with ``changes``."""
    return {**json.loads(_own_report()), **changes}


def fake_script(version: str, *, log: Path | None = None, **changes: Any) -> str:
    """A script that answers the probe as a Python ``version`` would, from wherever it lies."""
    release = [int(part) for part in version.split(".")[:2]]
    answer = report(version=version, release=release, executable="@HERE@", **changes)
    answer["markers"] |= {
        "python_version": f"{release[0]}.{release[1]}",
        "python_full_version": version,
    }
    note = f"echo \"${{0##*/}}\" >> '{log}'\n" if log else ""
    text = f"<provenv-interpreter>{json.dumps(answer)}</provenv-interpreter>"
    return (
        f'#!/bin/sh\n{note}here=$(readlink -f "$0")\n'
        f"sed \"s|@HERE@|$here|\" <<'ANSWER'\n{text}\nANSWER\n"
    )


def fake_python(path: Path, version: str, *, log: Path | None = None, **changes: Any) -> str:
    """Write such a script; each run adds its name to ``log``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(fake_script(version, log=log, **changes))
    path.chmod(0o755)
    return str(path)


def _archive(path: Path, files: Mapping[str, bytes], modes: Mapping[str, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        gzip.GzipFile(path, "wb", compresslevel=1, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), modes.get(name, 0o644)
            archive.addfile(entry, io.BytesIO(data))


def _machine() -> tuple[str, str]:
    arch = platform.machine()
    if sys.platform != "linux" or arch not in ("x86_64", "aarch64"):
        pytest.skip(f"no builds are made up for {sys.platform} {arch}")
    return arch, "gnu" if platform.libc_ver()[0] == "glibc" else "musl"


class Mirror:
    """A folder of archives and a list of them in uv's form.

    Attributes:
        folder: Where it lies; archives are in ``20260101/``.
        list: The list's path, ``downloads.json``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.list = folder / "downloads.json"
        self.entries: dict[str, dict[str, Any]] = {}

    def add_fake(
        self,
        version: str,
        *,
        implementation: str = "cpython",
        library: bool = True,
        **changes: Any,
    ) -> Path:
        """A Python that only answers the probe; without ``library``, uv does not take it for one."""
        minor = version.rpartition(".")[0]
        top, program = "python", f"python{minor}"
        if implementation == "pypy":
            top, program = f"pypy{minor}-v7.3.99-linux64", f"pypy{minor}"
        script = fake_script(version, implementation=implementation, **changes).encode()
        programs = [f"python{minor}", "python3", "python"]
        programs += [program, "pypy3", "pypy"] if implementation == "pypy" else []
        names = [f"{top}/bin/{name}" for name in programs]
        files = dict.fromkeys(names, script)
        if library:
            files[f"{top}/lib/{program}/_sysconfigdata__linux_.py"] = _SYSCONFIG
        return self._add(version, implementation, files, dict.fromkeys(names, 0o755))

    def add_real(self) -> str:
        """The interpreter that runs the tests; returns its version. Skips where it cannot be moved."""
        if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
            pytest.skip("only an ordinary CPython is packed")
        program = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
        minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
        library = Path(sysconfig.get_path("stdlib"))
        files = {f"python/bin/python{minor}": Path(program).read_bytes()}
        for file in _library(library):
            files[f"python/lib/python{minor}/{file.relative_to(library)}"] = file.read_bytes()
        modes = dict.fromkeys(files, 0o644) | {f"python/bin/python{minor}": 0o755}
        version = platform.python_version()
        self._add(version, "cpython", files, modes)
        return version

    def _add(
        self,
        version: str,
        implementation: str,
        files: Mapping[str, bytes],
        modes: Mapping[str, int],
    ) -> Path:
        arch, libc = _machine()
        triple = f"{arch}-unknown-linux-{libc}"
        name = f"{implementation}-{version}+20260101-{triple}-install_only_stripped.tar.gz"
        path = self.folder / "20260101" / name
        _archive(path, files, modes)
        numbers = [int(part) for part in version.split(".")]
        self.entries[f"{implementation}-{version}-linux-{arch}-{libc}"] = {
            "name": implementation,
            "arch": {"family": arch, "variant": None},
            "os": "linux",
            "libc": libc,
            "major": numbers[0],
            "minor": numbers[1],
            "patch": numbers[2],
            "prerelease": "",
            "url": f"20260101/{name.replace('+', '%2B')}",
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "variant": None,
            "build": "20260101",
        }
        self.write()
        return path

    def write(self) -> None:
        """Write the list anew, after ``entries`` were changed."""
        self.list.write_text(json.dumps(self.entries))


def _library(folder: Path) -> Iterable[Path]:
    yield from folder.glob("*.py")
    for name in _PACKAGES:
        yield from (path for path in (folder / name).rglob("*.py") if "test" not in path.parts)
    yield from (folder / "lib-dynload").glob("*.so")
