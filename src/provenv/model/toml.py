"""Reading TOML so that every complaint names the file, the dotted key and, where known, the line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import tomli

from provenv.core.errors import InputError

_T = TypeVar("_T")
_WHERE = re.compile(r"\s*\(at line (\d+), column (\d+)\)$")
_ANY_HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)
_TYPE_NAMES: dict[type, str] = {
    str: "a string", bool: "true or false", int: "a whole number", list: "an array", dict: "a table",
}  # fmt: skip


def parse(text: str, file: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        InputError: It is not TOML; names the line, and says so where it holds merge conflicts.
    """
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        found = _WHERE.search(str(error))
        line = int(found.group(1)) if found else None
        conflict = re.search(r"^(?:<{7}|>{7})(?: .*)?\r?$", text, re.MULTILINE)
        if conflict is not None:
            raise InputError(
                f"contains merge-conflict markers ({conflict.group().strip()})",
                file=file,
                line=text.count("\n", 0, conflict.start()) + 1,
                hint="Resolve the conflict. Of a lock take either side whole (`git checkout --ours "
                "pylock.toml`), and then `provenv lock`.",
            ) from error
        if text.startswith("\ufeff"):
            raise InputError(
                "begins with a byte order mark, which is not TOML",
                file=file,
                line=1,
                hint="Save it as UTF-8 without one (a BOM, as some editors on Windows write it).",
            ) from error
        message = _WHERE.sub("", str(error))
        raise InputError(f"not valid TOML: {message}", file=file, line=line) from error
    except RecursionError as error:
        raise InputError("not usable TOML: it is nested too deeply", file=file) from error


class Table:
    """A TOML table with its dotted path, whose getters check types and complain precisely."""

    def __init__(
        self, data: Mapping[str, Any], *, file: str, path: str = "", text: str = ""
    ) -> None:
        self.data = data
        self.file = file
        self.path = path
        self._text = text

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def dotted(self, key: str) -> str:
        """The dotted path of ``key`` in this table."""
        return f"{self.path}.{key}" if self.path else key

    def error(self, key: str, message: str, *, hint: str | None = None) -> InputError:
        """A complaint about ``key`` (``""`` for the table itself)."""
        dotted = self.dotted(key) if key else self.path
        return InputError(message, file=self.file, key=dotted, line=self._line(key), hint=hint)

    def get(self, key: str, kind: type[_T]) -> _T | None:
        """The value of ``key``, which must be of ``kind`` (str, bool, int, list or dict).

        Raises:
            InputError: It is of another type.
        """
        value = self.data.get(key)
        if value is None:
            return None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.error(key, f"must be {_TYPE_NAMES.get(kind, kind.__name__)}")
        return value

    def table(self, key: str) -> Table:
        """The table at ``key``; an empty one where it is missing."""
        return Table(
            self.get(key, dict) or {}, file=self.file, path=self.dotted(key), text=self._text
        )

    def tables(self, key: str) -> list[Table]:
        """The array of tables at ``key``."""
        found: list[Table] = []
        for index, item in enumerate(self.get(key, list) or []):
            if not isinstance(item, dict):
                raise self.error(key, f"item {index} must be a table")
            path = f"{self.dotted(key)}[{index}]"
            found.append(Table(item, file=self.file, path=path, text=self._text))
        return found

    def strings(self, key: str) -> tuple[str, ...]:
        """The array of strings at ``key``."""
        items = self.get(key, list) or []
        for index, item in enumerate(items):
            if not isinstance(item, str):
                raise self.error(key, f"item {index} must be a string")
        return tuple(items)

    def only(self, known: Collection[str]) -> None:
        """Refuse keys that are not ``known``, naming the nearest known one."""
        for key in self.data:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
                hint = (
                    f"Did you mean `{near[0]}`?"
                    if near
                    else f"Known keys: {', '.join(sorted(known))}."
                )
                raise self.error(key, "unknown key", hint=hint)

    def _line(self, key: str) -> int | None:
        """The line of ``key``, or of the table's header where it has no such key; None where unsure."""
        bare, _, index = self.path.removesuffix("]").partition("[")
        if index and not index.isdigit():  # inside an entry of an array: `rule[0].sla`
            return None
        path = bare.split(".") if bare else []
        heads = _headers(self._text, path) if path else [0]
        number = int(index) if index else 0
        if number < len(heads):
            start = heads[number]
            if path and key not in self.data:
                return self._line_at(start)
            following = _ANY_HEADER.search(self._text, start + 1 if path else 0)
            end = following.start() if following else len(self._text)
            found = _assignments(self._text[start:end], key)
            if found:
                return self._line_at(start + found[0])
        places = _headers(self._text, [*path, key] if key else path)
        places = places or _assignments(self._text, key or (path[-1] if path else ""))
        return self._line_at(places[0]) if len(places) == 1 else None

    def _line_at(self, position: int) -> int:
        return self._text.count("\n", 0, position) + 1


def _headers(text: str, path: list[str]) -> list[int]:
    """Where ``[a.b]`` or ``[[a.b]]`` stand, in order."""
    dotted = r"[ \t]*\.[ \t]*".join(rf"[\"']?{re.escape(part)}[\"']?" for part in path)
    pattern = re.compile(rf"^[ \t]*\[{{1,2}}[ \t]*{dotted}[ \t]*\]", re.MULTILINE)
    return [hit.start() for hit in pattern.finditer(text)]


def _assignments(text: str, key: str) -> list[int]:
    """Where ``key =`` or ``key.more =`` stand at the beginning of a line."""
    pattern = re.compile(rf"^[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*[=.]", re.MULTILINE)
    return [hit.start() for hit in pattern.finditer(text)]
