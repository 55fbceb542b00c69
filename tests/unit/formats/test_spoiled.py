"""Locks in which one value is of another kind: refused with a sentence, or read; never anything else."""

from __future__ import annotations

import json
import random
import tomllib
from pathlib import Path
from typing import Any

import pytest

from provenv.core.errors import InputError
from provenv.formats.kinds import read
from provenv.formats.selecting import select
from provenv.model.lock import toml_value
from unit.formats.reading import FILES, markers, source_of, write_file

OTHER: tuple[Any, ...] = (3, "x", [], {}, True, [1], {"a": 1}, ["a"], "?")


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in items:
        found += places(inner, (*at, key))
    return found


def spoil(value: Any, at: tuple[Any, ...], other: Any) -> None:
    for key in at[:-1]:
        value = value[key]
    value[at[-1]] = other


@pytest.mark.parametrize(
    "name", ["poetry/poetry.lock", "poetry-1.4/poetry.lock", "pdm/pdm.lock", "uv/uv.lock",
             "pipenv/Pipfile.lock", "pipenv/Pipfile", "poetry/pyproject.toml"],
)  # fmt: skip
def test_one_value_of_another_kind(tmp_path: Path, name: str) -> None:
    path = FILES / name
    text = path.read_text()
    is_json = text.lstrip().startswith("{")
    chance = random.Random(name)
    whole = json.loads(text) if is_json else tomllib.loads(text)
    every = places(whole)
    for beside in path.parent.iterdir():
        write_file(tmp_path, beside.name, beside.read_bytes())
    refused = 0
    for at in chance.sample(every, min(60, len(every))):
        data = json.loads(text) if is_json else tomllib.loads(text)
        spoil(data, at, chance.choice(OTHER))
        spoiled = json.dumps(data) if is_json else "".join(
            f"{toml_value(key)} = {toml_value(value)}\n" for key, value in data.items()
        )  # fmt: skip
        write_file(tmp_path, path.name, spoiled)
        refused += _is_refused(tmp_path / path.name)
    assert refused


def _is_refused(path: Path) -> bool:
    try:
        _, foreign = read(source_of(path))
        if foreign is not None:
            select(foreign, markers(), groups=foreign.default_groups, extras=())
    except InputError as error:
        return path.name in error.message
    return False
