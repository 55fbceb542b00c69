"""`[tool.provenv.matrix]`: in which environments the tests of a project are run."""

from __future__ import annotations

import math
import shlex
from typing import Any

from packaging.requirements import InvalidRequirement

from provenv.core.values import frozen
from provenv.model import amounts, toml
from provenv.model.requirements import requirement

RESOLUTIONS = ("locked", "lowest-direct", "highest")
MATRIX_KEYS = frozenset(
    {"command", "environment", "exclude", "python", "resolution", "timeout", "with"}
)
VARIANT_KEYS = frozenset({"name", "packages"})
EXCLUDE_KEYS = frozenset({"python", "resolution", "with"})


@frozen
class Variant:
    """One entry of ``with``: ``packages`` (PEP 508) are installed besides, and bind the resolver.

    ``name`` is what the table calls it: as declared, else the packages; empty where there are none.
    """

    name: str = ""
    packages: tuple[str, ...] = ()


@frozen
class Exclude:
    """One entry of ``exclude``: cells that answer to everything that is not None are left out."""

    python: str | None = None
    resolution: str | None = None
    variant: str | None = None

    def meets(self, python: str, resolution: str, variant: str) -> bool:
        """Whether a cell is left out."""
        return (
            self.python in (None, python)
            and self.resolution in (None, resolution)
            and self.variant in (None, variant)
        )


@frozen
class MatrixSpec:
    """The matrix as it is declared.

    Attributes:
        python: Requests for interpreters; empty where it is left to the environment.
        resolution: Which versions: those of the lock, the lowest that the project declares, the highest.
        environment: Whose groups and extras are installed; None for ``test``.
        variants: At least one, which may be empty.
        command: What is run in each cell; empty where only the command line says it.
        timeout: Seconds for one cell; None for no limit.
    """

    python: tuple[str, ...] = ()
    resolution: tuple[str, ...] = ("locked",)
    environment: str | None = None
    variants: tuple[Variant, ...] = (Variant(),)
    exclude: tuple[Exclude, ...] = ()
    command: tuple[str, ...] = ()
    timeout: float | None = None

    @property
    def size(self) -> int:
        """How many cells there are before any is left out."""
        return math.prod((max(len(self.python), 1), len(self.resolution), len(self.variants)))


def read_matrix(tool: toml.Table) -> MatrixSpec | None:
    """``[tool.provenv.matrix]``; None where there is none.

    Raises:
        InputError: A key or a value cannot be used.
    """
    if "matrix" not in tool:
        return None
    table = tool.table("matrix")
    table.only(MATRIX_KEYS)
    python = _distinct(table, "python")
    resolution = _distinct(table, "resolution") or ("locked",)
    for name in resolution:
        if name not in RESOLUTIONS:
            raise table.error("resolution", f"{name!r} is not one of {', '.join(RESOLUTIONS)}")
    for key in ("python", "resolution", "with"):
        if key in table and table.data[key] == []:
            raise table.error(
                key, "is empty: there is no cell in this matrix",
                hint="Leave the key out, or name at least one.",
            )  # fmt: skip
    variants = tuple(_variant(entry) for entry in table.tables("with")) or (Variant(),)
    for number, variant in enumerate(variants):
        if any(variant.name == other.name for other in variants[:number]):
            called = f"are called {variant.name!r}" if variant.name else "ask for nothing"
            raise table.error("with", f"two variants {called}", hint="Give each a `name`.")
    names = {variant.name for variant in variants}
    return MatrixSpec(
        python=python,
        resolution=resolution,
        environment=table.get("environment", str),
        variants=variants,
        exclude=tuple(
            _exclude(entry, python, resolution, names) for entry in table.tables("exclude")
        ),
        command=_command(table),
        timeout=_timeout(table),
    )


def _distinct(table: toml.Table, key: str) -> tuple[str, ...]:
    """A string, or an array of them, each once and none of them empty."""
    if isinstance(table.data.get(key), str):
        found: tuple[str, ...] = (table.data[key],)
    else:
        found = table.strings(key)
    for number, text in enumerate(found):
        if not text.strip() or not text.isprintable():
            raise table.error(key, f"item {number} says nothing that can be shown")
        if text in found[:number]:
            raise table.error(key, f"{text!r} is there twice")
    return found


def _variant(table: toml.Table) -> Variant:
    table.only(VARIANT_KEYS)
    packages = table.strings("packages")
    check_packages(table, packages)
    name = table.get("name", str)
    if name is not None and (not name.strip() or not name.isprintable()):
        raise table.error("name", "must be one line of text that can be shown")
    return Variant(name=", ".join(packages) if name is None else name, packages=packages)


def check_packages(table: toml.Table, packages: tuple[str, ...]) -> None:
    """Refuse what is no requirement.

    Raises:
        InputError: One is not valid (PEP 508).
    """
    for text in packages:
        try:
            requirement(text)
        except InvalidRequirement as error:
            reason = str(error).splitlines()[0]
            raise table.error(
                "packages", f"{text!r} is not a valid requirement (PEP 508): {reason}"
            ) from error


def _exclude(
    table: toml.Table, python: tuple[str, ...], resolution: tuple[str, ...], names: set[str]
) -> Exclude:
    """One entry, which must name what is in the matrix: anything else is a slip of the pen."""
    table.only(EXCLUDE_KEYS)
    known: dict[str, Any] = {"python": python, "resolution": resolution, "with": names}
    if not table.data:
        raise table.error("", "names nothing: it would leave out every cell")
    for key in table.data:
        value = table.get(key, str)
        if value not in known[key]:
            listed = ", ".join(map(repr, sorted(known[key]))) or "none"
            raise table.error(key, f"{value!r} is not in the matrix", hint=f"There: {listed}.")
    return Exclude(
        python=table.get("python", str),
        resolution=table.get("resolution", str),
        variant=table.get("with", str),
    )


def _command(table: toml.Table) -> tuple[str, ...]:
    """A line, split as a shell does it, or an array of words. No shell runs it."""
    if isinstance(table.data.get("command"), list):
        words = table.strings("command")
    else:
        try:
            words = tuple(shlex.split(table.get("command", str) or ""))
        except ValueError as error:
            raise table.error("command", f"cannot be split into words: {error}") from error
    if "command" in table and not any(words[:1]):
        raise table.error("command", "is empty")
    return words


def _timeout(table: toml.Table) -> float | None:
    text = table.get("timeout", str)
    if text is None:
        return None
    try:
        seconds = amounts.age(text)
    except ValueError as error:
        raise table.error("timeout", f"{text!r} is no time; write 90s, 10m or 2h") from error
    if not seconds:
        raise table.error("timeout", "must be more than nothing")
    return seconds
