"""Which wheels an interpreter can use: its compatibility tags, from what it said of itself.

``packaging.tags.sys_tags()`` answers for the interpreter that runs it. Here the same lists are made
for another one, which may be too old to run ``packaging`` at all, by giving that library's building
blocks every argument. PEP 425 (tags), 513/571/599/600 (manylinux), 656 (musllinux), 703 (free threading).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypedDict


class Report(TypedDict):
    """What the probe script prints; see ``_probe_script.py``."""

    version: str
    release: list[int]
    implementation: str
    executable: str
    markers: dict[str, str]
    platform: str
    multiarch: str | None
    soabi: str | None
    ext_suffix: str | None
    abiflags: str
    version_nodot: str | None
    free_threaded: bool
    debug: bool
    pymalloc: bool
    wide_unicode: bool
    libc: list[str]
    mac: list[str]
    pointer_size: int
    site_packages: str
    include: str


_SHORT_NAMES = {"cpython": "cp", "pypy": "pp", "ironpython": "ip", "jython": "jy"}

# Architectures for which PEP 600 platform tags mean something without a look at the ELF header.
_MANYLINUX = frozenset({"x86_64", "aarch64", "ppc64", "ppc64le", "s390x", "loongarch64", "riscv64"})
_LEGACY_MANYLINUX = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}


def compatible_tags(report: Report) -> tuple[str, ...]:
    """The tags of all wheels that this interpreter can use, best first: ``cp313-cp313-linux_x86_64``."""
    from packaging import tags

    major, minor = report["release"]
    platforms = list(platform_tags(report))
    short = _SHORT_NAMES.get(report["implementation"], report["implementation"])
    interpreter: str | None
    if short == "cp":
        interpreter = f"cp{major}{minor}"
        own = tags.cpython_tags((major, minor), cpython_abis(report), platforms)
    else:
        own = tags.generic_tags(
            f"{short}{report['version_nodot'] or f'{major}{minor}'}",
            generic_abis(report),
            platforms,
        )
        interpreter = "pp3" if short == "pp" else None
    return tuple(map(str, (*own, *tags.compatible_tags((major, minor), interpreter, platforms))))


def cpython_abis(report: Report) -> list[str]:
    """The ABIs of a CPython, its own first: ``cp313``, ``cp313t``, ``cp313d``, ``cp37m``, ``cp27mu``."""
    release = tuple(report["release"])
    base = f"cp{release[0]}{release[1]}"
    debug = "d" if report["debug"] else ""
    if release >= (3, 8):
        threads = "t" if report["free_threaded"] else ""
        # a debug build also loads ordinary extension modules
        return [f"{base}{threads}{debug}", *([f"{base}{threads}"] if debug else [])]
    pymalloc = "m" if report["pymalloc"] else ""
    unicode = "u" if release < (3, 3) and report["wide_unicode"] else ""
    return [f"{base}{debug}{pymalloc}{unicode}"]


def generic_abis(report: Report) -> list[str]:
    """The ABI of another implementation, taken from its suffix for extension modules."""
    parts = (report["ext_suffix"] or "").split(".")
    if len(parts) < 3 or not parts[1]:
        return []
    soabi = parts[1]
    words = {"pypy": 2, "graalpy": 3}
    count = next((n for name, n in words.items() if soabi.startswith(name)), None)
    return [_normalized("-".join(soabi.split("-")[:count]))]


def platform_tags(report: Report) -> Iterator[str]:
    """The platforms whose wheels this interpreter can use, the best first."""
    platform = _normalized(report["platform"])
    if report["mac"][0]:
        yield from _mac_platforms(report)
    elif platform.startswith("linux_"):
        yield from _linux_platforms(report, platform)
    else:
        yield platform


def _mac_platforms(report: Report) -> Iterator[str]:
    from packaging.tags import mac_platforms

    version, arch = report["mac"]
    if report["pointer_size"] == 4:
        arch = "ppc" if arch.startswith("ppc") else "i386"
    major, minor = (*map(int, version.split(".")[:2]), 0)[:2]
    return mac_platforms((major, minor), arch)


def _linux_platforms(report: Report, platform: str) -> Iterator[str]:
    if report["pointer_size"] == 4:
        # a 32-bit interpreter under a 64-bit kernel
        platform = {"linux_x86_64": "linux_i686", "linux_aarch64": "linux_armv8l"}.get(
            platform, platform
        )
    arch = platform.removeprefix("linux_")
    arches = ["armv8l", "armv7l"] if arch == "armv8l" else [arch]
    for name in arches:
        yield f"linux_{name}"
    libc, text = report["libc"]
    match = re.match(r"(\d+)\.(\d+)", text)
    if match is None:
        return
    version = (int(match[1]), int(match[2]))
    if libc == "musl":
        for name in arches:
            for minor in range(version[1], -1, -1):
                yield f"musllinux_{version[0]}_{minor}_{name}"
    elif libc == "glibc" and _manylinux_applies(report, arches):
        for name in arches:
            yield from _manylinux_platforms(name, version, legacy_x86=arch in ("x86_64", "i686"))


def _manylinux_applies(report: Report, arches: list[str]) -> bool:
    if "armv7l" in arches:
        return (report["multiarch"] or "").endswith("hf")  # the hard-float ABI only
    return "i686" in arches or any(name in _MANYLINUX for name in arches)


def _manylinux_platforms(arch: str, newest: tuple[int, int], *, legacy_x86: bool) -> Iterator[str]:
    """Every glibc from the one in use down to the oldest that PEP 600 knows for the architecture."""
    oldest = (2, 5) if legacy_x86 else (2, 17)
    # should glibc ever reach 3.0, 2.50 stands for the last of 2.x, as in packaging
    ranges = [(newest[0], newest[1])] + [(major, 50) for major in range(newest[0] - 1, 1, -1)]
    for major, last in ranges:
        first = oldest[1] if major == oldest[0] else 0
        for minor in range(last, first - 1, -1):
            yield f"manylinux_{major}_{minor}_{arch}"
            if legacy := _LEGACY_MANYLINUX.get((major, minor)):
                yield f"{legacy}_{arch}"


def _normalized(text: str) -> str:
    return text.replace(".", "_").replace("-", "_").replace(" ", "_")
