"""What probing found, kept from one run to the next in one JSON file.

An entry counts while the executable has the size and mtime it was probed with, and the machine the
kernel and C library (markers and tags name both). What was wrong with one that does not answer counts
for an hour besides: it may pass. The file is a convenience: broken or unwritable, it costs time and
never an answer. It is replaced whole; of two writers the last one wins.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping

from provenv.core.errors import DiskError
from provenv.core.values import field_names, frozen
from provenv.model.interpreter import Interpreter

_FORMAT = 1
_PROBLEM_COUNTS = 3600.0  # seconds
_FIELDS = frozenset(field_names(Interpreter)) - {"source"}


@frozen
class Problem:
    """What was wrong with an executable when it was asked last, ``age`` seconds ago."""

    message: str
    hint: str | None
    age: float


class ProbeCache:
    """The file, read when first asked. ``get`` and ``put`` may be called from several threads."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._entries: dict[str, object] | None = None
        self._new: dict[str, object] = {}
        self._machine = _machine()

    def get(self, path: str, source: str) -> Interpreter | None:
        """What is known of the executable ``path`` as it is now, or None."""
        entry = self._entry(path)
        return _decode(entry.get("interpreter"), source) if entry is not None else None

    def problem(self, path: str) -> Problem | None:
        """What is known to be wrong with ``path`` as it is now, or None."""
        entry = self._entry(path)
        known = entry.get("problem") if entry is not None else None
        if not isinstance(known, dict):
            return None
        message, hint, asked = known.get("message"), known.get("hint"), known.get("time")
        if not isinstance(message, str) or not isinstance(asked, (int, float)):
            return None
        age = time.time() - asked
        if not 0 <= age < _PROBLEM_COUNTS:
            return None
        return Problem(message=message, hint=hint if isinstance(hint, str) else None, age=age)

    def put_problem(self, path: str, message: str, hint: str | None) -> None:
        """Remember that ``path`` does not answer, and how."""
        problem = {"message": message, "hint": hint, "time": int(time.time())}
        self._new[path] = {"key": self._key(path), "problem": problem}

    def _entry(self, path: str) -> dict[str, object] | None:
        """The entry of ``path``, where it is about the file as it is now."""
        if self._entries is None:
            self._entries = self._read()
        entry = self._new.get(path, self._entries.get(path))
        if not isinstance(entry, dict) or entry.get("key") != self._key(path):
            return None
        return entry

    def put(self, path: str, interpreter: Interpreter) -> None:
        """Remember what probing ``path`` found; :meth:`save` writes it down."""
        self._new[path] = {"key": self._key(path), "interpreter": _encode(interpreter)}

    def save(self) -> None:
        """Write what is new, beside what other processes have written meanwhile."""
        if not self._new:
            return
        from provenv.core.files import ensure_folder, write_atomic

        entries = {p: e for p, e in self._read().items() if os.path.exists(p)}
        entries.update(self._new)
        data = json.dumps({"format": _FORMAT, "interpreters": entries}, separators=(",", ":"))
        # a cache that cannot be kept (read-only home, full disk) must not stop the work
        with contextlib.suppress(DiskError):
            ensure_folder(os.path.dirname(self._file))
            write_atomic(self._file, data.encode())
        self._entries = entries
        self._new = {}

    def _read(self) -> dict[str, object]:
        try:
            with open(self._file, "rb") as stream:
                content = json.loads(stream.read())
        except (OSError, ValueError):
            return {}
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            return {}
        entries = content.get("interpreters")
        return entries if isinstance(entries, dict) else {}

    def _key(self, path: str) -> list[object]:
        try:
            status = os.stat(path)
        except OSError:
            return []
        return [status.st_size, status.st_mtime_ns, self._machine]


def _machine() -> str:
    """What tags and markers depend on besides the interpreter: this kernel, its C library, packaging."""
    import packaging

    parts = [packaging.__version__]
    if hasattr(os, "uname"):
        parts += list(os.uname()[2:])
    with contextlib.suppress(AttributeError, OSError, ValueError):
        parts.append(os.confstr("CS_GNU_LIBC_VERSION") or "")
    return " ".join(parts)


def _encode(interpreter: Interpreter) -> dict[str, object]:
    entry: dict[str, object] = {name: getattr(interpreter, name) for name in _FIELDS}
    entry["markers"] = dict(interpreter.markers)
    entry["tags"] = " ".join(interpreter.tags)  # one string is read ten times faster than 1,500
    return entry


def _decode(entry: object, source: str) -> Interpreter | None:
    if not isinstance(entry, dict) or entry.keys() != _FIELDS:
        return None
    markers, tags, executable = entry["markers"], entry["tags"], entry["executable"]
    if not isinstance(markers, Mapping) or not isinstance(tags, str) or not tags:
        return None
    # behind a wrapper script there is another file that may have changed
    try:
        status = os.stat(executable)
    except (OSError, TypeError):
        return None
    if (status.st_size, status.st_mtime_ns) != (entry["size"], entry["mtime_ns"]):
        return None
    return Interpreter(**{**entry, "tags": tuple(tags.split(" ")), "source": source})
