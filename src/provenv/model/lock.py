"""The lock: ``pylock.toml`` (PEP 751), read with ``packaging.pylock`` and written in one stable form.

What provenv adds stands under ``[tool.provenv]``, which PEP 751 leaves to tools:

* ``manifest-digest``: what the lock was made from (:meth:`Manifest.lock_digest`);
* ``packages-digest``: over the lock's own packages, so that an edit by hand is seen;
* ``policy-digest`` and ``excluded``: the rules that governed, and the versions that they did not let in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from functools import cache, lru_cache
from typing import Any

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.pylock import (
    Package,
    Pylock,
    PylockUnsupportedVersionError,
    PylockValidationError,
)

from provenv.core import digest
from provenv.core.errors import InputError
from provenv.core.values import replace
from provenv.model import toml
from provenv.model.layout import LOCK_FILE
from provenv.model.requirements import is_plain

_LONGEST_NAME = 255  # what file systems allow
_QUERY = re.compile("[?#]")
_HEADER = "Made by provenv. `provenv lock` changes it; do not edit it by hand."


def parse_lock(text: str, file: str = LOCK_FILE) -> Pylock:
    """Read a PEP 751 lock.

    Raises:
        InputError: Broken TOML, another ``lock-version``, or not what PEP 751 allows; names the key.
    """
    restore = "Restore the file from version control, or delete it and run `provenv lock`."
    try:
        data = toml.parse(text, file)
    except InputError as error:
        error.hint = error.hint or restore
        raise
    _check_lengths(data, file, restore)
    try:
        lock = Pylock.from_dict(data)
        _check_markers(lock, file)
        return lock
    except PylockUnsupportedVersionError as error:
        raise InputError(
            f"lock-version {data.get('lock-version')!r} is not supported; this provenv reads 1.0",
            file=file,
            key="lock-version",
            hint="Use a newer provenv; or delete the file, and run `provenv lock`.",
        ) from error
    except PylockValidationError as error:
        raise InputError(
            f"not a valid lock (PEP 751): {error.message}",
            file=file,
            key=error.context,
            hint=restore,
        ) from error


def _check_lengths(data: Mapping[str, Any], file: str, hint: str) -> None:
    """The filename of a wheel stands for all combinations of its tags: a long one fills the memory."""
    packages = data.get("packages")
    for index, package in enumerate(packages if isinstance(packages, list) else ()):
        wheels = package.get("wheels") if isinstance(package, dict) else None
        for number, wheel in enumerate(wheels if isinstance(wheels, list) else ()):
            for key in ("name", "url", "path"):
                text = wheel.get(key) if isinstance(wheel, dict) else None
                if isinstance(text, str) and _is_long(text):
                    raise InputError(
                        f"a filename of more than {_LONGEST_NAME} characters",
                        file=file,
                        key=f"packages[{index}].wheels[{number}].{key}",
                        hint=hint,
                    )


def _is_long(text: str) -> bool:
    if len(text) <= _LONGEST_NAME:
        return False
    path = _QUERY.split(text, maxsplit=1)[0]
    return len(path) - path.rfind("/") - 1 > _LONGEST_NAME


def _check_markers(lock: Pylock, file: str) -> None:
    """Each is evaluated once, with whatever answer: some can be read and mean nothing (PEP 508)."""
    marked = [(f"packages.{package.name}.marker", package.marker) for package in lock.packages]
    marked += [("environments", marker) for marker in lock.environments or ()]
    hint = "Correct it where it comes from, or run `provenv lock`."
    for key, marker in marked:
        if marker is None:
            continue
        if not is_plain(marker):
            raise InputError(
                "a text in the marker holds quotes or backslashes: it would be another one when it is "
                "written again",
                file=file,
                key=key,
                hint=hint,
            )
        try:
            marker.evaluate(context="requirement" if key == "environments" else "lock_file")
        except (UndefinedComparison, UndefinedEnvironmentName) as error:
            raise InputError(
                f"the marker {str(marker)!r} has no meaning: {error}",
                file=file,
                key=key,
                hint=hint,
            ) from error


def packages_digest(packages: Iterable[Package]) -> str:
    """A digest over names, versions, markers, sources, addresses, sizes and hashes of packages."""
    rows = [_plain(package) for package in packages]
    for row in rows:  # no wheels, and an empty array of wheels: the same, and written the same
        for key in ("wheels", "dependencies"):
            if not row.get(key, True):
                del row[key]
    return digest.of_json({"packages": rows})


def empty_lock(
    *, requires_python: str | None, extras: Iterable[str], groups: Iterable[str]
) -> Pylock:
    """The lock of what asks for nothing, which needs no resolver."""
    made: dict[str, Any] = {
        "lock-version": "1.0",
        "extras": list(extras),
        "dependency-groups": list(groups),
        "created-by": "provenv",
        "packages": [],
    }
    if requires_python is not None:
        made["requires-python"] = requires_python
    lock = Pylock.from_dict(made)
    return replace(lock, tool={"provenv": {"packages-digest": packages_digest(())}})


def tool_table(lock: Pylock) -> Mapping[str, Any]:
    """What provenv wrote into the lock under ``[tool.provenv]``; empty for others' locks."""
    table = (lock.tool or {}).get("provenv", {})
    return table if isinstance(table, Mapping) else {}


