"""How the tests of formats read a file, and what they ask a lock."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from provenv.formats.foreign import Foreign, Source
from provenv.formats.kinds import read
from provenv.formats.selecting import select

FILES = Path(__file__).parent / "files"


def source_of(path: Path, root: Path | None = None, **environ: str) -> Source:
    """A file as the use cases hand it in."""

    def neighbour(name: str) -> bytes | None:
        try:
            return Path(name).read_bytes()
        except OSError:
            return None

    root = root or path.parent
    return Source(
        path=str(path),
        shown=str(path.relative_to(root)),
        data=path.read_bytes(),
        root=str(root),
        environ=environ,
        read=neighbour,
    )


def read_file(path: Path, root: Path | None = None, **environ: str) -> Foreign:
    """What the format of that name makes of a file."""
    _, found = read(source_of(path, root, **environ))
    assert found is not None
    return found


def write_file(folder: Path, name: str, text: str | bytes) -> Path:
    """A file in a folder, which is made."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def markers(version: str = "3.12.1", platform: str = "linux") -> Mapping[str, str]:
    """The marker environment of an interpreter (PEP 508)."""
    return {
        "implementation_name": "cpython",
        "implementation_version": version,
        "os_name": "nt" if platform == "win32" else "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "6",
        "platform_system": {"linux": "Linux", "win32": "Windows"}[platform],
        "platform_version": "1",
        "python_full_version": version,
        "python_version": ".".join(version.split(".")[:2]),
        "sys_platform": platform,
    }


def versions(
    foreign: Foreign,
    *,
    groups: tuple[str, ...] = (),
    extras: tuple[str, ...] = (),
    version: str = "3.12.1",
    platform: str = "linux",
) -> dict[str, str]:
    """Names and versions that a lock installs."""
    found = select(foreign, markers(version, platform), groups=groups, extras=extras)
    assert found.missing == ()
    return {pin.name: pin.version for pin in found.pins}
