"""A build backend (PEP 517, PEP 660) that needs nothing but the standard library.

It is copied into the sources and sdists that tests make. ``[tool.tiny]`` in their pyproject.toml:

* ``uses = "MODULE"``: building imports MODULE, which a build requirement must bring;
* ``fail = "TEXT"``: building writes TEXT to standard error and fails;
* ``version-file = "PATH"``: the version is read from that file at build time (``dynamic``).
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import os
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

Table = dict[str, Any]
Settings = dict[str, Any] | None


def _project() -> Table:
    with open("pyproject.toml", "rb") as stream:
        data = tomllib.load(stream)
    tiny: Table = data.get("tool", {}).get("tiny", {})
    sys.stdout.write("tiny_backend: at work\n")
    if "fail" in tiny:
        sys.stderr.write(tiny["fail"] + "\n")
        raise SystemExit(1)
    if "uses" in tiny:
        importlib.import_module(tiny["uses"])
    project: Table = data["project"]
    if "version-file" in tiny:
        project["version"] = Path(tiny["version-file"]).read_text().strip()
    return project


def _stem(project: Table) -> str:
    return "{}-{}".format(project["name"].replace("-", "_").lower(), project["version"])


def _metadata(project: Table) -> str:
    lines = ["Metadata-Version: 2.1", "Name: " + project["name"], "Version: " + project["version"]]
    if "requires-python" in project:
        lines.append("Requires-Python: " + project["requires-python"])
    lines += ["Requires-Dist: " + item for item in project.get("dependencies", [])]
    for extra, items in project.get("optional-dependencies", {}).items():
        lines.append("Provides-Extra: " + extra)
        lines += [f'Requires-Dist: {item} ; extra == "{extra}"' for item in items]
    return "\n".join(lines) + "\n"


def _dist_info(project: Table) -> dict[str, bytes]:
    files = {
        "METADATA": _metadata(project),
        "WHEEL": "Wheel-Version: 1.0\nGenerator: tiny\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    scripts = project.get("scripts", {})
    if scripts:
        body = "".join(f"{name} = {target}\n" for name, target in scripts.items())
        files["entry_points.txt"] = "[console_scripts]\n" + body
    return {f"{_stem(project)}.dist-info/{name}": text.encode() for name, text in files.items()}


def _write_wheel(folder: str, project: Table, files: dict[str, bytes]) -> str:
    name = _stem(project) + "-py3-none-any.whl"
    files = {**files, **_dist_info(project)}
    rows = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(content)}\n")
    record = f"{_stem(project)}.dist-info/RECORD"
    files[record] = ("".join(rows) + f"{record},,\n").encode()
    with zipfile.ZipFile(os.path.join(folder, name), "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path, (2024, 1, 1, 0, 0, 0)), content)
    return name


def _sources() -> dict[str, bytes]:
    root = Path("src")
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    return []


get_requires_for_build_editable = get_requires_for_build_sdist = get_requires_for_build_wheel


def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: Settings = None
) -> str:
    project = _project()
    for path, content in _dist_info(project).items():
        target = Path(metadata_directory, path)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)
    return _stem(project) + ".dist-info"


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    project = _project()
    return _write_wheel(wheel_directory, project, _sources())


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    project = _project()
    line = str(Path("src").resolve()) + "\n"
    name = "__editable__." + project["name"].replace("-", "_") + ".pth"
    return _write_wheel(wheel_directory, project, {name: line.encode()})


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    project = _project()
    name = _stem(project) + ".tar.gz"
    with tarfile.open(os.path.join(sdist_directory, name), "w:gz") as archive:
        for entry in ("pyproject.toml", "src", "_backend"):
            archive.add(entry, f"{_stem(project)}/{entry}")
    return name
