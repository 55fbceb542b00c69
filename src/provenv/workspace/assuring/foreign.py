"""``audit PATH``: a lock of another tool, an SBOM, a virtual environment that somebody else made."""

from __future__ import annotations

import os
from collections.abc import Iterator

from provenv.core.errors import DiskError, InputError
from provenv.formats.kinds import read
from provenv.model.plan import canonical
from provenv.workspace.governing.auditing import (
    AuditResult,
    judge_subjects,
    of_installed,
    python_named,
)
from provenv.workspace.governing.subjects import Subject
from provenv.workspace.projects.context import Context, read_text
from provenv.workspace.syncing.sourcing import read_source


def audit_path(
    root: str, context: Context, path: str, *, tolerate: frozenset[str] = frozenset()
) -> AuditResult:
    """Audit a lock of another tool, an SBOM, or a folder with a virtual environment.

    ``root`` is the folder that the question comes from; ``tolerate`` as for an audit of a project.

    Raises:
        InputError: It is none of them. UndecidedError: There are no advisories.
    """
    shown = os.path.relpath(path, root)
    if os.path.isdir(path):
        name = os.path.basename(path)
        found = of_installed(path, name)
        pythons = [python_named(name, version) for version in _version_in(path)]
        return judge_subjects(context, shown, found, pythons=pythons, tolerate=tolerate)
    return judge_subjects(context, shown, of_file(root, context, path))


def _version_in(folder: str) -> Iterator[str]:
    """The version of the Python of a virtual environment, where its ``pyvenv.cfg`` says it (PEP 405)."""
    try:
        text = read_text(os.path.join(folder, "pyvenv.cfg"))
    except (InputError, DiskError):
        return
    rows = (line.partition("=") for line in text.splitlines())
    told = {key.strip(): value.strip() for key, _, value in rows}
    version = told.get("version") or told.get("version_info")
    if version:
        yield version


def of_file(root: str, context: Context, path: str) -> tuple[Subject, ...]:
    """What a lock of another tool pins, or an SBOM (CycloneDX or SPDX, JSON) lists.

    Raises:
        InputError: It is neither, or pins nothing.
    """
    from provenv.formats.inventories import components

    source = read_source(root, context, path)
    listed = components(source.data, source.shown)
    if listed is None:
        known, foreign = read(source)
        if foreign is None or not (foreign.pins or foreign.unpinned):
            what = (
                f"{known.name}: it pins no version" if known.role == "manifest" else "pins nothing"
            )
            raise InputError(
                what, file=source.shown, hint="An audit needs versions: a lock or an SBOM."
            )
        rows = [(pin.name, pin.version) for pin in foreign.pins if not pin.virtual]
        rows += [(name, "") for name in foreign.unpinned]
        direct = {pin.name for pin in foreign.pins if pin.direct is not None}
    else:
        rows = [(one.name, one.version) for one in listed]
        direct = {one.name for one in listed if one.direct}
    unique = {(canonical(name), version) for name, version in rows}
    return tuple(
        Subject(name=name, version=version, direct=name in direct)
        for name, version in sorted(unique)
    )
