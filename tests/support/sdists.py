"""Source trees and sdists (PEP 517, PEP 660) with a backend of their own, or one from the index."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.wheels import Content, metadata_text, module_name

_BACKEND = Path(__file__).with_name("tiny_backend.py")
_TIME = 1704067200  # 2024-01-01


def make_source(
    folder: Path,
    name: str,
    version: str,
    *,
    files: Mapping[str, Content] | None = None,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    build_requires: Sequence[str] = (),
    uses: str | None = None,
    fail: str | None = None,
    more: str = "",
) -> Path:
    """Make ``folder`` a project that can be built: pyproject.toml, ``src/`` and an in-tree backend.

    Args:
        folder: The project's folder, made where missing.
        name: As in ``[project]``.
        version: As in ``[project]``.
        files: Path below ``src/`` → content; by default a package ``NAME`` with ``__version__``.
        requires: ``[project] dependencies``.
        requires_python: ``[project] requires-python``.
        build_requires: ``[build-system] requires``.
        uses: A module that the backend imports while it builds (a build requirement brings it).
        fail: What the backend writes to standard error before it fails.
        more: Text appended to pyproject.toml.
    """
    for path, content in _source(
        name, version, files, requires, requires_python, build_requires, uses, fail, more
    ).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


def make_sdist(
    folder: Path,
    name: str,
    version: str,
    *,
    files: Mapping[str, Content] | None = None,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    build_requires: Sequence[str] = (),
    uses: str | None = None,
    fail: str | None = None,
    more: str = "",
) -> Path:
    """Write an sdist of such a project into ``folder`` and return its path; same call, same bytes."""
    content = _source(
        name, version, files, requires, requires_python, build_requires, uses, fail, more
    )
    content["PKG-INFO"] = metadata_text(name, version, requires, requires_python).encode()
    stem = f"{module_name(name)}-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.tar.gz"
    with (
        gzip.GzipFile(path, "wb", mtime=_TIME) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for member, value in content.items():
            info = tarfile.TarInfo(f"{stem}/{member}")
            info.size, info.mtime, info.mode = len(value), _TIME, 0o644
            archive.addfile(info, io.BytesIO(value))
    return path


def _source(
    name: str,
    version: str,
    files: Mapping[str, Content] | None,
    requires: Sequence[str],
    requires_python: str | None,
    build_requires: Sequence[str],
    uses: str | None,
    fail: str | None,
    more: str,
) -> dict[str, bytes]:
    module = module_name(name)
    if files is None:
        files = {f"{module}/__init__.py": f'__version__ = "{version}"\n'}
    lines = [
        "[build-system]",
        f"requires = {list(build_requires)!r}",
        'build-backend = "tiny_backend"',
        'backend-path = ["_backend"]',
        "",
        "[project]",
        f'name = "{name}"',
        f'version = "{version}"',
        f"dependencies = {list(requires)!r}",
    ]
    if requires_python:
        lines.append(f'requires-python = "{requires_python}"')
    settings = {"uses": uses, "fail": fail}
    if any(settings.values()):
        lines += ["", "[tool.tiny]", *(f'{k} = "{v}"' for k, v in settings.items() if v)]
    content = {
        "pyproject.toml": "\n".join(lines) + "\n" + more,
        "_backend/tiny_backend.py": _BACKEND.read_bytes(),
        **{f"src/{path}": value for path, value in files.items()},
    }
    return {k: v.encode() if isinstance(v, str) else v for k, v in content.items()}
