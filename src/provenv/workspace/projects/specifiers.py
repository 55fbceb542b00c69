"""Editing the requirements in ``pyproject.toml``, keeping comments, order and everything else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import tomlkit
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array, Table, Whitespace

from provenv.core.errors import InputError, UsageError
from provenv.model import toml


def document_of(text: str, file: str) -> tomlkit.TOMLDocument:
    """The text as a document that keeps comments and order.

    Raises:
        InputError: It is not TOML.
    """
    try:
        return tomlkit.parse(text.replace("\r\n", "\n"))
    except TOMLKitError as error:
        toml.parse(text, file)  # says the same with a line, where it is broken for all parsers
        raise InputError(f"not valid TOML: {error}", file=file) from error


def rendered(document: tomlkit.TOMLDocument, former: str) -> str:
    """The document as text, with the line ends that ``former`` has."""
    text = tomlkit.dumps(document)
    if former.count("\r\n") * 2 > former.count("\n"):
        return text.replace("\n", "\r\n")
    return text


def place(group: str | None, optional: str | None) -> tuple[str, ...]:
    """The dotted path of the array for project, group or extra requirements."""
    if group is not None and optional is not None:
        raise UsageError("--group and --optional exclude each other")
    if group is not None:
        return ("dependency-groups", group)
    if optional is not None:
        return ("project", "optional-dependencies", optional)
    return ("project", "dependencies")


def _array(document: tomlkit.TOMLDocument, path: Sequence[str], *, make: bool) -> Array | None:
    """The array at ``path``; keys are matched as normalized names below the fixed ones."""
    table: Any = document
    for depth, key in enumerate(path[:-1]):
        if key not in table:
            if not make:
                return None
            fresh = tomlkit.table()
            if depth == 0 and len(document) > 0:
                document.add(tomlkit.nl())
            table[key] = fresh
        table = table[key]
    last = path[-1]
    for key in table:
        if key == last or canonicalize_name(key) == canonicalize_name(last):
            found = table[key]
            return found if isinstance(found, Array) else None
    if not make:
        return None
    array = tomlkit.array()
    if isinstance(table, Table) and path[0] == "project" and len(path) == 2:
        _insert(table, last, array)
    elif isinstance(table, Table):
        _append(table, last, array)
    else:
        table[last] = array
    found = table[last]
    assert isinstance(found, Array)
    return found


def _insert(table: Table, key: str, value: Array) -> None:
    """Add a key before the first sub-table, where TOML still reads it as the table's own."""
    table.add(key, value)


def _append(table: Table, key: str, value: Array) -> None:
    """Add a key after the others; what follows an empty line is about the next table, and stays there."""
    body = table.value.body
    end = next((n for n in range(len(body), 0, -1) if body[n - 1][0] is not None), 0)
    end = next((n for n in range(end, len(body)) if isinstance(body[n][1], Whitespace)), len(body))
    after = body[end:]
    del body[end:]
    table[key] = value
    body.extend(after)


def set_requirements(
    text: str, file: str, requirements: Sequence[str], *, group: str | None, optional: str | None
) -> str:
    """Add requirements, or replace those of the same name and marker, in the same place.

    Raises:
        UsageError: Both ``group`` and ``optional``.
        InputError: The text is not TOML.
    """
    document = document_of(text, file)
    array = _array(document, place(group, optional), make=True)
    if array is None:
        raise InputError("must be an array", file=file, key=".".join(place(group, optional)))
    for item in requirements:
        _put(array, item)
    return rendered(document, text)


def _put(array: Array, item: str) -> None:
    wanted = Requirement(item)
    for index, old in enumerate(array):
        if not isinstance(old, str):
            continue
        known = Requirement(old)
        if canonicalize_name(known.name) == canonicalize_name(wanted.name) and str(
            known.marker
        ) == str(wanted.marker):
            if str(old) != item:
                array[index] = item
            return
    written = array.as_string()
    multiline = "\n" in written or len(array) >= 2
    indented = re.search(r"\n([ \t]+)[^\s\]]", written)
    indent = indented[1] if indented else "    "
    array.add_line(item, indent=indent) if multiline else array.append(item)
    if multiline and not array.as_string().rstrip("]").endswith("\n"):
        array.multiline(multiline=True)


def drop_requirements(
    text: str, file: str, names: Sequence[str], *, group: str | None, optional: str | None
) -> str:
    """Remove requirements by name.

    Raises:
        UsageError: One of them is not there; says where it is.
        InputError: The text is not TOML.
    """
    document = document_of(text, file)
    array = _array(document, place(group, optional), make=False)
    for name in names:
        hits = [
            index
            for index, old in enumerate(array or ())
            if isinstance(old, str)
            and canonicalize_name(Requirement(old).name) == canonicalize_name(name)
        ]
        if array is None or not hits:
            raise _not_there(document, name, group, optional)
        for index in reversed(hits):
            del array[index]
    return rendered(document, text)


