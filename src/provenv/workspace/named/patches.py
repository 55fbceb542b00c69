"""``env edit --diff``: what was changed in a private copy, as a patch against the store."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator

from packaging.utils import canonicalize_name

from provenv.core.errors import CheckFailedError
from provenv.core.values import frozen
from provenv.environments import generations, switch
from provenv.environments.edits import Edit
from provenv.workspace.host import registry
from provenv.workspace.projects.context import Context, Project
from provenv.workspace.proving.copies import private_copies, unreleased

_NO_NEWLINE = b"\n\\ No newline at end of file\n"


@frozen
class PatchResult:
    """What differs between a private copy and the store.

    Attributes:
        text: A unified diff, in git's form where files come or go. Paths are those in
            ``site-packages``; of what lies elsewhere, those in the environment.
        opaque: Files that differ and are no text: the patch only names them.
    """

    environment: str
    package: str
    version: str
    generation: int
    text: bytes
    edits: tuple[Edit, ...]
    opaque: tuple[str, ...]


def patch(
    project: Project,
    context: Context,
    package: str,
    *,
    environment: str | None = None,
    generation: int | None = None,
) -> PatchResult:
    """What was changed in the private copy of a distribution; by default in the current generation.

    Raises:
        UsageError: There is no such generation, or none at all.
        CheckFailedError: The distribution is not a private copy there.
        IntegrityError: The generation cannot be read.
    """
    spec = project.manifest.environment(environment)
    folder = project.folder(spec)
    generations.refuse_foreign(folder)
    registry.attend(project, context, environment)
    number = generations.current_number(folder)
    if generation is not None:
        number = generations.known_number(folder, generation)
    name = canonicalize_name(package)
    copy = next((c for c in private_copies(context, folder, number) if c.name == name), None)
    if copy is None:
        raise _not_copied(context, folder, name, number)
    root = f"{folder}/generations/{number}"
    opaque: list[str] = []
    parts = [b"".join(_one(edit, root, context, opaque)) for edit in copy.edits]
    return PatchResult(
        environment=spec.name,
        package=name,
        version=copy.version,
        generation=number,
        text=b"".join(parts),
        edits=copy.edits,
        opaque=tuple(opaque),
    )


def _not_copied(context: Context, folder: str, name: str, number: int) -> CheckFailedError:
    others = [n for n in switch.numbers(folder) if name in unreleased(context, folder, n)]
    hint = "`provenv status` lists the private copies."
    if others:
        hint = f"Generation {others[-1]} has edits of it: --generation {others[-1]}."
    return CheckFailedError(f"generation {number} has no private copy of {name}", hint=hint)


def _one(edit: Edit, root: str, context: Context, opaque: list[str]) -> Iterator[bytes]:
    """The patch of one file."""
    scheme, _, inside = edit.origin.partition("/")
    shown = inside if scheme == "site" else edit.path
    name = os.fsencode(shown)
    before = (
        b"" if edit.kind == "added" else _read(f"{context.home.object(edit.sha256)}/{edit.origin}")
    )
    after = b"" if edit.kind == "missing" else _read(f"{root}/{edit.path}")
    yield b"diff --git a/%s b/%s\n" % (name, name)
    if edit.kind == "added":
        yield b"new file mode 100644\n"
    elif edit.kind == "missing":
        yield b"deleted file mode 100644\n"
    if before is None or after is None or b"\0" in before or b"\0" in after:
        opaque.append(shown)
        yield b"Binary files a/%s and b/%s differ\n" % (name, name)
        return
    tab = b"\t" if b" " in name else b""  # says where the name ends, as git does
    lines = difflib.diff_bytes(
        difflib.unified_diff,
        _lines(before),
        _lines(after),
        b"/dev/null" if edit.kind == "added" else b"a/" + name + tab,
        b"/dev/null" if edit.kind == "missing" else b"b/" + name + tab,
    )
    yield from (line if line.endswith(b"\n") else line + _NO_NEWLINE for line in lines)


def _lines(data: bytes) -> list[bytes]:
    """The lines of a file as ``diff`` counts them: they end with a line feed and nothing else."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1].removesuffix(b"\n")
    return lines if lines[-1] else lines[:-1]


def _read(path: str) -> bytes | None:
    """A regular file's content; None for anything else, or where it cannot be read."""
    try:
        if os.path.islink(path) or not os.path.isfile(path):
            return None
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return None
