"""The parser of the command line. A command's module is imported when its turn comes."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from provenv.cli.commands import COMMANDS, GROUPS, load, load_chosen
from provenv.cli.options import add_common, add_environment, add_member, named_environments
from provenv.core.errors import UsageError

PROGRAM = "provenv"
DESCRIPTION = "Python environments you can prove: locked, verified, all or nothing, undone at once."
START = """\
start here:
  provenv init               make a project in this folder
  provenv add httpx          add a package; locks and syncs
  provenv run python         run something in the environment

`provenv --help` lists all commands."""
VARIABLES = {
    "PROVENV_HOME": "where the store and everything else that projects share lies",
    "PROVENV_INDEX_URL": "as --index-url",
    "PROVENV_OFFLINE": "as --offline, unless empty or 0",
    "PROVENV_ADVISORIES_URL": "as advisories update --url",
    "PROVENV_EVIDENCE": "where evidence logs lie, instead of the home folder",
    "PROVENV_SIGNING_KEY": "the key that signs, unless --key names one",
    "PROVENV_POLICY": "a policy that holds above those of projects",
    "PROVENV_PYTHON_MIRROR": "as python install --mirror",
    "PROVENV_DEBUG": "1: show tracebacks of errors that should not be",
    "NO_COLOR, FORCE_COLOR": "never or always use colours",
}


class CommandParser(argparse.ArgumentParser):
    """An argparse parser that raises instead of exiting, and is filled when it is first used."""

    def __init__(self, *args: Any, module: str | None = None, **kwargs: Any) -> None:
        kwargs = {"formatter_class": _Formatter, "allow_abbrev": False, **kwargs}
        super().__init__(*args, **kwargs)
        self._positionals.title = "arguments"
        self.module = module
        self._mixing = False

    def fill(self) -> CommandParser:
        """Import the command's module, and let it add its arguments."""
        if self.module is not None:
            name, self.module = self.module, None
            command = load(name)
            self.description = command.DESCRIPTION
            self.epilog = examples(command.EXAMPLES)
            if hasattr(command, "ACTIONS"):
                self._add_actions(name, command.ACTIONS)
            else:
                command.add_arguments(self)
            if getattr(command, "ENVIRONMENT", False):
                add_environment(self)
            if is_about_project(command):
                add_member(self)
            add_common(self)
        if self.usage is None:
            self.usage = f"{self.prog} [OPTIONS]{_positionals(self)}"
        return self

    def _add_actions(self, command: str, actions: Mapping[str, str]) -> None:
        below = self.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")
        for action, text in actions.items():
            below.add_parser(action, help=text, module=f"{command}_{action}")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As in argparse; options may stand between positional arguments."""
        self.fill()
        mixable = not any(action.nargs in ("...", "A...") for action in self._actions)
        if self._mixing or not mixable:
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False

    def format_help(self) -> str:
        """As in argparse."""
        self.fill()
        return super().format_help()

    def _print_message(self, message: str, file: Any = None) -> None:
        """As in argparse, which would swallow that the help could not be written."""
        try:
            (file or sys.stdout).write(message)
        except BrokenPipeError:
            raise
        except OSError as error:
            from provenv.cli.draw import unwritten

            raise unwritten(error) from error

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print.

        Raises:
            UsageError: Always.
        """
        raise UsageError(_plain(message), hint=f"`{self.prog} --help` says what it takes.")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Helps in two columns; no colours of its own, so that they are the same everywhere."""

    def __init__(self, prog: str, **more: Any) -> None:
        if sys.version_info >= (3, 14):
            more["color"] = False
        super().__init__(prog, max_help_position=26, **more)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """``-C, --directory DIR``, also before Python 3.13, which repeated the value."""
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        return f"{', '.join(action.option_strings)} {action.metavar}"


_CHOICE = re.compile(r"argument (\S+): invalid choice: (.+) \(choose from (.+)\)")


def _plain(message: str) -> str:
    """Argparse's message, a little less in argparse's own words."""
    start = "the following arguments are required: "
    if message.startswith(start):
        return f"missing: {message.removeprefix(start)}"
    if choice := _CHOICE.fullmatch(message):
        return f"{choice[1]}: {choice[2]} is none of {choice[3].replace(chr(39), '')}"
    return message.removeprefix("argument ").replace("not allowed with argument", "not with")


def _positionals(parser: argparse.ArgumentParser) -> str:
    """What follows the options in the usage line."""
    text = ""
    for action in parser._get_positional_actions():  # noqa: SLF001  # argparse has no public way
        name = str(action.metavar)
        forms = {"?": f" [{name}]", "*": f" [{name}…]", "+": f" {name}…", "...": f" [--] {name}…"}
        text += forms.get(str(action.nargs), f" {name}")
    return text


def examples(rows: Sequence[tuple[str, str]]) -> str:
    """The epilog of a command's help."""
    width = max(len(line) for line, _ in rows)
    return "examples:\n" + "\n".join(f"  {line:{width}}  {text}" for line, text in rows)


def make_parser(only: str | None = None) -> CommandParser:
    """The parser of the whole command line; ``only`` is the one command that it need know."""
    parser = CommandParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [OPTIONS] COMMAND …",
        description=f"{DESCRIPTION}\n\n{_overview()}",
        epilog=_variables(),
    )
    parser.add_argument(
        "-V", "--version", action="store_true", default=False, help="say the version, and end"
    )
    add_environment(parser, top=True)
    add_member(parser, top=True)
    add_common(parser, top=True)
    commands = parser.add_subparsers(
        dest="command",
        metavar="COMMAND",
        prog=PROGRAM,
        parser_class=CommandParser,
        help=argparse.SUPPRESS,
    )
    for name in COMMANDS if only is None else (only,):
        commands.add_parser(name, help=COMMANDS[name], module=name)
    return parser


