"""Two wheels, one of whose native library finds the other's through ``$ORIGIN/../other/lib``.

This is how torch finds the libraries of the nvidia-* wheels. A directory symlink breaks it: the
kernel resolves ``..`` after the symlink, and ends in the store instead of the environment.
"""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import zipfile

PROBE = "import toy; print(toy.answer())"
_OTHER = "int other_answer(void) { return 42; }\n"
_TOY = "int other_answer(void);\nint toy_answer(void) { return other_answer(); }\n"
_INIT = """\
import ctypes, os
answer = ctypes.CDLL(os.path.join(os.path.dirname(__file__), "libtoy.so")).toy_answer
"""


def build(folder: str) -> list[str]:
    """Compile and pack both wheels in ``folder``; their paths.

    Raises:
        subprocess.CalledProcessError: The compiler refused.
    """
    os.makedirs(os.path.join(folder, "other", "lib"))
    os.makedirs(os.path.join(folder, "toy"))
    other = os.path.join(folder, "other", "lib", "libother.so")
    toy = os.path.join(folder, "toy", "libtoy.so")
    _compile(_OTHER, other, "-Wl,-soname,libother.so")
    _compile(
        _TOY, toy, "-L" + os.path.dirname(other), "-lother",
        "-Wl,--enable-new-dtags", "-Wl,-rpath,$ORIGIN/../other/lib",
    )  # fmt: skip
    return [
        _pack(folder, "other", {"other/lib/libother.so": _bytes(other), "other/__init__.py": b""}),
        _pack(folder, "toy", {"toy/libtoy.so": _bytes(toy), "toy/__init__.py": _INIT.encode()}),
    ]


def _compile(source: str, target: str, *options: str) -> None:
    command = ["gcc", "-shared", "-fPIC", "-o", target, "-x", "c", "-", "-x", "none", *options]
    subprocess.run(command, input=source, text=True, check=True, capture_output=True)


def _bytes(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def _pack(folder: str, name: str, files: dict[str, bytes]) -> str:
    info = f"{name}-1.0.dist-info"
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: false\nTag: py3-none-linux_x86_64\n"
    )
    lines = [f"{path},sha256={_digest(body)},{len(body)}" for path, body in files.items()]
    files[f"{info}/RECORD"] = ("\n".join([*lines, f"{info}/RECORD,,"]) + "\n").encode()
    path = os.path.join(folder, f"{name}-1.0-py3-none-linux_x86_64.whl")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for inner, body in files.items():
            archive.writestr(inner, body)
    return path


def _digest(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
