"""``python pin``: the version of Python that a project is pinned to, in its ``.python-version``."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from provenv.core.errors import ProvenvError, UnsatisfiableError, UsageError
from provenv.core.events import Warned
from provenv.core.files import disk_error, write_atomic
from provenv.core.values import frozen
from provenv.interpreters import find, parse_request, read_pins
from provenv.interpreters.requests import Request
from provenv.interpreters.search import PIN_FILE, TOOL_FILE
from provenv.interpreters.versions import allows
from provenv.workspace.host import access, shelves
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects.context import Context, Project, read_text

# How far a version that is not given in full is counted, to see whether any of its kind will do.
_MINORS, _PATCHES = range(100), range(100)


@frozen
class PinResult:
    """What a project is pinned to.

    Attributes:
        file: The file that says so; None where none does.
        before, after: The versions in it, the preferred first.
        path: The interpreter here that is meant; None where there is none.
    """

    file: str | None
    before: tuple[str, ...]
    after: tuple[str, ...]
    path: str | None


def read_pin(project: Project, context: Context) -> PinResult:
    """What the project is pinned to, by itself or by a folder above it."""
    pins = read_pins(project.root)
    versions = pins.versions if pins is not None else ()
    return PinResult(
        file=pins.file if pins is not None else None,
        before=versions,
        after=versions,
        path=_path(project, context, versions),
    )


def pin_python(project: Project, context: Context, requests: Sequence[str]) -> PinResult:
    """Write ``.python-version`` in the project's folder; comments in it stay.

    Raises:
        UsageError: A request cannot be understood, or is a path.
        UnsatisfiableError: It contradicts ``requires-python``; nothing was written.
        DiskError: The file system refused.
    """
    words = [_word(project, text) for text in requests]
    file = os.path.join(project.root, PIN_FILE)
    text = read_text(file) if os.path.lexists(file) else ""
    before = _words(text)
    with recorded(context, "python-pin", root=project.root, paths=[file]):
        write_atomic(file, _pinned(text, words).encode())
    path = _path(project, context, words)
    if path is None:
        listed = " or ".join(words)
        context.emit(
            Warned(
                message=f"no interpreter here is {listed}",
                hint=shelves.advice(project, context, words)
                or "`provenv python list` shows what there is.",
            )
        )
    pins = read_pins(project.root)
    if pins is not None and os.path.lexists(os.path.join(project.root, TOOL_FILE)):
        _warn_of_tool_file(project, context, words)
    return PinResult(file=file, before=before, after=tuple(words), path=path)


def unpin_python(project: Project, context: Context) -> PinResult:
    """Take the versions out of the project's ``.python-version``; a file that is then empty goes.

    Raises:
        UsageError: The project has none.
        DiskError: The file system refused.
    """
    file = os.path.join(project.root, PIN_FILE)
    if not os.path.lexists(file):
        pins = read_pins(project.root)
        raise UsageError(
            f"{file} is not there",
            hint=f"The pin comes from {pins.file}." if pins else "The project is not pinned.",
        )
    text = read_text(file)
    rest = "".join(
        line[line.index("#") :] if "#" in line else ""
        for line in text.splitlines(keepends=True)
        if line.partition("#")[0].strip() or "#" in line
    )
    try:
        with recorded(context, "python-pin", root=project.root, paths=[file]):
            if rest:
                write_atomic(file, rest.encode())
            else:
                os.unlink(file)
    except OSError as error:
        raise disk_error(error, "remove", file) from error
    after = read_pins(project.root)
    versions = after.versions if after is not None else ()
    return PinResult(
        file=after.file if after is not None else None,
        before=_words(text),
        after=versions,
        path=_path(project, context, versions),
    )


def _word(project: Project, text: str) -> str:
    """A request as one word, as it is written into the file."""
    request = parse_request(text)
    if request.path is not None:
        raise UsageError(
            f"{text} is a path, which is another one on every machine",
            hint="Pin a version, and name a path with --python.",
        )
    requires = project.manifest.requires_python
    if requires is not None and not _possible(request, requires):
        raise UnsatisfiableError(
            f"Python {text} contradicts requires-python {requires!r}: nothing was written",
            hint="Pin another version, or change requires-python in pyproject.toml.",
            details={"request": text, "requires-python": requires},
        )
    return "".join(text.split())


def _possible(request: Request, requires: str) -> bool:
    """Whether some version of Python could be what is asked for and satisfy ``requires``."""
    if request.release[2:]:
        return allows(requires, ".".join(map(str, request.release)) + request.pre)
    minors = [request.release[1]] if request.release[1:] else _MINORS
    majors = [request.release[0]] if request.release else [2, 3]
    versions = (f"{a}.{b}.{c}" for a in majors for b in minors for c in _PATCHES)
    return any(
        allows(requires, version) and allows(request.specifier, version) for version in versions
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for line in text.splitlines() for word in line.partition("#")[0].split())


def _pinned(text: str, words: Sequence[str]) -> str:
    """The file's text with ``words`` where its versions stood, one a line; comments stay."""
    lines: list[str] = []
    left = list(words)
    for line in text.splitlines():
        version, sign, comment = line.partition("#")
        if not version.strip():
            lines.append(line)
        elif left:
            gap = re.search(r"\s*$", version)
            tail = f"{gap[0] if gap else ''}{sign}{comment}"
            lines.append(f"{left.pop(0)}{tail}".rstrip())
        elif sign:
            lines.append(f"{sign}{comment}")
    return "\n".join([*lines, *left]) + "\n"


def _path(project: Project, context: Context, versions: Sequence[str]) -> str | None:
    """The first interpreter here that is pinned and satisfies ``requires-python``."""
    try:
        search = access.search(context, project.root)
        requires = project.manifest.requires_python
        cache = context.home.interpreters
        return find(versions, requires, search, cache=cache).executable if versions else None
    except ProvenvError:
        return None


def _warn_of_tool_file(project: Project, context: Context, words: Sequence[str]) -> None:
    lines = read_text(os.path.join(project.root, TOOL_FILE)).splitlines()
    named = [
        parts[1:] for line in lines if (parts := line.partition("#")[0].split())[:1] == ["python"]
    ]
    if named and named[0] != list(words):
        context.emit(
            Warned(
                message=f"{TOOL_FILE} says {' '.join(named[0])}, which asdf and mise go by",
                hint=f"provenv, pyenv and uv read {PIN_FILE} first.",
            )
        )
