"""What the fuzzer begins with: a few small inputs of each target, sound ones and some with a twist."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable

from fuzz.targets import EARLIER, written
from unit.store.wheelmaker import Wheel, elf
from unit.store.zips import described, field, wide, with_extra

_INFO = "demo-1.0.dist-info"
_HASH = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"  # of nothing
_PART, _FULL = b"\xff", b"\xfe"


def _recipes() -> list[bytes]:
    points = b"[console_scripts]\ndemo = demo:main\n[gui_scripts]\nwin = demo.gui:App.run [x]\n"
    files = [
        [(b"demo/__init__.py", b"x = 1\n"), (b"demo/caf\xc3\xa9.txt", b""), (b"demo/", b"")],
        [(b"demo.py", b""), (f"{_INFO}/entry_points.txt".encode(), points)],
        [
            (b"demo-1.0.data/scripts/tool", b"#!python\nprint(1)\n"),
            (b"demo-1.0.data/data/share/x", b"x"),
            (b"demo-1.0.data/headers/demo.h", b""),
            (b"Demo-1.0.data/purelib/a.py", b""),
        ],
        [(b"\xfd106755demo/run", b"#!/bin/sh\n"), (b"\xfd120777demo/link", b"/etc/passwd")],
        [(f"{_INFO}/RECORD".encode(), b'"a,b",sha256=x,1\n'), (f"{_INFO}/RECORD.jws".encode(), b"{}")],
        [(b"demo/native.so", b"\x7fELF\2\1\1" + bytes(57)), (b"../x", b"")],
        [(b"demo/A", b""), (b"demo/a", b"")],
    ]  # fmt: skip
    return [_PART.join(name + _FULL + content for name, content in part) for part in files]


def _wheels() -> list[bytes]:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(written(_recipes()[0]))) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for info in source.infolist():
            with target.open(zipfile.ZipInfo(info.filename), "w", force_zip64=True) as member:
                member.write(source.read(info))
    recipes = _recipes()
    plain, deflated = written(recipes[1]), out.getvalue()
    extra = field(0x5455, b"\1\0\0\0\0") + field(1, b"")
    return [
        *(bytes([1 + 2 * (number % 2)]) + recipe for number, recipe in enumerate(recipes)),
        b"\0" + plain,
        b"\0" + wide(plain, None),
        b"\0" + with_extra(plain, extra, local=True),
        b"\0" + with_extra(plain, extra, local=False),
        b"\0" + deflated,
        b"\2" + deflated,
        b"\4" + deflated,
        *(bytes([how]) + EARLIER + b"\xffdemo/new.py\xfey = 2\n" for how in (5, 7)),
        b"\4"
        + written(EARLIER).replace(b"x = 1\n", b"x = 2\n"),  # only its packed bytes are broken
        *(b"\0" + described(Wheel().data(), form) for form in ("<III", "<4xIQQ")),
        b"\2" + Wheel(files={"demo.py": b"x = 1\n" * 50}).data(),
        b"\2" + Wheel().data().replace(b"PK\1\2\x14\3\x14", b"PK\1\2\x14\3\x40"),
    ]


def _sdists() -> list[bytes]:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, target in (
            ("demo-1", tarfile.DIRTYPE, ""),
            ("demo-1/a.txt", tarfile.REGTYPE, ""),
            ("demo-1/caf\u00e9", tarfile.SYMTYPE, "a.txt"),
            ("demo-1/hard", tarfile.LNKTYPE, "demo-1/a.txt"),
            ("demo-1/nowhere", tarfile.SYMTYPE, "."),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = kind, target, 0o6755
            archive.addfile(info)
    gnu = io.BytesIO()
    with tarfile.open(fileobj=gnu, mode="w", format=tarfile.GNU_FORMAT) as archive:
        info = tarfile.TarInfo("demo-1/" + "long/" * 30)
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target_zip:
        target_zip.writestr("demo-1/", "")
        target_zip.writestr("demo-1/a.txt", "a")
    return [b"\x00" + tar.getvalue(), b"\x00" + gnu.getvalue(), b"\x01" + packed.getvalue()]


def _records() -> list[bytes]:
    return [
        f"demo/__init__.py,{_HASH},0\n{_INFO}/RECORD,,\n".encode(),
        f'"demo/a,b.py",{_HASH},\r\ndemo/c.py,sha512=x,1\r\n'.encode(),
        f'demo/"quoted".py,{_HASH},0\n\n"a""b",{_HASH}=,00\n'.encode(),
    ]


_LOCK = f"""lock-version = "1.0"
environments = ["sys_platform == 'linux'"]
requires-python = ">=3.11"
extras = ["fast"]
dependency-groups = ["dev"]
default-groups = ["dev"]
created-by = "provenv"

[[packages]]
name = "alpha"
version = "1.0"
marker = "'dev' in dependency_groups or python_version < '3.12'"
requires-python = ">=3.8"
index = "https://example.org/simple"
dependencies = [{{ name = "beta" }}]
sdist = {{ url = "https://x/a", size = 9, upload-time = 2024-01-01T00:00:00Z, hashes = {{ md5 = "0" }} }}
wheels = [
    {{ name = "alpha-1.0-py3-none-any.whl", path = "a-1.whl", hashes = {{ sha256 = "1" }} }},
]

