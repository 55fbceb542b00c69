"""``provenv test``."""

from __future__ import annotations

import argparse
import contextlib
import os
from typing import TYPE_CHECKING

from provenv.cli import signals
from provenv.cli.cells import Cells
from provenv.cli.draw import printable
from provenv.cli.options import time_limit
from provenv.cli.session import Session
from provenv.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from provenv.trials.cells import Cell
    from provenv.workspace.testing.elsewhere import Elsewhere
    from provenv.workspace.testing.matrix import MatrixReport, MatrixRequest

DESCRIPTION = """\
Run a command in every cell of [tool.provenv.matrix]: for each Python, each resolution and each variant,
in an environment of its own, several at once. It is the environment `test` unless -e or the matrix names
another. A cell that passed, and of which nothing has changed since, is not run again. Exit code 0 where all
passed, 1 where some did not, 2 where the matrix is wrong or a Python is nowhere to be had, 3 where it could
not be decided (no environment, no command)."""
EXAMPLES = (
    ("provenv test", "the whole matrix, as it is declared"),
    ("provenv test --python 3.12 --python 3.13", "with these Pythons instead"),
    ("provenv test -- pytest -x tests/unit", "another command"),
    ("provenv test -k lowest --last-failed", "of these cells, those that did not pass"),
    ("provenv test --junit report.xml --html report.html", "for CI systems, and for people"),
    ("provenv test --ahead", "what newer versions would break, and which bounds could be lifted"),
    ("provenv test --bounds", "whether the lower bounds of the dependencies are right"),
    (
        "provenv test --import tox.ini",
        "the matrix of tox, nox or Hatch, to put into pyproject.toml",
    ),
    ("provenv test --on tcp://build:8786", "on the workers of a Dask scheduler"),
    ("provenv test --list", "which cells there are"),
)
ENVIRONMENT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from provenv.model.matrix import RESOLUTIONS

    parser.usage = f"{parser.prog} [OPTIONS] [[--] CMD…]"
    parser.add_argument("--python", metavar="REQUEST", action="append", default=[],
                        help="instead of the matrix's; may be given several times")  # fmt: skip
    parser.add_argument("--resolution", metavar="WHICH", action="append", default=[],
                        choices=RESOLUTIONS, help=f"likewise: {', '.join(RESOLUTIONS)}")  # fmt: skip
    parser.add_argument("-k", "--only", metavar="TEXT", action="append", default=[],
                        help="only cells whose label contains it, or matches it as a pattern")  # fmt: skip
    parser.add_argument("-j", "--jobs", metavar="N", type=int,
                        help="so many at once; unless given, as processors and memory allow")  # fmt: skip
    parser.add_argument("--timeout", metavar="TIME", type=time_limit,
                        help="for each cell: 90s, 10m")  # fmt: skip
    parser.add_argument("--fail-fast", action="store_true",
                        help="the first cell that does not pass ends all others")  # fmt: skip
    parser.add_argument("--last-failed", action="store_true",
                        help="only cells that did not pass the last time")  # fmt: skip
    parser.add_argument("--fresh", action="store_true",
                        help="run also what is as it was when it passed; ask indexes anew")  # fmt: skip
    parser.add_argument("--skip-missing", action="store_true",
                        help="skip cells whose Python is not here, and show them as skipped")  # fmt: skip
    parser.add_argument("--locked", action="store_true", help="refuse a stale lock")
    parser.add_argument("--yes", action="store_true", help="run them even where they are very many")
    parser.add_argument("--on", metavar="ADDRESS",
                        help="run the cells on the workers of a Dask scheduler")  # fmt: skip
    parser.add_argument("--attempts", metavar="N", type=int,
                        help="with --on: begin a cell so often at most where workers die (3)")  # fmt: skip
    parser.add_argument("--wheels", metavar="URL",
                        help="with --on: workers take all files of the lock from this folder")  # fmt: skip
    parser.add_argument("--list", action="store_true", help="name the cells, and run nothing")
    more = parser.add_mutually_exclusive_group()
    more.add_argument("--ahead", action="store_true",
                      help="try what is newer: versions, also beyond the bounds, and Pythons")  # fmt: skip
    more.add_argument("--bounds", action="store_true",
                      help="find the oldest versions with which the tests pass")  # fmt: skip
    more.add_argument("--import", metavar="FILE", dest="foreign",
                      help="show the matrix of tox.ini, noxfile.py or Hatch as one of ours")  # fmt: skip
    parser.add_argument("--junit", metavar="FILE", help="write the report as JUnit XML, too")
    parser.add_argument("--html", metavar="FILE", help="write the report as a page, too")
    parser.add_argument("words", nargs="...", metavar="CMD",
                        help="the command and its arguments, instead of the matrix's")  # fmt: skip


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.cli import tested
    from provenv.workspace.testing import matrix

    if args.foreign is not None:
        return _import(args.foreign, session)
    request = _request(args, session)
    project = session.project
    cells = matrix.choose_cells(project, session.context, request)
    if args.list:
        session.answer(
            "test-list",
            lambda: tested.list_data(cells),
            lambda screen: tested.list_text(cells, screen),
        )
        return 0
    if not cells:
        session.verdict("test", lambda: tested.nothing_data(project.title), tested.nothing_text)
        return 0
    if args.ahead or args.bounds:
        return _try(args, session, cells, request)
    with _watching(session, cells) as told:
        elsewhere = _elsewhere(args, session, cells)
        report = matrix.run_matrix(
            cells, project, session.context, request, told, elsewhere, session.head
        )
    _write(args, report)
    session.verdict("test", lambda: tested.data(report), lambda screen: tested.text(report, screen))
    if report.ended_by is not None:
        return signals.exit_code(report.ended_by)
    return report.code