def _overview() -> str:
    lines: list[str] = []
    for title, names in GROUPS.items():
        lines += [f"{title}:", *(f"  {name:12}{COMMANDS[name]}" for name in names), ""]
    lines.append("`provenv COMMAND --help` says what a command takes, with examples.")
    return "\n".join(lines)


def _variables() -> str:
    rows = (f"  {name:24}{text}" for name, text in VARIABLES.items())
    return "\n".join(["environment variables:", *rows])


def subparsers(parser: argparse.ArgumentParser) -> dict[str, CommandParser]:
    """The parsers of the commands below ``parser``, by name; empty where it has none."""
    for action in parser._actions:  # noqa: SLF001  # argparse has no public way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return {str(name): below.fill() for name, below in action.choices.items()}
    return {}


def with_subparsers(parser: CommandParser) -> Iterator[CommandParser]:
    """``parser`` and all below it: commands, and their actions."""
    yield parser
    for below in subparsers(parser).values():
        yield from with_subparsers(below)


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is provenv's, and what belongs to the command that is run, untouched.

    That is what comes after one of those in ``RUNNING`` and its options, or after ``--``.
    """
    position = _command_position(arguments)
    if position is None or arguments[position] not in RUNNING:
        return list(arguments), []
    index = position + 1
    while index < len(arguments):
        word = arguments[index]
        if word == "--":
            return list(arguments[:index]), list(arguments[index + 1 :])
        if not word.startswith("-") or word == "-":
            break
        index += 2 if word in VALUED else 1
    return list(arguments[:index]), list(arguments[index:])


RUNNING = ("bisect", "run", "test")
"""Commands that are followed by a command of somebody else."""
# Options of these and of the program whose value is the next word (a test holds it to the parser).
VALUED = frozenset(
    {
        "-C",
        "--directory",
        "--index-url",
        "--color",
        "-e",
        "--environment",
        "-p",
        "--member",
        "--python",
        "--resolution",
        "-k",
        "--only",
        "-j",
        "--jobs",
        "--timeout",
        "--junit",
        "--import",
        "--html",
        "--on",
        "--attempts",
        "--bad",
        "--good",
        "--over",
        "--repeat",
        "--wheels",
    }
)


def _command_position(arguments: Sequence[str]) -> int | None:
    index = 0
    while index < len(arguments):
        if not arguments[index].startswith("-"):
            return index
        index += 2 if arguments[index] in VALUED else 1
    return None


def check_command(arguments: Sequence[str]) -> str | None:
    """The command that is called, if one is; one that is not there is refused, naming the nearest one.

    Raises:
        UsageError: It is not there.
    """
    position = _command_position(arguments)
    if position is None:
        return None
    word = arguments[position]
    if word in COMMANDS:
        return word
    near = difflib.get_close_matches(word, COMMANDS, n=1, cutoff=0.5)
    hint = f"Did you mean `{PROGRAM} {near[0]}`?" if near else f"`{PROGRAM} --help` lists them all."
    raise UsageError(f"there is no command {word!r}", hint=hint)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command line.

    Returns:
        The namespace; ``command`` is None where none was given, ``words`` what ``run`` or ``test`` runs.

    Raises:
        UsageError: It cannot be understood.
        SystemExit: ``--help`` was asked for, and has been answered.
    """
    own, words = split(arguments)
    parser = make_parser(check_command(own))  # making forty parsers takes 5 ms
    args: argparse.Namespace
    args, rest = parser.parse_known_args(own)
    if rest:
        raise _unknown(parser, args, rest)
    if args.command is not None:
        _check_about(args)
    args.words = words
    return args


def _check_about(args: argparse.Namespace) -> None:
    """Refuse ``-e`` and ``-p`` where they mean nothing to the command, or to its action."""
    chosen, name = load_chosen(args.command, getattr(args, "action", None)), " ".join(_words(args))
    if named_environments(args) and not getattr(chosen, "ENVIRONMENT", False):
        raise _no_environment(name)
    if args.member is not None and not is_about_project(chosen):
        raise _no_member(name)


def _words(args: argparse.Namespace) -> list[str]:
    """The command that was chosen, and its action if it has any."""
    return [word for word in (args.command, getattr(args, "action", None)) if word is not None]


def is_about_project(command: object) -> bool:
    """Whether a command is about a project, and so takes ``--member``."""
    return getattr(command, "ENVIRONMENT", False) or getattr(command, "PROJECT", False)


def _no_environment(command: str) -> UsageError:
    return UsageError(f"`{command}` is not about one environment: it takes no --environment")


def _no_member(command: str) -> UsageError:
    return UsageError(f"`{command}` is not about one project: it takes no --member")


def _unknown(parser: CommandParser, args: argparse.Namespace, rest: Sequence[str]) -> UsageError:
    chosen, name = parser, " ".join(_words(args))
    for word in _words(args):
        chosen = subparsers(chosen)[word]
    options = [word for word in rest if word.startswith("-")]
    if not options:
        return UsageError(
            f"`{name}` does not take {' '.join(rest)!r}",
            hint=f"`{chosen.prog} --help` says what it takes.",
        )
    if options[0] in ("-e", "--environment"):
        return _no_environment(name)
    if options[0] in ("-p", "--member"):
        return _no_member(name)
    known = list(chosen._option_string_actions)  # noqa: SLF001
    near = difflib.get_close_matches(options[0], known, n=1, cutoff=0.6)
    hint = f"Did you mean {near[0]}?" if near else f"`{chosen.prog} --help` says what it takes."
    return UsageError(f"there is no option {options[0]} here", hint=hint)
