"""A builder for the interpreter that runs the tests, and sources with a backend written on the spot."""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from provenv.building import Builder
from provenv.core.events import BuildOutput, Event, Noted
from provenv.core.http import HttpSettings
from provenv.interpreters import probe
from provenv.model.interpreter import Interpreter
from provenv.model.layout import HomeLayout
from provenv.model.plan import Artifact
from provenv.resolve import ResolveSettings
from support import Index, sha256_of


@cache
def this_interpreter() -> Interpreter:
    return probe(
        sys.executable,
        source="test",
        cache=os.path.join(tempfile.gettempdir(), f"provenv-tests-{os.getuid()}.json"),
    )


@dataclass
class Bench:
    """Makes builders on one home folder, and keeps what they say."""

    layout: HomeLayout
    index: Index
    environ: dict[str, str]
    events: list[Event] = field(default_factory=list)
    index_url: str | None = None

    def builder(self, *, offline: bool = False, **options: Any) -> Builder:
        options.setdefault("emit", self.events.append)
        http = HttpSettings(offline=offline, attempts=1)
        interpreter = options.pop("interpreter", None) or this_interpreter()
        return Builder(
            self.layout,
            interpreter,
            http=http,
            settings=ResolveSettings(
                cache=f"{self.layout.cache}/uv",
                tmp=f"{self.layout.cache}/tmp",
                environ=self.environ,
                interpreter=interpreter,
                http=http,
                index_url=self.index_url or self.index.url,
                offline=offline,
            ),
            **options,
        )

    @property
    def output(self) -> list[str]:
        return [event.line for event in self.events if isinstance(event, BuildOutput)]

    @property
    def notes(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Noted)]

    def left_over(self) -> list[str]:
        """What lies in the store's folder for temporary things."""
        return os.listdir(self.layout.tmp) if os.path.isdir(self.layout.tmp) else []


def sdist_of(path: Path, name: str = "", version: str = "") -> Artifact:
    """The artifact of an sdist file, as a plan would hold it; its path begins at its folder."""
    stem = path.name.removesuffix(".tar.gz").removesuffix(".zip")
    return Artifact(
        name=name or stem.rpartition("-")[0],
        version=version or stem.rpartition("-")[2],
        kind="sdist",
        filename=path.name,
        sha256=sha256_of(path),
        size=path.stat().st_size,
        path=path.name,
    )


BACKEND = """
import os, sys, zipfile
name = "demo-1.0-py3-none-any.whl"
def write(folder, files):
    with zipfile.ZipFile(os.path.join(folder, name), "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        info = "demo-1.0.dist-info/"
        archive.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: demo\\nVersion: 1.0\\n")
        wheel = "Wheel-Version: 1.0\\nTag: py3-none-any\\nRoot-Is-Purelib: true\\n"
        archive.writestr(info + "WHEEL", wheel)
        rows = [*files, info + "METADATA", info + "WHEEL", info + "RECORD"]
        import base64, hashlib
        text = ""
        for row in rows[:-1]:
            data = archive.read(row)
            hashed = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            text += f"{row},sha256={hashed},{len(data)}\\n"
        archive.writestr(info + "RECORD", text + info + "RECORD,,\\n")
    return name
def build_wheel(folder, config_settings=None, metadata_directory=None):
    return write(folder, {"demo.py": "x = 1\\n"})
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


def write_tree(folder: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return folder


def pack(folder: Path, files: Mapping[str, str], *, stem: str = "demo-1.0") -> Path:
    """An sdist with just these files below its top folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(f"{stem}/{name}")
            info.size = len(text.encode())
            archive.addfile(info, BytesIO(text.encode()))
    return path
