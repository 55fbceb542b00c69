"""The reference page of the commands, written from the parser."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator

from provenv.cli.commands import GROUPS
from provenv.cli.parser import CommandParser, make_parser, subparsers

_INTRODUCTION = """\
# Commands

Written from the parser by `scripts/docs`; a test holds the two together.

Exit codes: 0 done; 1 the answer is no (a check failed); 2 wrong usage or unreadable input; 3 it could
not be decided (network, data, disk); 130 interrupted. `run` exits as its command does, 127 where that
is not found and 126 where it cannot be executed.

Standard output holds the data that was asked for, standard error the talk. `--json` writes one
document to standard output and nothing else there, for errors, too: see [json.md](json.md). With
`run --json`, only an error before the command starts is written; after that, standard output is the
command's own.
"""
_WIDTH = "100"


def commands_page() -> str:
    """``docs/reference/commands.md``."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = _WIDTH  # argparse fits its helps to the terminal
    try:
        return "\n".join([_INTRODUCTION, *_sections()])
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def _sections() -> Iterator[str]:
    parser = make_parser()
    yield _section(parser, "##", "provenv")
    commands = subparsers(parser)
    for names in GROUPS.values():
        for name in names:
            yield _section(commands[name], "##", f"provenv {name}")
            for below, action in subparsers(commands[name]).items():
                yield _section(action, "###", f"provenv {name} {below}")


def _section(parser: CommandParser, level: str, title: str) -> str:
    text = _help(parser, whole=title == "provenv")
    return f"{level} {title}\n\n```text\n{text}\n```\n"


def _help(parser: CommandParser, *, whole: bool) -> str:
    """The help; without the common options, which the program's own section lists."""
    parser.fill()
    if whole:
        return parser.format_help().strip()
    hidden = [action for action in _common(parser) if action.help != argparse.SUPPRESS]
    helps = [action.help for action in hidden]
    for action in hidden:
        action.help = argparse.SUPPRESS
    try:
        return parser.format_help().strip()
    finally:
        for action, text in zip(hidden, helps, strict=True):
            action.help = text


def _common(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    for group in parser._action_groups:  # noqa: SLF001  # argparse has no public way to ask
        if group.title == "common options":
            return list(group._group_actions)  # noqa: SLF001
    return []
