"""The wheel that came out of a build: is it what was wanted, and into the store with it."""

from __future__ import annotations

import os

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from provenv.core import digest
from provenv.core.errors import BuildError, IntegrityError
from provenv.model.interpreter import Interpreter
from provenv.model.layout import HomeLayout
from provenv.model.plan import canonical
from provenv.store.ingest import ingest
from provenv.store.objects import StoredObject


def accept(
    layout: HomeLayout,
    wheel: str,
    *,
    name: str,
    version: str,
    source: str,
    interpreter: Interpreter,
) -> StoredObject:
    """Ingest a wheel that was built from ``source``, after holding it against what was wanted.

    ``version`` is empty where any will do.

    Raises:
        IntegrityError: It is of another name or version.
        BuildError: Its file name is none of a wheel, or it is for another interpreter.
        InputError, DiskError: As :func:`provenv.store.ingest.ingest`.
    """
    filename = os.path.basename(wheel)
    try:
        found_name, found_version, _, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise BuildError(
            f"{source}: its backend gave a file called {filename!r} ({error})",
            hint="The build backend is broken; tell its authors.",
        ) from error
    check_identity(str(found_name), str(found_version), name=name, version=version, source=source)
    if not {str(tag) for tag in tags}.intersection(interpreter.tags):
        raise BuildError(
            f"{source}: its backend built {filename}, which is not for Python "
            f"{interpreter.version} on this platform ({interpreter.tag})",
            hint="Check variables that steer cross-compiling (_PYTHON_HOST_PLATFORM, ARCHFLAGS).",
        )
    return ingest(
        layout,
        wheel,
        filename=filename,
        sha256=digest.of_file(wheel),
        size=os.stat(wheel).st_size,
    )


def check_identity(
    found_name: str, found_version: str, *, name: str, version: str, source: str
) -> None:
    """Raise where a build gave another distribution than the one that was wanted.

    Raises:
        IntegrityError: Another name or version.
    """
    wanted = f"{name} {version}".strip()
    found = f"{found_name} {found_version}"
    if canonical(found_name) != canonical(name) or not _same_version(found_version, version):
        raise IntegrityError(
            f"the wheel built of {source} is {found}, where {wanted} was wanted",
            hint="Lock again with `provenv lock`; if that does not help, the source is mislabelled.",
            details={"wanted": wanted, "found": found, "source": source},
        )


def _same_version(found: str, wanted: str) -> bool:
    if not wanted:
        return True
    try:
        return Version(found) == Version(wanted)
    except InvalidVersion:
        return found == wanted
