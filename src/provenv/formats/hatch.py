"""Hatch: the matrix of an environment in ``pyproject.toml``, with what its overrides install."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from itertools import product
from typing import Any

from provenv.core.errors import InputError
from provenv.formats.matrices import ForeignMatrix, limited, named, one_command
from provenv.model import toml

_LIKELY = ("hatch-test", "test", "tests")
_SCRIPTS = ("test", "tests", "run")
_NO_MATTER = frozenset(
    {"dependencies", "description", "extra-dependencies", "installer", "matrix", "overrides", "scripts",
     "template", "type", "path", "dev-mode"}
)  # fmt: skip


def read_hatch(text: str, file: str) -> ForeignMatrix:
    """The environment with a matrix: the one for tests, or the first.

    Raises:
        InputError: It is no TOML, or no environment has a matrix with Pythons.
    """
    tool = toml.Table(toml.parse(text, file), file=file, text=text).table("tool")
    environments = tool.table("hatch").table("envs")
    able = [
        name
        for name, table in environments.data.items()
        if isinstance(table, Mapping) and isinstance(table.get("matrix"), list)
    ]
    if not able:
        raise InputError(
            "no environment has a matrix", file=file, key="tool.hatch.envs",
            hint="It is `[[tool.hatch.envs.NAME.matrix]]` that is read.",
        )  # fmt: skip
    able.sort(key=lambda name: _LIKELY.index(name) if name in _LIKELY else len(_LIKELY))
    table = environments.table(able[0])
    left = [named(able[1:], "other environments with a matrix")] if able[1:] else []
    return _read(table, left)


def _read(table: toml.Table, left: list[str]) -> ForeignMatrix:
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for entry in table.tables("matrix"):
        axes = {"python" if key == "py" else key: entry.strings(key) for key in entry.data}
        pythons = axes.pop("python", ())
        if not pythons:
            left.append("a matrix without Pythons")
        for python in pythons:
            for values in limited(product(*axes.values()), table.file):
                own = dict(zip(axes, values, strict=True))
                cells[_request(python), "-".join(values)] = own
    if not cells:
        raise table.error("matrix", "names no Python")
    packages: dict[str, tuple[str, ...]] = {}
    for (_, variant), own in cells.items():
        packages[variant] = _packages(table, own, left)
    common = [*table.strings("dependencies"), *table.strings("extra-dependencies")]
    if common:
        add = " ".join(shlex.quote(item) for item in common)
        left.append(f"what all install: `provenv add --group test {add}` puts it into the lock")
    others = [key for key in table.data if key not in _NO_MATTER]
    if others:
        left.append(named(others, f"settings of {table.path}"))
    return ForeignMatrix(
        cells=tuple(cells),
        packages=packages,
        command=_command(table, left),
        left=tuple(dict.fromkeys(left)),
    )


def _request(python: str) -> str:
    return python.removeprefix("py") if re.fullmatch(r"py\d.*", python) else python


def _packages(table: toml.Table, own: Mapping[str, str], left: list[str]) -> tuple[str, ...]:
    """What the overrides of one cell install."""
    found: list[str] = []
    overrides = table.table("overrides")
    left.extend(f"overrides by {kind}" for kind in overrides.data if kind != "matrix")
    matrix = overrides.table("matrix")
    for axis in matrix.data:
        for key, entries in matrix.table(axis).data.items():
            if key not in ("dependencies", "extra-dependencies") or not isinstance(entries, list):
                left.append(f"overrides of {key}")
                continue
            for entry in entries:
                found += _override(entry, own.get(axis), left)
    return tuple(found)


def _override(entry: Any, value: str | None, left: list[str]) -> list[str]:
    if isinstance(entry, str):
        return [entry] if value is not None else []
    known = isinstance(entry, Mapping) and set(entry) <= {"value", "if"}
    if not known or not isinstance(entry.get("value"), str):
        left.append(f"an override: {entry}")
        return []
    wanted = entry.get("if")
    if value is None or (wanted is not None and value not in wanted):
        return []
    return [entry["value"]]


def _command(table: toml.Table, left: list[str]) -> tuple[str, ...]:
    scripts = table.table("scripts").data
    name = next((n for n in _SCRIPTS if n in scripts), None)
    if name is None and len(scripts) == 1:
        (name,) = scripts
    if name is None:
        if scripts:
            left.append(named(scripts, "scripts"))
        return ()
    lines = scripts[name] if isinstance(scripts[name], list) else [scripts[name]]
    commands = []
    for line in lines:
        text = re.sub(r"\{args(?::([^{}]*))?\}", lambda match: match[1] or "", str(line))
        try:
            words = shlex.split(text)
        except ValueError:
            words = []
        if not words or "{" in text or words[0] in scripts:
            left.append(f"the script {name}: {line}")
            return ()
        commands.append(words)
    others = [other for other in scripts if other != name]
    if others:
        left.append(named(others, "other scripts"))
    return one_command(commands)
