"""``sbom``: what an environment consists of, as a document that other tools read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from provenv.core.errors import ForeignError, UsageError
from provenv.core.files import write_atomic
from provenv.core.values import frozen
from provenv.formats.cyclonedx import cyclonedx
from provenv.formats.inventories import recorded
from provenv.formats.spdx import spdx
from provenv.model.inventory import LOCK, Bill
from provenv.workspace.assuring.bills import of_lock
from provenv.workspace.assuring.installed import of_environment
from provenv.workspace.projects.context import Context, Project, read_text

FORMATS: Mapping[str, tuple[Callable[[Bill], dict[str, Any]], str]] = {
    "cyclonedx": (cyclonedx, "cdx"),
    "spdx": (spdx, "spdx"),
}


@frozen
class SbomResult:
    """What ``sbom`` made.

    Attributes:
        document: As it is written. ``text``: The same. ``filename``: What such a file is called.
        path: Where it was written; None where it was not. ``changed``: The file was not there so.
        unknown: Components whose metadata are not known, with the reason.
    """

    bill: Bill
    format: str
    document: Mapping[str, Any]
    text: str
    filename: str
    path: str | None
    changed: bool
    unknown: tuple[tuple[str, str], ...]


def sbom(
    project: Project,
    context: Context,
    *,
    environment: str | None = None,
    installed: bool = False,
    form: str = "cyclonedx",
    output: str | None = None,
) -> SbomResult:
    """What an environment consists of by the lock, or as it lies there, in a standard format.

    Args:
        project: Whose environment.
        context: The world; unless offline, metadata that are not here are fetched.
        environment: Its name; the default environment where None.
        installed: What really lies in it, not what the lock says.
        form: ``cyclonedx`` (1.6) or ``spdx`` (2.3), JSON.
        output: Where it is written, absolute; a folder gets a file of the usual name. None writes nothing.

    Raises:
        InputError: There is no lock, or no environment.
        CheckFailedError: The lock does not answer the manifest.
        ForeignError: A file is there that provenv did not make.
    """
    if form not in FORMATS:
        raise UsageError(f"unknown format {form!r}", hint=f"Known: {', '.join(FORMATS)}.")
    write, short = FORMATS[form]
    spec = project.manifest.environment(environment)
    bill, told = (of_environment if installed else of_lock)(project, context, spec)
    document = write(bill)
    text = json.dumps(document, indent=2) + "\n"
    filename = f"sbom.{spec.name}.{short}.json"
    path, changed = None, False
    if output is not None:
        path = os.path.join(output, filename) if os.path.isdir(output) else output
        changed = _write(path, text)
    return SbomResult(
        bill=bill,
        format=form,
        document=document,
        text=text,
        filename=filename,
        path=path,
        changed=changed,
        unknown=tuple(
            (f"{one.name} {one.version}".rstrip(), said.reason)
            for one, said in zip(bill.components, told, strict=True)
            if said.metadata is None
        ),
    )


def _write(path: str, text: str) -> bool:
    there = read_text(path) if os.path.lexists(path) else None
    if there == text:
        return False
    if there is not None and LOCK not in (recorded(there.encode()) or {}):
        raise ForeignError(
            f"{path} was not made by `provenv sbom`, and is not overwritten",
            hint="Give another name with --output, or move it away.",
        )
    write_atomic(path, text.encode())
    return True