[[packages]]
name = "beta"
vcs = {{ type = "git", url = "https://example.org/b.git", commit-id = "{"a" * 40}" }}

[[packages]]
name = "gamma"
directory = {{ path = "../gamma", editable = true }}

[[packages.attestation-identities]]
kind = "GitHub"

[tool.provenv]
manifest-digest = "x"
packages-digest = "y"
"""


_ESCAPES = _LOCK.replace("'linux'", "'\\\\\\\\linux'")

_TOOLS = """lock-version = "1.0"
created-by = "x"
packages = []

[tool]
one = "x"

[tool."a b".inner]
excluded = [1]
"""


def _descriptions() -> list[bytes]:
    data = {
        "format": 2, "name": "demo", "version": "1.0", "filename": "demo-1.0-py3-none-any.whl",
        "sha256": "ab" * 32, "size": 9, "unpacked": 1, "files": 1, "dist-info": _INFO,
        "tags": ["py3-none-any"], "record": "cd" * 32, "generated": {"bin/demo": "ef" * 32},
        "scripts": ["demo"],
        "tree": {
            "site": {"m": 5, "f": {"demo.py": [1, 5]}, "d": {
                "demo": {"m": 5, "o": 1}, _INFO: {"m": 5, "f": {"RECORD": [9, 5]}}}},
            "bin": {"m": 5, "f": {"demo": [1, 5]}},
        },
    }  # fmt: skip
    return [json.dumps(data, separators=(",", ":")).encode()]


def _markers() -> list[bytes]:
    return [
        b"'dev' in dependency_groups",
        b"('x' in extras or 'Y_z' in extras) and python_version >= '3.11' or os_name == 'nt'",
        b"'dev' not in dependency_groups and (sys_platform != 'win32' and 'x' not in extras)",
        b"'' < 'extras' or 'x' in 'extras'",
        rb"os_name == 'a\"b' or os_name == 'c\\\\d'",
        b"python_full_version~='3.8.1' or platform_machine in 'x86_64 arm64' or '3' == python_version",
    ]


SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "wheel": _wheels, "sdist": _sdists, "record": _records,
    "pylock": lambda: [_LOCK.encode(), _TOOLS.encode(), _ESCAPES.encode()],
    "object": _descriptions, "marker": _markers,
    "elf": lambda: [elf("$ORIGIN/../demo.libs:/opt/lib"), elf(None)],
}  # fmt: skip

# what no fuzzer finds by itself within minutes
TOKENS: dict[str, tuple[str | bytes, ...]] = {
    "wheel": (
        f"{_INFO}/", "RECORD", "METADATA", "WHEEL", "entry_points.txt", "INSTALLER", "SOURCES.txt",
        "RECORD.jws", "demo-1.0.data/", "scripts/", "purelib/", "platlib/", "data/", "headers/",
        "__pycache__/", "../", "#!python", "[console_scripts]\n", "Wheel-Version: 1", "Name: demo\n",
        "sha256=", "sha512=", b"\xfe", b"\xff", b"\xfd120777", b"PK\1\2", b"PK\3\4", b"PK\5\6",
        b"PK\6\6", b"PK\6\7", b"PK\7\10", b"\1\0\x10\0", b"up\5\0\1", b"\xe2\x80\xae", b"\xcc\x81",
    ),
    "sdist": (
        "ustar\x0000", "ustar  \0", "demo-1/", "../", "././@LongLink", "././@PaxHeader", " path=",
        " linkpath=", " size=", " mtime=", " GNU.sparse.map=", " GNU.sparse.major=1\n", b"\x80\0\0\0",
        b"\xff\xff\xff\xff", b"PK\1\2", b"PK\3\4", b"PK\5\6",
    ),
    "record": ("sha256=", "sha384=", "sha512=", f"{_INFO}/RECORD", '"', '""', ",", "\r\n"),
    "pylock": (
        "[[packages]]\n", "marker = ", "wheels = [", "hashes = {", "vcs = {", "archive = {",
        "directory = {", "[tool.provenv]\n", "1979-05-27T07:32:00Z", "nan", "inf", "\\u0000", '"""',
        "'dev' in dependency_groups", "<<<<<<< ", "packages-digest",
    ),
    "object": (
        '"format":1', '"sha256":', '"tree":', '"site":', '"d":{', '"f":{', '"m":', "[1,2]", '"..":',
        '"generated":{', '"record":', "null", "1e999", "NaN", "\\ud800",
    ),
    "marker": (
        " in ", " not in ", " and ", " or ", "extras", "dependency_groups", "extra", "==", "===", "~=",
        "!=", "<=", ">=", "'", '"', "python_version", "python_full_version", "os_name", "platform_release",
        "implementation_version",
    ),
    "elf": (b"\x7fELF\2\1\1", b"\x7fELF\1\2\1", "$ORIGIN/../", "${ORIGIN}", b"\x1d\0\0\0", b"\xff\xff"),
}  # fmt: skip


def dictionary(target: str) -> str:
    """The tokens as libFuzzer reads them: one in quotes a line, bytes in hexadecimal."""
    tokens = (t.encode() if isinstance(t, str) else t for t in TOKENS[target])
    return "".join('"' + "".join(f"\\x{byte:02x}" for byte in token) + '"\n' for token in tokens)
