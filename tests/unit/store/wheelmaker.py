"""Wheels made to order, well-formed unless a test asks for a fault."""

import base64
import hashlib
import io
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


def row(path: str, content: bytes, algorithm: str = "sha256") -> str:
    digest = hashlib.new(algorithm, content).digest()
    encoded = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    name = f'"{path}"' if "," in path else path
    return f"{name},{algorithm}={encoded},{len(content)}"


@dataclass(kw_only=True)
class Wheel:
    """A wheel to be; ``files`` stand beside METADATA, WHEEL and RECORD, which are made."""

    name: str = "demo"
    version: str = "1.0"
    files: Mapping[str, bytes] = field(default_factory=lambda: {"demo/__init__.py": b"x = 1\n"})
    entry_points: str | None = None
    metadata: bytes | None = None
    dist_info: str | None = None
    wheel_version: str = "1.0"
    tag: str = "py3-none-any"
    modes: Mapping[str, int] = field(default_factory=dict)
    stored: bool = False
    drop_rows: Sequence[str] = ()
    extra_rows: Sequence[str] = ()
    replace_rows: Mapping[str, str] = field(default_factory=dict)
    algorithm: str = "sha256"
    unlisted: Sequence[tuple[str, bytes]] = ()  # written last, as they are, without a row
    drop: Sequence[str] = ()

    @property
    def filename(self) -> str:
        return f"{self.name}-{self.version}-{self.tag}.whl"

    def members(self) -> dict[str, bytes]:
        info = self.dist_info or f"{self.name}-{self.version}.dist-info"
        members = dict(self.files)
        usual = f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n".encode()
        members[f"{info}/METADATA"] = usual if self.metadata is None else self.metadata
        members[f"{info}/WHEEL"] = (
            f"Wheel-Version: {self.wheel_version}\nGenerator: tests\n"
            f"Root-Is-Purelib: true\nTag: {self.tag}\n"
        ).encode()
        if self.entry_points is not None:
            members[f"{info}/entry_points.txt"] = self.entry_points.encode()
        rows = [
            self.replace_rows.get(path, row(path, content, self.algorithm))
            for path, content in members.items()
            if path not in self.drop_rows
        ]
        rows += [*self.extra_rows, f"{info}/RECORD,,"]
        members[f"{info}/RECORD"] = ("\n".join(rows) + "\n").encode()
        return {path: content for path, content in members.items() if path not in self.drop}

    def data(self) -> bytes:
        stream = io.BytesIO()
        method = zipfile.ZIP_STORED if self.stored else zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(stream, "w", method) as archive:
            for path, content in [*self.members().items(), *self.unlisted]:
                info = zipfile.ZipInfo(path)
                info.create_system = 3
                info.external_attr = self.modes.get(path, 0o100644) << 16
                info.compress_type = method
                archive.writestr(info, content)
        return stream.getvalue()

    def save(self, folder: Path) -> "Made":
        return save(folder, self.filename, self.data())


@dataclass(frozen=True, kw_only=True)
class Made:
    """A wheel file and what a lock would say of it."""

    path: Path
    filename: str
    sha256: str
    size: int


def save(folder: Path, filename: str, data: bytes) -> Made:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / filename
    path.write_bytes(data)
    return Made(
        path=path, filename=filename, sha256=hashlib.sha256(data).hexdigest(), size=len(data)
    )


def elf(runpath: str | None) -> bytes:
    """The smallest 64-bit ELF file with a dynamic section that a reader can follow."""
    strings = b"\0" + (runpath or "").encode() + b"\0"
    entries = [(5, 0x1000 + 64 + 2 * 56 + 16 * 4)]
    if runpath is not None:
        entries.append((29, 1))
    entries.append((0, 0))
    dynamic = b"".join(struct.pack("<qQ", *entry) for entry in entries).ljust(16 * 4, b"\0")
    start = 64 + 2 * 56
    total = start + len(dynamic) + len(strings)
    header = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x1000, 0x1000, total, total, 0x1000)
    dyn = struct.pack(
        "<IIQQQQQQ", 2, 6, start, 0x1000 + start, 0x1000 + start, len(dynamic), len(dynamic), 8
    )
    return header + load + dyn + dynamic + strings
