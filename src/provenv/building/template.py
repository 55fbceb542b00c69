"""Editable wheels that say where the project lies in one place only, so that it can be changed.

Hatchling, flit, pdm, uv's backend and setuptools with a ``src`` folder answer ``build_editable``
with a wheel of metadata and a ``.pth`` file that holds the project's path. Such a wheel, with the
path taken out, serves every other checkout of the same project without running the backend.
"""

from __future__ import annotations

import csv
import io
import os
import zipfile
from collections.abc import Mapping
from typing import Any

from provenv.core import digest

_DATE = (2020, 2, 2, 0, 0, 0)
_DERIVED = ("RECORD", "RECORD.jws", "RECORD.p7s")


def make_template(wheel: str, root: str) -> dict[str, Any] | None:
    """The wheel without the path ``root``; None where it does more than point there.

    Returns:
        A JSON value for :func:`write_wheel`.
    """
    files: dict[str, str] = {}
    links: dict[str, list[str]] = {}
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            folder, _, name = info.filename.rpartition("/")
            try:
                text = archive.read(info).decode()
            except UnicodeDecodeError:
                return None
            if folder.partition("/")[0].endswith(".dist-info"):
                if root in text:
                    return None
                if name not in _DERIVED:
                    files[info.filename] = text
            elif not folder and name.endswith(".pth"):
                lines = _relative_lines(text, root)
                if lines is None:
                    return None
                links[info.filename] = lines
            elif info.filename == ".gitignore":  # pdm-backend leaves one
                files[info.filename] = text
            else:
                return None
    if not any(links.values()):
        return None
    return {"filename": os.path.basename(wheel), "files": files, "links": links}


def _relative_lines(text: str, root: str) -> list[str] | None:
    """What follows ``root`` in each line; None where a line is anything but a path in it."""
    found = []
    for line in text.splitlines():
        if line != root and not line.startswith(root + "/"):
            return None
        found.append(line.removeprefix(root))
    return found


def write_wheel(template: Mapping[str, Any], root: str, folder: str) -> str:
    """Write the wheel of a template for a project in ``root`` into ``folder``; returns its path.

    The same template and root give the same bytes.

    Raises:
        OSError: What the file system says.
        KeyError: Not a template.
    """
    links = {
        name: "".join(f"{root}{line}\n" for line in lines)
        for name, lines in template["links"].items()
    }
    content = {name: text.encode() for name, text in {**links, **template["files"]}.items()}
    info = next(name for name in content if name.endswith(".dist-info/WHEEL")).rpartition("/")[0]
    content[f"{info}/RECORD"] = _record(content, f"{info}/RECORD")
    path = os.path.join(folder, template["filename"])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in content.items():
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    return path


def _record(content: Mapping[str, bytes], own: str) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for name, data in content.items():
        hashed = digest.hex_to_urlsafe(digest.of_bytes(data))
        writer.writerow([name, f"sha256={hashed}", len(data)])
    writer.writerow([own, "", ""])
    return out.getvalue().encode()
