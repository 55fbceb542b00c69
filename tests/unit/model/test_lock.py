from __future__ import annotations

import tomllib

import pytest
from packaging.pylock import Pylock

from provenv.core.errors import InputError
from provenv.model.layout import lock_file_name
from provenv.model.lock import (
    is_direct,
    is_edited,
    packages_digest,
    parse_lock,
    render_lock,
    tool_table,
)

SHA = "ab" * 32
TEXT = f"""\
lock-version = "1.0"
environments = ['sys_platform == "linux"']
requires-python = ">=3.11"
extras = ["fast"]
dependency-groups = ["dev", "test"]
default-groups = ["dev"]
created-by = "provenv"

[[packages]]
name = "a"
version = "1.0"
marker = '"dev" in dependency_groups'
index = "https://pypi.org/simple"
dependencies = [{{ name = "b" }}]
sdist = {{ name = "a-1.0.tar.gz", url = "https://x/a-1.0.tar.gz", upload-time = 2024-01-02T03:04:05Z, size = 5, hashes = {{ sha256 = "{SHA}" }} }}
wheels = [
    {{ name = "a-1.0-py3-none-any.whl", url = "https://x/a-1.0-py3-none-any.whl", size = 10, hashes = {{ sha256 = "{SHA}" }} }},
    {{ name = "a-1.0-cp313-cp313-linux_x86_64.whl", path = "w/a-1.0-cp313-cp313-linux_x86_64.whl", hashes = {{ sha256 = "{SHA}" }} }},
]

[[packages]]
name = "b"
directory = {{ path = ".", editable = true }}

[[packages]]
name = "c"
vcs = {{ type = "git", url = "https://x/c.git", requested-revision = "main", commit-id = "{"c" * 40}" }}

[tool.provenv]
manifest-digest = "m"
note = "a \\"quoted\\" \\\\ text\\nwith ünïcode"
nested = {{ "a key" = [1, true, []], empty = {{}} }}
"""  # noqa: E501


def test_a_round_trip_loses_nothing() -> None:
    lock = parse_lock(TEXT)
    text = render_lock(lock)
    assert tomllib.loads(text) == tomllib.loads(TEXT)
    assert parse_lock(text) == lock


def test_the_same_lock_has_the_same_bytes() -> None:
    once = render_lock(parse_lock(TEXT))
    assert render_lock(parse_lock(once)) == once


def test_each_wheel_and_dependency_has_a_line_of_its_own() -> None:
    lines = render_lock(parse_lock(TEXT)).splitlines()
    assert sum(line.startswith("    { name = ") and ".whl" in line for line in lines) == 2
    assert '    { name = "b" },' in lines


def test_control_characters_survive() -> None:
    lock = parse_lock(TEXT)
    for character in map(chr, [*range(32), 127, 133, 0x2028, 0x1F40D]):
        text = render_lock(Pylock.from_dict({**lock.to_dict(), "tool": {"x": {"k": character}}}))
        assert tomllib.loads(text)["tool"]["x"]["k"] == character


@pytest.mark.parametrize("version", ["2.0", "0.9"])
def test_another_version_is_refused(version: str) -> None:
    text = TEXT.replace('lock-version = "1.0"', f'lock-version = "{version}"')
    with pytest.raises(InputError, match=f"lock-version '{version}' is not supported") as caught:
        parse_lock(text)
    assert caught.value.details["key"] == "lock-version"


def test_a_newer_minor_version_is_read() -> None:
    """PEP 751: a tool may read it, and packaging logs that it did."""
    assert len(parse_lock(TEXT.replace('"1.0"', '"1.7"', 1)).packages) == 3


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        ('created-by = "provenv"\n', "", "created-by"),
        ('name = "b"\n', 'name = "B_"\n', "packages[1].name"),
        ('version = "1.0"\nmarker', 'version = "x y"\nmarker', "packages[0].version"),
        ('"dev" in dependency_groups', '"dev" in', "packages[0].marker"),
        (f', commit-id = "{"c" * 40}"', "", "packages[2].vcs.commit-id"),
        ("size = 10", 'size = "ten"', "packages[0].wheels[0].size"),
        ('name = "a-1.0-py3-none-any.whl"', 'name = "odd.whl"', "packages[0].wheels[0]"),
        ('name = "a-1.0-py3-none-any.whl"', 'name = "z-1.0-py3-none-any.whl"',
         "packages[0].wheels[0]"),
    ],
)  # fmt: skip
def test_what_the_standard_forbids_is_named_by_its_key(before: str, after: str, key: str) -> None:
    assert before in TEXT
    with pytest.raises(InputError, match="not a valid lock") as caught:
        parse_lock(TEXT.replace(before, after, 1), "some/pylock.toml")
    assert caught.value.details == {"file": "some/pylock.toml", "key": key}
    assert "provenv lock" in (caught.value.hint or "")


