"""Options that every command has; they may stand before the command or after it."""

from __future__ import annotations

import argparse

from provenv.core.errors import UsageError
from provenv.core.values import frozen

COLOURS = ("auto", "always", "never")


@frozen
class Options:
    """The common options as they were given."""

    directory: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    color: str = "auto"
    offline: bool = False
    index_url: str | None = None
    environments: tuple[str, ...] = ()
    member: str | None = None

    @property
    def environment(self) -> str | None:
        """The one environment that was named, or None.

        Raises:
            UsageError: Several were.
        """
        if len(self.environments) > 1:
            raise UsageError(
                f"this command is about one environment, not {len(self.environments)}: "
                f"{', '.join(self.environments)}",
                hint="Give one -e.",
            )
        return self.environments[0] if self.environments else None


def add_environment(parser: argparse.ArgumentParser, *, top: bool = False) -> None:
    """``-e``. Only the parser of the whole program (``top``) sets what holds where it is not given."""
    parser.add_argument(
        "-e",
        "--environment",
        dest="environment_before" if top else "environment",
        metavar="NAME",
        action="append",
        default=[] if top else argparse.SUPPRESS,
        help="the environment that is meant (default: the project's default, dev)",
    )


def add_member(parser: argparse.ArgumentParser, *, top: bool = False) -> None:
    """``-p``: which project of a workspace is meant."""
    parser.add_argument(
        "-p",
        "--member",
        metavar="MEMBER",
        default=None if top else argparse.SUPPRESS,
        help="the member of the workspace that is meant, by its name or path",
    )


def add_all(parser: argparse.ArgumentParser) -> None:
    """``--all``: every member of the workspace."""
    parser.add_argument(
        "--all", action="store_true", help="every member of the workspace, several at once"
    )


def time_limit(text: str) -> float:
    """An argument that says for how long: ``90s``, ``10m``, or a bare number of seconds."""
    from provenv.model import amounts

    try:
        limit = amounts.age(text) if text[-1:].isalpha() else float(text)
    except ValueError:
        limit = 0.0
    if not 0 < limit < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 90s, 10m")
    return limit


def add_common(parser: argparse.ArgumentParser, *, top: bool = False) -> None:
    """The rest of the common options."""

    def flag(*names: str, text: str) -> None:
        default = False if top else argparse.SUPPRESS
        group.add_argument(*names, action="store_true", default=default, help=text)

    def value(*names: str, metavar: str | None, text: str, **more: object) -> None:
        given = more.pop("default", None)
        default = given if top else argparse.SUPPRESS
        group.add_argument(*names, metavar=metavar, default=default, help=text, **more)  # type: ignore[arg-type]  # choices

    group = parser.add_argument_group("common options")
    value("-C", "--directory", metavar="DIR", text="work as if started in DIR")
    flag("--json", text="answer in JSON on standard output, also errors")
    flag("-q", "--quiet", text="say nothing but errors and warnings")
    flag("-v", "--verbose", text="say more: whole lists, output of builds")
    flag("--offline", text="use what is here, ask no server")
    value("--index-url", metavar="URL", text="take packages from this index instead of PyPI")
    value(
        "--color",
        metavar="WHEN",
        text="auto, always or never",
        choices=COLOURS,
        default="auto",
    )


def named_environments(args: argparse.Namespace) -> tuple[str, ...]:
    """Every ``-e``, also before the command, each once."""
    return tuple(dict.fromkeys([*args.environment_before, *getattr(args, "environment", [])]))


def read_options(args: argparse.Namespace) -> Options:
    """The common options out of what was parsed."""
    return Options(
        directory=args.directory,
        json=args.json,
        quiet=args.quiet,
        verbose=args.verbose,
        color=args.color,
        offline=args.offline,
        index_url=args.index_url,
        environments=named_environments(args),
        member=args.member,
    )
