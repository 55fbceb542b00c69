"""Parsing, without running anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from provenv.cli import parser, place
from provenv.cli.commands import COMMANDS, GROUPS
from provenv.cli.options import read_options
from provenv.cli.reference import commands_page
from provenv.core.errors import UsageError

PAGE = Path(__file__).parents[3] / "docs/reference/commands.md"


def test_the_reference_page_is_what_the_parser_says() -> None:
    assert PAGE.read_text() == commands_page(), "run scripts/docs"


def test_every_command_is_in_one_group() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(COMMANDS)


@pytest.mark.parametrize(
    ("words", "own", "rest"),
    [
        ("run tool --json -q", "run", "tool --json -q"),
        ("run -e test -- tool -- x", "run -e test", "tool -- x"),
        ("-C there run --python 3.12 tool -e x", "-C there run --python 3.12", "tool -e x"),
        ("run --environment=test tool", "run --environment=test", "tool"),
        ("sync run", "sync run", ""),
        ("test --python 3.12 -k x pytest -q", "test --python 3.12 -k x", "pytest -q"),
        ("test --fail-fast -- pytest -x", "test --fail-fast", "pytest -x"),
        ("run --locked", "run --locked", ""),
    ],
)
def test_what_follows_the_command_of_run_is_its_own(words: str, own: str, rest: str) -> None:
    assert parser.split(words.split()) == (own.split(), rest.split())


def test_options_of_run_with_a_value_are_known_to_split() -> None:
    commands = parser.subparsers(parser.make_parser())
    valued = {
        name
        for command in parser.RUNNING
        for action in commands[command]._actions
        if action.option_strings and action.nargs is None
        for name in action.option_strings
    }
    assert valued == parser.VALUED


@pytest.mark.parametrize("command", ["bisect", "test", "upgrade"])
@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("90s", 90),
        ("10m", 600),
        ("1.5", 1.5),
        ("soon", None),
        ("0", None),
        ("nan", None),
        ("", None),
    ],
)
def test_a_time_limit_is_written_the_same_everywhere(
    command: str, text: str, limit: float | None
) -> None:
    if limit is not None:
        assert parser.parse([command, "--timeout", text]).timeout == limit
        return
    with pytest.raises(UsageError, match=f"--timeout: '{text}' is no time; write 90s, 10m"):
        parser.parse([command, "--timeout", text])


def test_options_may_stand_anywhere() -> None:
    args = parser.parse(["add", "a", "--group", "test", "b", "-q"])
    assert (args.requirements, args.group, args.quiet) == (["a", "b"], "test", True)
    args = parser.parse(["-e", "x", "--offline", "sync"])
    assert (args.environment_before, args.offline) == (["x"], True)
    args = parser.parse(["-e", "x", "sync", "-e", "y", "-e", "x"])
    assert read_options(args).environments == ("x", "y")


def test_no_option_is_abbreviated() -> None:
    with pytest.raises(UsageError, match="no option --lock here"):
        parser.parse(["sync", "--lock"])


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["sync"], "provenv sync"),
        (["sync", "--index-url=https://me:s@x/simple"], "sync --index-url=https://****@x/simple"),
        (["add", "a @ git+https://t:k@h/r@v1"], "add a @ git+https://****@h/r@v1"),
        (
            ["run", "x", "http://a@b", "http://c@d/?q=e@f"],
            "run x http://****@b http://****@d/?q=e@f",
        ),
    ],
)
def test_a_cause_holds_no_credentials(words: list[str], cause: str) -> None:
    assert place.command_line(words).removeprefix("provenv ") == cause.removeprefix("provenv ")


@pytest.mark.parametrize(
    ("words", "following", "cause"),
    [
        (["run", "migrate", "--password", "s"], ["migrate", "--password", "s"], "run migrate …"),
        (["-q", "run", "-e", "prod", "--", "sh", "-c", "s"], ["sh", "-c", "s"], "-q run -e prod -- sh …"),
        (["run", "true"], ["true"], "run true"),
        (["sync"], [], "sync"),
    ],
)  # fmt: skip
def test_of_what_run_starts_the_program_alone_is_named(
    words: list[str], following: list[str], cause: str
) -> None:
    assert place.command_line(words, following) == f"provenv {cause}"