def test_edits_by_hand_are_seen() -> None:
    plain = parse_lock(TEXT)
    other = parse_lock(
        TEXT.replace('created-by = "provenv"', 'created-by = "another"').replace(
            "[tool.provenv]", "[tool.other]"
        )
    )
    assert not is_edited(other), "nothing is known about the lock of another tool"
    digest = packages_digest(plain.packages)
    signed = TEXT.replace('manifest-digest = "m"', f'packages-digest = "{digest}"')
    assert tool_table(parse_lock(signed))["packages-digest"] == digest
    assert not is_edited(parse_lock(signed))
    assert not is_edited(parse_lock(render_lock(parse_lock(signed))))
    for before, after in (("size = 10", "size = 11"), (SHA, "cd" * 32), ("x/c.git", "y/c.git")):
        assert is_edited(parse_lock(signed.replace(before, after, 1)))


def test_no_wheels_and_an_empty_list_of_them_are_the_same() -> None:
    lock = parse_lock(
        TEXT.replace("wheels = [", "wheels = []\nx = [", 1).replace("x = [", "[[y]]\nz = [")
    )
    digest = packages_digest(lock.packages)
    assert packages_digest(parse_lock(render_lock(lock)).packages) == digest


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("extras == 'x'", "only be used with the membership form"),
        ("sys_platform ~= 'linux'", "Undefined"),
        ("extra == 'x'", "extra"),
    ],
)
def test_a_marker_that_can_be_read_and_means_nothing(marker: str, said: str) -> None:
    text = TEXT.replace('"dev" in dependency_groups\'', marker.replace("'", '"') + "'")
    with pytest.raises(InputError, match="has no meaning") as caught:
        parse_lock(text)
    assert said in caught.value.message
    assert caught.value.details["key"] == "packages.a.marker"


@pytest.mark.parametrize("marker", [r"os_name == 'a\\b'", r"os_name == 'a\x22\x27b'"])
def test_a_marker_that_would_be_another_one_when_it_is_written(marker: str) -> None:
    quoted = marker.replace("\\", "\\\\").replace('"', '\\"')
    text = TEXT.replace("'\"dev\" in dependency_groups'", f'"{quoted}"')
    with pytest.raises(InputError, match="holds quotes or backslashes") as caught:
        parse_lock(text)
    assert caught.value.details["key"] == "packages.a.marker"


@pytest.mark.parametrize("key", ["name", "url", "path"])
def test_a_filename_that_stands_for_millions_of_tags(key: str) -> None:
    tags = ".".join(f"t{number}" for number in range(400))
    name = f"a-1.0-{tags}-{tags}-{tags}.whl"
    value = {"name": name, "url": f"https://x/{name}?y=/z#/", "path": f"w/{name}"}[key]
    wheel = f"{{ {key} = '{value}', hashes = {{ sha256 = '{SHA}' }} }}"
    text = TEXT.replace("wheels = [\n", f"wheels = [\n    {wheel},\n", 1)
    with pytest.raises(InputError, match="a filename of more than 255") as caught:
        parse_lock(text)
    assert caught.value.details["key"] == f"packages[0].wheels[0].{key}"


def test_a_marker_nested_too_deeply() -> None:
    deep = "(" * 3000 + "os_name == 'x'" + ")" * 3000
    with pytest.raises(InputError, match=r"pylock\.toml: packages\[0\]\.marker: not a valid lock"):
        parse_lock(TEXT.replace("'\"dev\" in dependency_groups'", f'"{deep}"'))


def test_direct_packages_are_those_without_an_index() -> None:
    assert [is_direct(package) for package in parse_lock(TEXT).packages] == [False, True, True]


def test_file_names() -> None:
    assert lock_file_name() == "pylock.toml"
    assert lock_file_name("legacy") == "pylock.legacy.toml"
