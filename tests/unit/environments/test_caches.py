"""The stamp and the plan cache: believed only as far as everything that they name is unchanged."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provenv.environments import plans, stamp, tree


def test_a_stamp_holds_until_something_that_it_names_changes(tmp_path: Path) -> None:
    file, absent = tmp_path / "pyproject.toml", tmp_path / "pylock.dev.toml"
    file.write_text("a")
    os.symlink("generations/1", tmp_path / "current")
    signatures = [stamp.signature(str(file)), stamp.signature(str(absent))]
    stamp.write(str(tmp_path), stamp.Stamp("/home", "dev", "generations/1", signatures, held=True))
    known = stamp.read(str(tmp_path))
    assert known is not None
    assert (known.home, known.environment, known.held) == ("/home", "dev", True)
    assert stamp.holds(str(tmp_path), known)
    absent.write_text("now there")
    assert not stamp.holds(str(tmp_path), known)
    absent.unlink()
    assert stamp.holds(str(tmp_path), known)
    file.write_text("b")
    assert not stamp.holds(str(tmp_path), known)


@pytest.mark.parametrize(
    ("line", "holds"),
    [
        (stamp.valid(0, 1 << 40), True),
        (stamp.valid(0, 1), False),  # its time is over
        (stamp.valid(1 << 40, 1 << 41), False),  # the clock was set back
        ("valid 0", False),
        ("valid 0 soon -", False),
    ],
)
def test_a_verdict_holds_between_two_moments(line: str, holds: bool) -> None:
    assert stamp.is_unchanged(line) is holds


def test_what_a_verdict_was_made_from_follows_on_its_time() -> None:
    lines = ["1 2 3 /a", "- - - /b", stamp.valid(1, 2), "1 2 3 /policy"]
    assert stamp.without_verdict(lines) == lines[:2]
    assert stamp.verdict(lines) == lines[2:]
    assert (stamp.without_verdict(lines[:2]), stamp.verdict(lines[:2])) == (lines[:2], [])


def test_a_stamp_of_another_generation_does_not_hold(tmp_path: Path) -> None:
    os.symlink("generations/2", tmp_path / "current")
    file = tmp_path / "x"
    file.write_text("")
    known = stamp.Stamp("/h", "dev", "generations/1", [stamp.signature(str(file))])
    assert not stamp.holds(str(tmp_path), known)


@pytest.mark.parametrize("text", ["", "provenv-stamp 1\n", "something else\n\n\n\n\n\n\n"])
def test_a_broken_stamp_is_no_stamp(tmp_path: Path, text: str) -> None:
    (tmp_path / ".stamp").write_text(text)
    assert stamp.read(str(tmp_path)) is None


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The folder of plans, with one that holds nothing."""
    (tmp_path / "plans" / ("d" * 64)).mkdir(parents=True)
    return str(tmp_path / "plans")


def test_a_key_leads_to_a_plan_until_an_input_changes(tmp_path: Path, store: str) -> None:
    python = tmp_path / "python"
    python.write_text("")
    inputs = [stamp.signature(str(python))]
    key = plans.key_of([b"a", b"b"])
    plans.remember(store, key, plans.Known("d" * 64, ".venv", "dev", "*", inputs, []))
    known = plans.recall(store, key, "/anywhere")
    assert known is not None
    assert (known.digest, known.folder, known.environment) == ("d" * 64, ".venv", "dev")
    python.write_text("upgraded")
    assert plans.recall(store, key, "/anywhere") is None
    assert plans.recall(store, plans.key_of([b"ab"]), "/anywhere") is None


def test_a_plan_that_is_bound_to_a_project_is_not_used_elsewhere(store: str) -> None:
    key = plans.key_of([b"a"])
    plans.remember(store, key, plans.Known("d" * 64, ".venv", "dev", "/mine", [], []))
    assert plans.recall(store, key, "/mine") is not None
    assert plans.recall(store, key, "/yours") is None


def test_a_plan_for_any_checkout_depends_on_the_content_of_files_and_the_names_in_folders(
    tmp_path: Path, store: str
) -> None:
    def checkout(name: str) -> Path:
        folder = tmp_path / name
        (folder / "src" / "shop").mkdir(parents=True)
        (folder / "setup.cfg").write_text("[metadata]\n")
        return folder

    one, two = checkout("one"), checkout("two")
    contents = [plans.content(str(one), path) for path in ("setup.cfg", "setup.py", "src")]
    key = plans.key_of([b"a"])
    plans.remember(store, key, plans.Known("d" * 64, ".venv", "dev", "*", [], contents))
    assert plans.recall(store, key, str(two)) is not None
    (two / "src" / "shop" / "code.py").write_text("")
    assert plans.recall(store, key, str(two)) is not None
    (two / "src" / "other").mkdir()
    assert plans.recall(store, key, str(two)) is None
    (two / "src" / "other").rmdir()
    (two / "setup.py").write_text("")
    assert plans.recall(store, key, str(two)) is None


def test_a_flipped_bit_in_a_key_or_a_plan_is_noticed(store: str) -> None:
    plan, key = Path(store, "d" * 64), plans.key_of([b"a"])
    (plan / "recipe").write_bytes(b"provenv-recipe 1\n")
    (plan / "activate").write_bytes(b"x")
    plans.remember(store, key, plans.Known("d" * 64, ".venv", "dev", "*", [], []))
    known = plans.recall(store, key, "/p")
    assert known is not None
    assert plans.is_whole(store, known)
    for name in ("recipe", "activate"):
        content = (plan / name).read_bytes()
        (plan / name).write_bytes(bytes([content[0] ^ 1]) + content[1:])
        assert not plans.is_whole(store, known)
        (plan / name).write_bytes(content)
    file = Path(store, "keys", key)
    content = file.read_bytes()
    for position in range(len(content)):
        file.write_bytes(
            content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :]
        )
        assert plans.recall(store, key, "/p") is None, position


def test_keys_tell_parts_apart() -> None:
    assert plans.key_of([b"ab", b"c"]) != plans.key_of([b"a", b"bc"])


def test_a_plan_is_written_once_and_appears_whole(tmp_path: Path) -> None:
    folder = plans.write_plan(str(tmp_path), "abc", {"recipe": b"1"})
    before = os.stat(f"{folder}/recipe").st_ino
    assert plans.write_plan(str(tmp_path), "abc", {"recipe": b"1"}) == folder
    assert os.stat(f"{folder}/recipe").st_ino == before
    assert os.listdir(tmp_path) == ["abc"]


def test_a_plan_that_was_edited_through_an_environment_is_written_anew(tmp_path: Path) -> None:
    folder = plans.write_plan(str(tmp_path), "abc", {"activate": b"1"})
    os.link(f"{folder}/activate", tmp_path / "mine")
    (tmp_path / "mine").chmod(0o644)
    (tmp_path / "mine").write_bytes(b"edited")
    assert plans.write_plan(str(tmp_path), "abc", {"activate": b"1"}) == folder
    assert Path(folder, "activate").read_bytes() == b"1"
    assert (tmp_path / "mine").read_bytes() == b"edited"


def test_a_recipe_is_read_back_as_it_was_written() -> None:
    steps = [("D", "", "bin"), ("L", "store/a b", "bin/ä"), ("S", "/usr/bin/python", "bin/python")]
    assert tree.parse(tree.render(steps)) == steps
    for broken in ("", tree.render(steps)[:-3], tree.render(steps).replace("D bin", "Z bin")):
        assert tree.parse(broken) is None
    with pytest.raises(ValueError, match="line break"):
        tree.render([("D", "", "a\nb")])
