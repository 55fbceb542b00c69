"""``provenv env create``."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from provenv.cli import syncing
from provenv.cli.draw import Screen
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.workspace.named.creating import CreateResult

DESCRIPTION = """\
Declare an environment in pyproject.toml (comments and order stay) and make it; one that is declared
is just made. Outside of a project, or with --global, it gets a folder of its own in PROVENV_HOME, and
`-e NAME` finds it from anywhere. Where anything fails, every file is as it was."""
EXAMPLES = (
    ("provenv env create docs --group docs --python 3.12", "in a project"),
    ("provenv env create ci --python 3.11 --python 3.12", "one for each: ci@3.11, ci@3.12"),
    ("provenv env create ml --global --with jupyterlab", "outside of all projects"),
    ("provenv env create try --seed pip", "with a pip of its own"),
)
PROJECT = True
LINK_MODES = ("linked", "hardlink", "clone", "copy")
SEEDS = ("pip", "setuptools", "wheel")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of the environment")

    def many(option: str, metavar: str, text: str, **more: Any) -> None:
        parser.add_argument(
            option, action="append", default=[], metavar=metavar, help=f"{text}; can be repeated", **more
        )  # fmt: skip

    many("--python", "REQUEST", "interpreter: 3.12, pypy3.11, a path")
    many("--group", "GROUP", "a dependency group that it holds")
    many("--extra", "EXTRA", "an extra of the project that it holds")
    many(
        "--with",
        "PACKAGE",
        "a package for it alone, in a dependency group of its name",
        dest="packages",
    )
    many("--seed", "NAME", "pip, setuptools or wheel for the environment itself", choices=SEEDS)
    parser.add_argument("--prompt", metavar="TEXT", help="what shells show while it is active")
    parser.add_argument(
        "--system-site-packages",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="it also sees what is installed for its interpreter",
    )
    parser.add_argument("--inherits", metavar="ENV", help="the environment that it is like")
    parser.add_argument(
        "--link-mode", metavar="MODE", choices=LINK_MODES, help=", ".join(LINK_MODES)
    )
    parser.add_argument(
        "--editable",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="the project in place, or as a wheel",
    )
    parser.add_argument(
        "--global", action="store_true", dest="outside", help="outside of the project at hand"
    )


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.named.creating import (
        WantedEnvironment,
        create_environment,
        create_environment_outside,
    )
    from provenv.workspace.projects.context import find_root

    wanted = WantedEnvironment(
        python=tuple(args.python),
        groups=tuple(args.group),
        extras=tuple(args.extra),
        requirements=tuple(args.packages),
        inherits=args.inherits,
        link_mode=args.link_mode,
        editable=args.editable,
        seed=tuple(sorted(set(args.seed))),
        prompt=args.prompt,
        system_site_packages=args.system_site_packages,
    )
    if args.outside or find_root(os.getcwd()) is None:
        result = create_environment_outside(session.context, args.name, wanted)
    else:
        result = create_environment(session.project, session.context, args.name, wanted)
    verbose = session.options.verbose
    session.report(
        "env-create", lambda: data(result), lambda screen: text(result, screen, verbose=verbose)
    )
    return 0


def text(result: CreateResult, screen: Screen, *, verbose: bool = False) -> None:
    if result.declared and not result.outside:
        screen.line(f"{screen.paint('good', 'declared')} {result.environment} in pyproject.toml")
    if result.requirements:
        screen.prose(screen.paint("good", "added"), ", ".join(result.requirements))
    for sync in result.syncs:
        syncing.text(sync, screen, verbose=verbose)


def data(result: CreateResult) -> dict[str, Any]:
    return {
        "environment": result.environment,
        "root": result.root,
        "outside": result.outside,
        "declared": result.declared,
        "requirements": list(result.requirements),
        "syncs": [syncing.data(sync) for sync in result.syncs],
    }
