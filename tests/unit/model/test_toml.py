from __future__ import annotations

import textwrap

import pytest

from provenv.core.errors import InputError
from provenv.model import toml


def table(text: str) -> toml.Table:
    text = textwrap.dedent(text).lstrip("\n")
    return toml.Table(toml.parse(text, "a.toml"), file="a.toml", text=text)


@pytest.mark.parametrize(
    ("text", "line"),
    [("a = \n", 1), ("a = 1\nb = [1,\n", None), ("a = 1\na = 2\n", 2), ("[x\n", 1)],
)
def test_broken_toml_names_the_line(text: str, line: int | None) -> None:
    with pytest.raises(InputError, match=r"^a\.toml(:\d)?: not valid TOML: ") as caught:
        toml.parse(text, "a.toml")
    assert caught.value.details.get("line") == line


def test_a_byte_order_mark_is_called_by_its_name() -> None:
    with pytest.raises(InputError, match=r"^a\.toml:1: begins with a byte order mark") as caught:
        toml.parse("\ufeffa = 1\n", "a.toml")
    assert caught.value.hint is not None
    assert "UTF-8" in caught.value.hint


def test_merge_conflicts_are_called_by_their_name() -> None:
    text = "a = 1\n<<<<<<< HEAD\nb = 1\n=======\nb = 2\n>>>>>>> other\n"
    with pytest.raises(InputError, match=r"^a\.toml:2: contains merge-conflict markers"):
        toml.parse(text, "a.toml")


@pytest.mark.parametrize(
    ("value", "kind", "wanted"),
    [
        ("1", str, "a string"),
        ("'x'", bool, "true or false"),
        ("true", int, "a whole number"),
        ("1.5", int, "a whole number"),
        ("'x'", list, "an array"),
        ("[]", dict, "a table"),
    ],
)
def test_a_wrong_type_names_file_line_key_and_what_it_must_be(
    value: str, kind: type, wanted: str
) -> None:
    with pytest.raises(InputError) as caught:
        table(f"x = 0\n[t]\nkey = {value}\n").table("t").get("key", kind)
    assert caught.value.message == f"a.toml:3: t.key: must be {wanted}"


def test_missing_keys_are_empty() -> None:
    root = table("")
    assert root.get("a", str) is None
    assert root.strings("a") == ()
    assert root.tables("a") == []
    assert root.table("a").table("b").data == {}


def test_arrays_say_which_item_is_wrong() -> None:
    with pytest.raises(InputError, match=r"a\.toml:1: x: item 1 must be a string"):
        table("x = ['a', 1]").strings("x")
    with pytest.raises(InputError, match=r"a\.toml:1: x: item 0 must be a table"):
        table("x = [1]").tables("x")


def test_an_unknown_key_names_the_nearest_known_one() -> None:
    with pytest.raises(InputError, match=r"^a\.toml:2: t\.colour: unknown key") as caught:
        table("[t]\ncolour = 1").table("t").only({"color", "size"})
    assert caught.value.hint == "Did you mean `color`?"
    with pytest.raises(InputError) as caught:
        table("[t]\nqqq = 1").table("t").only({"size", "color"})
    assert caught.value.hint == "Known keys: color, size."


TEXT = """
    name = "top"
    [one]
    name = "in one"
    [two]
    size = 1
    name = "in two"
    [[item]]
    name = "first"
    [[item]]
    size = 2
    [ "quoted" . 'x.y' ]
    name = 1
    [three.four]
    name = 2
"""


@pytest.mark.parametrize(
    ("path", "key", "line"),
    [
        ("", "name", 1),
        ("", "two", 4),
        ("one", "name", 3),
        ("two", "name", 6),
        ("item[0]", "name", 8),
        ("item[1]", "size", 10),
        ("item[1]", "name", 9),
        ("two", "missing", 4),
        ("three", "four", 13),
        ("three.four", "name", 14),
    ],
)
def test_lines_are_those_of_the_table_that_is_meant(path: str, key: str, line: int) -> None:
    root = table(TEXT)
    here = root
    for part in filter(None, path.split(".")):
        name, _, number = part.removesuffix("]").partition("[")
        here = here.tables(name)[int(number)] if number else here.table(name)
    assert here.error(key, "x").details["line"] == line


def test_no_line_is_better_than_a_wrong_one() -> None:
    root = table("a = { name = 1 }\nb = { name = 2 }\n")
    assert root.table("a").error("name", "x").details == {"file": "a.toml", "key": "a.name"}


def test_what_is_nested_too_deeply_is_an_error_of_the_file() -> None:
    with pytest.raises(InputError, match=r"a\.toml: .*nested too deeply"):
        toml.parse("x = " + "[" * 5000 + "]" * 5000, "a.toml")