def _import(path: str, session: Session) -> int:
    """``--import``: the table on standard output, and what is not in it on standard error."""
    from provenv.formats.matrices import render
    from provenv.workspace.testing.importing import import_matrix

    found = import_matrix(os.path.abspath(path))
    table = render(found)
    session.answer(
        "test-import",
        lambda: {"file": os.path.abspath(path), "matrix": table, "left": list(found.left)},
        lambda screen: screen.line(table),
    )
    for sentence in found.left:
        session.talk.line(
            f"{session.talk.paint('warning', 'not taken over:')} {printable(sentence)}"
        )
    return 0


@contextlib.contextmanager
def _watching(session: Session, cells: Sequence[Cell]) -> Iterator[Cells]:
    told = Cells(
        cells,
        session.alarm,
        quiet=session.options.quiet or session.options.json,
        verbose=session.options.verbose,
        settle=session.progress.close,
    )
    try:
        yield told
    finally:
        told.close()


def _try(
    args: argparse.Namespace, session: Session, cells: Sequence[Cell], request: MatrixRequest
) -> int:
    """``--ahead`` and ``--bounds``."""
    from provenv.cli import trying

    project, context = session.project, session.context

    def watch(some: Sequence[Cell]) -> contextlib.AbstractContextManager[Cells]:
        return _watching(session, some)

    if args.bounds:
        from provenv.workspace.testing.bounds import find_bounds

        found = find_bounds(cells, project, context, request, watch)
        session.verdict(
            "test-bounds",
            lambda: trying.bounds_data(found),
            lambda screen: trying.bounds_text(found, screen),
        )
        return found.code
    from provenv.workspace.testing.ahead import look_ahead

    report = look_ahead(cells, project, context, request, watch)
    session.verdict(
        "test-ahead",
        lambda: trying.ahead_data(report),
        lambda screen: trying.ahead_text(report, screen),
    )
    return report.code


def _request(args: argparse.Namespace, session: Session) -> MatrixRequest:
    from provenv.workspace.testing.matrix import MatrixRequest

    if (args.ahead or args.bounds) and (
        args.junit or args.html or args.last_failed or args.fail_fast or args.on
    ):
        raise UsageError(
            "--ahead and --bounds try what they need to, here: no --junit, --html, --last-failed, "
            "--fail-fast, --on"
        )
    if args.jobs is not None and args.jobs < 1:
        raise UsageError(f"--jobs {args.jobs}: there must be one at least")
    _check_elsewhere(args)
    for option, path in (("--junit", args.junit), ("--html", args.html)):
        if path is not None and not os.path.isdir(os.path.dirname(path) or "."):
            raise UsageError(f"{option} {path}: there is no such folder")
    return MatrixRequest(
        command=session.words,
        python=tuple(dict.fromkeys(filter(None, map(session.request, args.python)))),
        resolution=tuple(dict.fromkeys(args.resolution)),
        only=tuple(args.only),
        environment=session.options.environment,
        timeout=args.timeout,
        jobs=args.jobs,
        fail_fast=args.fail_fast,
        last_failed=args.last_failed,
        fresh=args.fresh,
        skip_missing=args.skip_missing,
        many=args.yes or args.list,
        locked_only=args.locked,
    )


def _check_elsewhere(args: argparse.Namespace) -> None:
    """Refuse options that mean nothing with ``--on``, or nothing without."""
    if args.on is None:
        for option, value in (("--attempts", args.attempts), ("--wheels", args.wheels)):
            if value is not None:
                raise UsageError(f"{option} is for --on: it says nothing about this machine")
        return
    if args.jobs is not None:
        raise UsageError(
            "--jobs and --on exclude each other: other machines run as many cells as their workers "
            "have threads",
            hint="`dask worker --nthreads N` says how many these are.",
        )
    if args.attempts is not None and args.attempts < 1:
        raise UsageError(f"--attempts {args.attempts}: there must be one at least")


def _elsewhere(
    args: argparse.Namespace, session: Session, cells: Sequence[Cell]
) -> Elsewhere | None:
    if args.on is None:
        return None
    from provenv.cli.serving import cluster

    return cluster(
        args.on,
        session.project,
        session.context,
        cells,
        attempts=args.attempts or 3,
        wheels=args.wheels,
    )


def _write(args: argparse.Namespace, report: MatrixReport) -> None:
    from provenv.core.files import write_atomic
    from provenv.workspace.testing import page, reporting

    if args.junit is not None:
        write_atomic(args.junit, reporting.as_junit(report).encode())
    if args.html is not None:
        write_atomic(args.html, page.as_page(report).encode())
