"""Wheels made on the spot (PEP 427), sound by default and broken on demand."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

Content = str | bytes
Rows = list[list[str]]

_DATE = (2024, 1, 1, 0, 0, 0)


def sha256_of(path: Path) -> str:
    """The hexadecimal digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def module_name(name: str) -> str:
    """``my-dist`` → ``my_dist``: the import name, and the spelling in file names."""
    return name.replace("-", "_").replace(".", "_").lower()


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    files: Mapping[str, Content] | None = None,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    extras: Mapping[str, Sequence[str]] | None = None,
    entry_points: Mapping[str, Mapping[str, str]] | None = None,
    tag: str = "py3-none-any",
    build: str = "",
    scripts: Mapping[str, Content] | None = None,
    data: Mapping[str, Content] | None = None,
    headers: Mapping[str, Content] | None = None,
    executable: Collection[str] = (),
    purelib: bool = True,
    metadata: str | None = None,
    wheel: str | None = None,
    record: Callable[[Rows], Rows | None] | None = None,
    members: Sequence[tuple[str | zipfile.ZipInfo, Content]] = (),
    compression: int = zipfile.ZIP_DEFLATED,
) -> Path:
    """Write a wheel into ``folder`` (made where missing) and return its path.

    Args:
        folder: Where the file is written.
        name: The distribution's name.
        version: Its version.
        files: Path inside site-packages → content; by default a package ``NAME`` with
            ``__version__`` in it.
        requires: PEP 508 requirements.
        requires_python: As in ``Requires-Python``.
        extras: Extra → its requirements.
        entry_points: Group → name → target, as ``{"console_scripts": {"tool": "pkg:main"}}``.
        tag: Compressed tag set of the file name.
        build: Build number of the file name.
        scripts: Name → content of ``.data/scripts``.
        data: Path → content of ``.data/data``.
        headers: Path → content of ``.data/headers``.
        executable: Paths inside the archive that carry mode 0755.
        purelib: ``Root-Is-Purelib``.
        metadata: The whole METADATA instead of the usual one.
        wheel: The whole WHEEL instead of the usual one.
        record: Given the rows (path, hash, size) of RECORD, returns those to write; None omits it.
        members: More entries for the archive, which RECORD does not know.
        compression: ``ZIP_DEFLATED`` or ``ZIP_STORED``.
    """
    module = module_name(name)
    stem = f"{module}-{version}"
    info, extra_data = f"{stem}.dist-info", f"{stem}.data"
    content: dict[str, bytes] = {}
    if files is None:
        files = {f"{module}/__init__.py": f'__version__ = "{version}"\n'}
    for prefix, group in (
        ("", files),
        (f"{extra_data}/scripts/", scripts),
        (f"{extra_data}/data/", data),
        (f"{extra_data}/headers/", headers),
    ):
        content.update({prefix + path: _bytes(value) for path, value in (group or {}).items()})
    usual = metadata_text(name, version, requires, requires_python, extras)
    content[f"{info}/METADATA"] = _bytes(usual if metadata is None else metadata)
    content[f"{info}/WHEEL"] = _bytes(_wheel_text(tag, build, purelib) if wheel is None else wheel)
    if entry_points:
        content[f"{info}/entry_points.txt"] = _entry_points_text(entry_points).encode()

    rows: Rows | None = [[path, _record_hash(v), str(len(v))] for path, v in content.items()]
    assert rows is not None
    rows.append([f"{info}/RECORD", "", ""])
    rows = record(rows) if record else rows
    if rows is not None:
        content[f"{info}/RECORD"] = _csv(rows)

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}{f'-{build}' if build else ''}-{tag}.whl"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for member, body in content.items():
            mode = 0o755 if member in executable or "/scripts/" in member else 0o644
            archive.writestr(entry(member, mode=mode, compression=compression), body)
        for extra, value in members:
            archive.writestr(entry(extra) if isinstance(extra, str) else extra, value)
    return path


def entry(
    name: str, *, mode: int = 0o644, kind: int = 0o100000, compression: int = zipfile.ZIP_DEFLATED
) -> zipfile.ZipInfo:
    """An archive entry with a fixed date; ``kind`` is the file type (0o120000: a symlink)."""
    info = zipfile.ZipInfo(name, _DATE)
    info.create_system = 3
    info.external_attr = (kind | mode) << 16
    info.compress_type = compression
    return info


def without_record(rows: Rows) -> None:
    """For ``make_wheel(record=…)``: the wheel has no RECORD."""
    return


def wrong_hash(path: str) -> Callable[[Rows], Rows]:
    """For ``make_wheel(record=…)``: RECORD promises other content for ``path``."""
    promised = _record_hash(b"something else")
    return lambda rows: [[p, promised if p == path else h, s] for p, h, s in rows]


def not_recorded(path: str) -> Callable[[Rows], Rows]:
    """For ``make_wheel(record=…)``: RECORD does not list ``path``."""
    return lambda rows: [row for row in rows if row[0] != path]


def metadata_text(
    name: str,
    version: str,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    extras: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """Core metadata 2.1."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", f"Summary: {name}"]
    if requires_python:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Requires-Dist: {item}" for item in requires]
    for extra, items in (extras or {}).items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {_with_extra(item, extra)}" for item in items]
    return "\n".join(lines) + "\n"


def _with_extra(requirement: str, extra: str) -> str:
    bare, _, marker = (part.strip() for part in requirement.partition(";"))
    own = f'extra == "{extra}"'
    return f"{bare} ; ({marker}) and {own}" if marker else f"{bare} ; {own}"


def _wheel_text(tag: str, build: str, purelib: bool) -> str:
    pythons, abis, platforms = tag.split("-")
    lines = ["Wheel-Version: 1.0", "Generator: support", f"Root-Is-Purelib: {str(purelib).lower()}"]
    lines += [
        f"Tag: {python}-{abi}-{platform}"
        for python in pythons.split(".")
        for abi in abis.split(".")
        for platform in platforms.split(".")
    ]
    if build:
        lines.append(f"Build: {build}")
    return "\n".join(lines) + "\n"


def _entry_points_text(groups: Mapping[str, Mapping[str, str]]) -> str:
    return "".join(
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in items.items()) + "\n"
        for group, items in groups.items()
    )


def _bytes(value: Content) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _record_hash(value: bytes) -> str:
    encoded = base64.urlsafe_b64encode(hashlib.sha256(value).digest()).rstrip(b"=")
    return f"sha256={encoded.decode()}"


def _csv(rows: Rows) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()
