"""``[tool.provenv.environments]``: declaring an environment, and taking it out again.

Comments, order and everything else in ``pyproject.toml`` stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tomlkit
from tomlkit.items import Table

from provenv.core.errors import InputError
from provenv.model import toml
from provenv.model.lock import toml_value
from provenv.workspace.projects.specifiers import document_of, rendered

_PATH = ("tool", "provenv", "environments")


def declared(text: str, file: str, name: str) -> Mapping[str, Any] | None:
    """What the manifest says of the environment ``name`` itself; None where it does not name it."""
    table: Any = toml.parse(text, file)
    for key in (*_PATH, name):
        table = table.get(key)
        if table is None:
            return None
    return table if isinstance(table, dict) else None


def declare(text: str, file: str, name: str, values: Mapping[str, Any]) -> str:
    """The manifest with the environment ``name``, which it does not have; in the form of its others.

    Raises:
        InputError: The text is not TOML, or in a form in which nothing can be added.
    """
    for inline in (False, True):  # below dotted keys, a table of its own would end up elsewhere
        new = _with(text, file, name, values, inline=inline)
        if _says(new, text, file, name, values):
            return new
    raise InputError(
        f"environment {name!r} cannot be added to it",
        file=file,
        key=".".join(_PATH),
        hint=f"Write it yourself: {name} = {toml_value(values)}",
    )


def _says(new: str, old: str, file: str, name: str, values: Mapping[str, Any]) -> bool:
    """Whether the new text says what the old one said, and declares the environment; nothing else."""
    try:
        wanted, found = toml.parse(old, file), toml.parse(new, file)
    except InputError:
        return False
    table = wanted
    for key in _PATH:
        table = table.setdefault(key, {})
    table[name] = dict(values)
    return wanted == found


def _with(text: str, file: str, name: str, values: Mapping[str, Any], *, inline: bool) -> str:
    document = document_of(text, file)
    table: Any = document
    for depth, key in enumerate(_PATH):
        if key not in table:
            if depth == 0 and len(document) > 0:
                document.add(tomlkit.nl())
            table[key] = tomlkit.table(is_super_table=depth < len(_PATH) - 1)
        table = table[key]
    if not inline and any(isinstance(other, Table) for other in table.values()):
        made: Any = tomlkit.table()
        made.update(values)
    else:
        made = tomlkit.value(toml_value(values))
    table[name] = made
    return rendered(document, text)


def undeclare(text: str, file: str, name: str) -> str:
    """The manifest without the environment ``name``.

    Raises:
        InputError: It does not name it, or the text is not TOML.
    """
    if declared(text, file, name) is None:
        key = ".".join((*_PATH, name))
        raise InputError("is not declared", file=file, key=key)
    document = document_of(text, file)
    table: Any = document
    for key in _PATH:
        table = table[key]
    del table[name]
    return rendered(document, text)
