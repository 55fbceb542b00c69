"""Wheels with native libraries: hand-made ELF bytes, and real ones where a C compiler exists."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from support.wheels import Content, make_wheel, module_name

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to build a library with")


def elf_bytes(
    *, runpath: str | None = None, rpath: str | None = None, wide: bool = True, order: str = "<"
) -> bytes:
    """A minimal ELF shared library: header, one PT_LOAD, one PT_DYNAMIC, a string table.

    It cannot be loaded; it says what a loader would read. ``wide`` is ELF64, ``order`` as in
    :mod:`struct`.
    """
    base = 0x10000
    strings = b"\0"
    tags: list[tuple[int, int]] = []
    for tag, text in ((15, rpath), (29, runpath)):
        if text is not None:
            tags.append((tag, len(strings)))
            strings += text.encode() + b"\0"
    header_size, program_size = (64, 56) if wide else (52, 32)
    start = header_size + 2 * program_size
    dynamic_layout = order + ("qQ" if wide else "iI")
    table = start + struct.calcsize(dynamic_layout) * (len(tags) + 2)
    tags = [*tags, (5, base + table), (0, 0)]
    dynamic = b"".join(struct.pack(dynamic_layout, *pair) for pair in tags)
    total = start + len(dynamic) + len(strings)

    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    word = "Q" if wide else "I"
    header = ident + struct.pack(
        f"{order}HHI{word}{word}{word}IHHHHHH",
        3, 62 if wide else 3, 1, 0, header_size, 0, 0, header_size, program_size, 2, 0, 0, 0,
    )  # fmt: skip
    return (
        header
        + _program(1, 0, base, total, wide, order)
        + _program(2, start, base + start, len(dynamic), wide, order)
        + dynamic
        + strings
    )


def _program(kind: int, offset: int, address: int, size: int, wide: bool, order: str) -> bytes:
    if wide:
        return struct.pack(
            order + "IIQQQQQQ", kind, 4, offset, address, address, size, size, 0x1000
        )
    return struct.pack(order + "IIIIIIII", kind, offset, address, address, size, size, 4, 0x1000)


def platform_tag() -> str:
    """The tag of a wheel for this interpreter's platform and any CPython 3: ``py3-none-linux_x86_64``."""
    return "py3-none-" + sysconfig.get_platform().replace("-", "_").replace(".", "_")


def make_native_wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    runpath: str | None,
    library: str | None = None,
    files: Mapping[str, Content] | None = None,
    tag: str | None = None,
) -> Path:
    """A wheel that holds a hand-made ELF library (default ``NAME/libNAME.so``) with that RUNPATH."""
    module = module_name(name)
    content: dict[str, Content] = {f"{module}/__init__.py": f'__version__ = "{version}"\n'}
    content[library or f"{module}/lib{module}.so"] = elf_bytes(runpath=runpath)
    content.update(files or {})
    return make_wheel(
        folder, name, version, files=content, tag=tag or platform_tag(), purelib=False
    )


def build_library(
    path: Path,
    source: str,
    *,
    runpath: str | None = None,
    needs: Sequence[Path] = (),
) -> Path:
    """Compile C ``source`` to the shared library ``path``, linked against ``needs``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    code = path.with_suffix(".c")
    code.write_text(source)
    command = ["gcc", "-shared", "-fPIC", "-o", str(path), str(code), f"-Wl,-soname,{path.name}"]
    for library in needs:
        command += [f"-L{library.parent}", f"-l:{library.name}"]
    if runpath is not None:
        command += ["-Wl,--enable-new-dtags", f"-Wl,-rpath,{runpath}"]
    subprocess.run(command, check=True, capture_output=True)
    code.unlink()
    return path


def make_pair(folder: Path, *, version: str = "1.0", answer: int = 42) -> tuple[Path, Path]:
    """Two wheels like torch and nvidia-*: ``outer`` needs ``inner``'s library through its RUNPATH.

    ``outer/libouter.so`` has RUNPATH ``$ORIGIN/../inner/lib`` and needs ``inner/lib/libinner.so``;
    ``outer.answer()`` calls through both (ctypes). Needs gcc, see :data:`needs_gcc`.
    """
    build = folder / "build"
    inner = build_library(
        build / "inner/lib/libinner.so", f"int inner_answer(void) {{ return {answer}; }}\n"
    )
    outer = build_library(
        build / "outer/libouter.so",
        "int inner_answer(void);\nint outer_answer(void) { return inner_answer(); }\n",
        runpath="$ORIGIN/../inner/lib",
        needs=[inner],
    )
    code = (
        "import ctypes, os\n"
        "_library = ctypes.CDLL(os.path.join(os.path.dirname(__file__), 'libouter.so'))\n"
        "def answer():\n"
        "    return _library.outer_answer()\n"
    )
    wheels = (
        make_wheel(
            folder, "outer", version, tag=platform_tag(), purelib=False, requires=["inner"],
            files={"outer/__init__.py": code, "outer/libouter.so": outer.read_bytes()},
        ),
        make_wheel(
            folder, "inner", version, tag=platform_tag(), purelib=False,
            files={"inner/__init__.py": "", "inner/lib/libinner.so": inner.read_bytes()},
        ),
    )  # fmt: skip
    shutil.rmtree(build)
    return wheels