def is_edited(lock: Pylock, text: str = "") -> bool:
    """Whether the packages are no longer those that provenv wrote (False for others' locks).

    ``text`` is the lock's own: another release of ``packaging`` may read the same text as values that
    are spelled otherwise (markers, versions), and that is no edit.
    """
    table = tool_table(lock)
    recorded = table.get("packages-digest")
    if recorded is None:  # provenv writes none without
        return lock.created_by == "provenv" or "manifest-digest" in table
    if recorded == _digest_of(_Same(lock)):
        return False
    rows = toml.parse(text, LOCK_FILE).get("packages") if text else None
    return rows is None or recorded != digest.of_json({"packages": _plain(rows)})


class _Same:
    """A lock as a key: of the same object, not of an equal one (they have no hash)."""

    __slots__ = ("lock",)

    def __init__(self, lock: Pylock) -> None:
        self.lock = lock

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.lock is self.lock

    def __hash__(self) -> int:
        return id(self.lock)


@lru_cache(maxsize=4)
def _digest_of(same: _Same) -> str:
    return packages_digest(same.lock.packages)


def unproven(lock: Pylock, *, keep: Callable[[Package], bool] | None = None) -> Pylock:
    """What of a lock may be believed without proof: which versions it has, and on which index.

    Commits are left out (but for packages that ``keep`` holds for), and so are sizes.
    """

    def bare(file: Any) -> Any:
        return None if file is None else replace(file, size=None)

    kept = [
        replace(
            package,
            wheels=[bare(wheel) for wheel in package.wheels or ()] or None,
            sdist=bare(package.sdist),
        )
        for package in lock.packages
        if package.vcs is None or (keep is not None and keep(package))
    ]
    return replace(lock, packages=kept)


def is_direct(package: Package) -> bool:
    """Whether the package comes from a path, an archive or version control, not from an index."""
    return package.vcs is not None or package.directory is not None or package.archive is not None


def render_lock(lock: Pylock, header: str = _HEADER) -> str:
    """The text of a lock: same lock, same bytes; one line a wheel, so that diffs can be read.

    ``header`` is what the comment at its head says.
    """
    data = _fields(lock) or {}
    packages = data.pop("packages")
    tool = data.pop("tool", None)
    lines = [
        *(f"# {line}" for line in header.splitlines()),
        *_assignments(data),
    ]
    if not packages:
        lines.append("packages = []")  # PEP 751 wants the key even where there is nothing in it
    for package in packages:
        lines += ["", "[[packages]]", *_package_lines(_fields(package) or {})]
    tables = {name: table for name, table in (tool or {}).items() if isinstance(table, Mapping)}
    if plain := _assignments({k: v for k, v in (tool or {}).items() if k not in tables}):
        lines += ["", "[tool]", *plain]  # other tools may keep there what they like
    for name, table in tables.items():
        excluded = table.get("excluded")
        rows = excluded if isinstance(excluded, list) else []
        lines += ["", f"[tool.{_key(name)}]"]
        lines += _assignments({k: v for k, v in table.items() if not (rows and k == "excluded")})
        if rows:
            lines += ["excluded = [", *(f"    {_value(row)}," for row in rows), "]"]
    return "\n".join(lines) + "\n"


def toml_value(value: object) -> str:
    """``value`` as TOML in one line: strings, numbers, booleans, dates, arrays, inline tables."""
    return _value(value)


def _package_lines(package: dict[str, Any]) -> list[str]:
    wheels = package.pop("wheels", None)
    dependencies = package.pop("dependencies", None)
    tool = package.pop("tool", None)
    lines = _assignments(package)
    for key, rows in (("dependencies", dependencies), ("wheels", wheels)):
        if rows:
            lines += [f"{key} = [", *(f"    {_value(row)}," for row in rows), "]"]
    if tool:
        lines.append(f"tool = {_value(tool)}")
    return lines


def _assignments(table: Mapping[str, Any]) -> list[str]:
    return [f"{_key(key)} = {_value(value)}" for key, value in table.items() if value is not None]


@cache
def _key(key: str) -> str:
    bare = key.replace("-", "").replace("_", "")
    return key if bare.isascii() and bare.isalnum() else _value(key)


def _value(value: object) -> str:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join([_value(item) for item in value]) + "]"
    table = value if isinstance(value, Mapping) else _fields(value)
    if table is None:
        return _string(str(value))  # a version, a marker, a specifier
    inner = ", ".join([f"{_key(k)} = {_value(v)}" for k, v in table.items() if v is not None])
    return f"{{ {inner} }}" if inner else "{}"


def _fields(value: object) -> dict[str, Any] | None:
    """A dataclass of ``packaging.pylock`` as the table that it stands for; None for other values.

    :meth:`Pylock.to_dict` says the same; it copies everything deeply, which takes a tenth of a second
    for a lock of 3,000 files.
    """
    names = getattr(value, "__dataclass_fields__", None)
    if names is None:
        return None
    found = {name.replace("_", "-"): getattr(value, name) for name in names}
    return {key: item for key, item in found.items() if item is not None}


def _string(text: str) -> str:
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    if '"' in text and "'" not in text and text.isprintable():
        return f"'{text}'"  # a literal string: markers read better without backslashes
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    out = "".join(
        escapes.get(c) or (c if ord(c) >= 32 and ord(c) != 127 else f"\\u{ord(c):04x}")
        for c in text
    )
    return f'"{out}"'


def _plain(value: object) -> Any:
    """JSON data of whatever a package holds."""
    if isinstance(value, (str, int)) or value is None:
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    table = value if isinstance(value, Mapping) else _fields(value)
    if table is None:
        return str(value)
    return {str(key): _plain(item) for key, item in table.items()}
