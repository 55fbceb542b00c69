"""Byte code: is what lies in ``__pycache__`` what Python makes of the source beside it?

The one place of an object that is written after ingest, by Python itself, and read before the source. A
file whose content and time are as they were when it was last compared need not be compared again; the
source of what is new is compiled once more by the interpreter that reads it, and the two are compared
part by part (``_bytecode_script.py``). What no interpreter here reads, and what other tools keep there,
nobody can judge.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from provenv.core.errors import UndecidedError
from provenv.core.files import temporary_name
from provenv.core.process import run
from provenv.core.seal import is_sealed, sealed, sum_of
from provenv.core.values import frozen
from provenv.store.objects import StoredObject, read_regular
from provenv.store.verify import CACHE

_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_bytecode_script.py")
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
_NAME = re.compile(r"(?P<stem>.+)\.[a-z]+-?[0-9a-z]+(?:\.opt-[12])?\.pyc")
_FORMAT = 1
_LIMIT = 600.0  # seconds for one share of the files; one costs about 5 ms

Known = Mapping[str, Sequence[Any]]  # path → sum, mtime_ns, inode: as it was when it was compared


@frozen
class Compiled:
    """One file in a ``__pycache__``.

    Attributes:
        path: Absolute. ``source``: Likewise; empty where it is not byte code of a source there.
        print: ``(sum, mtime_ns, inode)``; None where it is no regular file.
        state: ``known``: as it was when it was compared. ``new``: to be compared. ``changed``: its
            content changed, and its time did not.
    """

    path: str
    source: str
    print: tuple[str, int, int] | None
    state: str


def compiled_in(obj: StoredObject, known: Known) -> Iterator[Compiled]:
    """What lies in every ``__pycache__`` of an object."""
    stack: list[tuple[str, Mapping[str, Any]]] = [
        (f"{obj.folder}/{scheme}", node) for scheme, node in obj.tree.items()
    ]
    while stack:
        folder, node = stack.pop()
        files = node.get("f", {})
        if any(name.endswith(".py") for name in files):
            yield from compiled_beside(folder, files, known)
        stack += [(f"{folder}/{name}", inner) for name, inner in node.get("d", {}).items()]


def compiled_beside(folder: str, files: Collection[str], known: Known) -> Iterator[Compiled]:
    """What lies in the ``__pycache__`` of one folder, whose own files are ``files``."""
    cache = f"{folder}/{CACHE}"
    try:
        names = sorted(os.listdir(cache)) if not os.path.islink(cache) else []
    except OSError:
        return
    for name in names:
        match = _NAME.fullmatch(name)
        source = f"{match['stem']}.py" if match is not None else ""
        where = f"{folder}/{source}" if source in files else ""
        yield _compiled(f"{cache}/{name}", where, known)


def _compiled(path: str, source: str, known: Known) -> Compiled:
    try:
        status = os.lstat(path)
        found = (sum_of(read_regular(path)), status.st_mtime_ns, status.st_ino)
    except OSError:
        return Compiled(path=path, source=source, print=None, state="new")
    before = tuple(known.get(path, ()))
    if before == found:
        state = "known"
    elif before[1:] == found[1:]:
        state = "changed"
    else:
        state = "new"
    return Compiled(path=path, source=source, print=found, state=state)


def compare(executable: str, files: Sequence[Compiled], folder: str) -> list[str]:
    """What the interpreter says of each file: ``=`` the same, ``!`` something else, ``?`` not its own.

    ``folder`` takes the list that it is handed. Where a file takes the interpreter down, that one is
    something else, and the rest is asked again.

    Raises:
        OSError: The list cannot be written.
    """
    signs: list[str] = []
    while len(signs) < len(files):
        path = temporary_name(f"{folder}/bytecode.json")
        pairs = [[item.path, item.source] for item in files[len(signs) :]]
        try:
            with open(path, "x", encoding="ascii") as stream:
                json.dump(pairs, stream)
            done = run(
                [executable, "-I", "-S", "-B", _SCRIPT, path],
                env=_ENVIRONMENT,
                cwd=os.sep,
                timeout=_LIMIT,
            )
        except UndecidedError:
            return signs + ["?"] * (len(files) - len(signs))
        finally:
            if os.path.lexists(path):
                os.unlink(path)
        answered = done.stdout.split()
        signs += answered
        if done.code != 0 and not answered:
            return signs + ["?"] * (len(files) - len(signs))  # it runs no script of ours at all
        if len(answered) < len(pairs):
            signs.append("!")
    return signs[: len(files)]


def read_known(path: str) -> Known:
    """What was compared before; nothing where that is not known."""
    try:
        text = read_regular(path)
        data = json.loads(text) if is_sealed(text) else {}
    except (OSError, ValueError):
        return {}
    found = data.get("files") if data.get("format") == _FORMAT else None
    return found if isinstance(found, dict) else {}


def write_known(path: str, known: Known) -> None:
    """Keep what was compared.

    Raises:
        OSError: The file system refused; it is compared again next time.
    """
    temporary = temporary_name(path)
    text = json.dumps({"format": _FORMAT, "files": {p: list(known[p]) for p in sorted(known)}})
    try:
        with open(temporary, "xb") as stream:
            stream.write(sealed(text.encode()))
        os.replace(temporary, path)
    finally:
        if os.path.lexists(temporary):
            os.unlink(temporary)