def _not_there(
    document: tomlkit.TOMLDocument, name: str, group: str | None, optional: str | None
) -> UsageError:
    where = ".".join(place(group, optional))
    wanted = canonicalize_name(name)
    hints = [
        path
        for path, array in _arrays(document.unwrap())
        for item in array
        if isinstance(item, str) and canonicalize_name(Requirement(item).name) == wanted
    ]
    options = {
        "dependency-groups": "--group", "project.optional-dependencies": "--optional",
    }  # fmt: skip
    hint = None
    if hints:
        head, _, tail = hints[0].rpartition(".")
        option = f"{options[head]} {tail}" if head in options else "neither --group nor --optional"
        hint = f"It is in {hints[0]}: use {option}."
    return UsageError(f"{name} is not in {where}", hint=hint)


def _arrays(data: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    project = data.get("project", {})
    found = [("project.dependencies", project.get("dependencies", []))]
    found += [
        (f"project.optional-dependencies.{name}", items)
        for name, items in project.get("optional-dependencies", {}).items()
    ]
    found += [
        (f"dependency-groups.{name}", items)
        for name, items in data.get("dependency-groups", {}).items()
    ]
    return found


def stated(text: str, file: str) -> list[tuple[str, str]]:
    """Every requirement with the dotted path of the array that it stands in, in their order.

    Raises:
        InputError: The text is not TOML.
    """
    return [
        (path, str(item))
        for path, array in _arrays(document_of(text, file).unwrap())
        for item in array
        if isinstance(item, str)
    ]


def swap(text: str, file: str, where: str, old: str, new: str) -> str:
    """Replace a requirement in the array ``where``, both as :func:`stated` gives them.

    Raises:
        InputError: The text is not TOML.
    """
    document = document_of(text, file)
    group, optional = (
        where.removeprefix(head) if where.startswith(head) else None
        for head in ("dependency-groups.", "project.optional-dependencies.")
    )
    array = _array(document, place(group, optional), make=False)
    if array is not None and old in array.unwrap():
        array[array.unwrap().index(old)] = new
    return rendered(document, text)


def restore(current: str, former: str, file: str) -> str:
    """``current`` with the requirements (and ``requires-python``) of ``former``; all else stays.

    Raises:
        InputError: One of the texts is not TOML.
    """
    document, old = document_of(current, file), document_of(former, file).unwrap()
    new = document.unwrap()
    for path in (
        ("project", "requires-python"),
        ("project", "dependencies"),
        ("project", "optional-dependencies"),
        ("dependency-groups",),
    ):
        _restore(document, new, old, path)
    return rendered(document, current)


def _restore(
    document: tomlkit.TOMLDocument, new: dict[str, Any], old: dict[str, Any], path: Sequence[str]
) -> None:
    table: Any = document
    for key in path[:-1]:
        if key not in table:
            if key not in old:
                return
            table[key] = tomlkit.table()
        table, new, old = table[key], new.get(key, {}), old.get(key, {})
    last = path[-1]
    if new.get(last) == old.get(last):
        return
    if last not in old:
        del table[last]
    elif isinstance(old[last], dict) and last in table:
        for key in list(table[last]):
            if key not in old[last]:
                del table[last][key]
        for key, value in old[last].items():
            if new[last].get(key) != value:
                _assign(table[last], key, value)
    else:
        _assign(table, last, old[last])


def _assign(table: Any, key: str, value: Any) -> None:
    """Set a value; an array keeps the lines, and so the comments, of the items that stay."""
    if key in table and isinstance(table[key], Array) and isinstance(value, list):
        array = table[key]
        for index in reversed(range(len(array))):
            if array[index] not in value:
                _replace(array, index, value)
        for position, item in enumerate(value):
            if item not in array.unwrap():
                array.insert(position, item)
        if array.unwrap() == value:  # the lock's digest minds the order
            return
    table[key] = value


def _replace(array: Array, index: int, value: list[Any]) -> None:
    """Give an item way to the one of the same name in ``value`` that is not there yet, or to none."""
    there = array.unwrap()
    name = _name(there[index])
    for item in value:
        if name is not None and item not in there and _name(item) == name:
            array[index] = item
            return
    del array[index]


def _name(item: object) -> str | None:
    return canonicalize_name(Requirement(item).name) if isinstance(item, str) else None
