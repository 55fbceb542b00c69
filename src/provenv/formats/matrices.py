"""The test matrix of another tool: its cells, and all that could not be taken over, each in a sentence."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import TypeVar

from provenv.core.errors import InputError
from provenv.core.values import field, frozen
from provenv.model.lock import toml_value

T = TypeVar("T")
LIMIT = 10_000
"""So many environments a file may stand for."""


@frozen
class ForeignMatrix:
    """What a file says about a matrix.

    Attributes:
        cells: Pairs of a Python request and the name of a variant (empty: the plain one), in order.
        packages: What a variant installs besides, by its name.
        command: Words; empty where the file does not say, or says too much.
        left: What could not be taken over, a sentence each.
    """

    cells: tuple[tuple[str, str], ...]
    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def pythons(self) -> tuple[str, ...]:
        """Each Python once, in order."""
        return tuple(dict.fromkeys(python for python, _ in self.cells))

    @property
    def variants(self) -> tuple[str, ...]:
        """Each variant once, in order."""
        return tuple(dict.fromkeys(variant for _, variant in self.cells))


def render(matrix: ForeignMatrix) -> str:
    """The matrix as ``[tool.provenv.matrix]``; what is not in it is excluded."""
    lines = ["[tool.provenv.matrix]", f"python = {toml_value(list(matrix.pythons))}"]
    if matrix.variants != ("",):
        entries = []
        for name in matrix.variants:
            packages = list(matrix.packages.get(name, ()))
            entry: dict[str, object] = {"name": name} if name else {}
            if packages:
                entry["packages"] = packages
            entries.append(f"    {toml_value(entry)},\n")
        lines.append(f"with = [\n{''.join(entries)}]")
    there = set(matrix.cells)
    missing = [
        {"python": python, **({"with": variant} if variant else {})}
        for python, variant in product(matrix.pythons, matrix.variants)
        if (python, variant) not in there
    ]
    if missing:
        rows = "".join(f"    {toml_value(entry)},\n" for entry in missing)
        lines.append(f"exclude = [\n{rows}]")
    if matrix.command:
        lines.append(f"command = {toml_value(shlex.join(matrix.command))}")
    return "\n".join(lines) + "\n"


_FACTOR = re.compile(r"(py|pypy|graalpy)(\d)\.?(\d{0,2})(t?)")


def python_of(factor: str) -> str | None:
    """The request that ``py39``, ``py3.13t`` or ``pypy310`` stands for; None where it is no Python."""
    match = _FACTOR.fullmatch(factor)
    if match is None:
        return None
    name = "" if match[1] == "py" else match[1]
    return f"{name}{match[2]}{f'.{match[3]}' if match[3] else ''}{match[4]}"


def limited(items: Iterable[T], file: str) -> Iterator[T]:
    """The same items, as long as they are not more than anybody can have meant.

    Raises:
        InputError: They are.
    """
    for number, item in enumerate(items):
        if number == LIMIT:
            raise InputError(f"stands for more than {LIMIT:,} environments", file=file)
        yield item


def one_command(commands: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Several commands as one: a shell runs the next where the one before it was good."""
    if len(commands) < 2:
        return tuple(commands[0]) if commands else ()
    return ("sh", "-c", " && ".join(shlex.join(words) for words in commands))


def named(texts: Iterable[str], what: str) -> str:
    """A sentence about things that were left out: ``what: a, b``."""
    return f"{what}: {', '.join(texts)}"
