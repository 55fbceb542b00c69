"""``provenv upgrade``."""

from __future__ import annotations

import argparse
import os
import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from provenv.cli import mending
from provenv.cli.changes import changes_data
from provenv.cli.draw import Screen, ago, many, seconds
from provenv.cli.options import time_limit
from provenv.cli.session import Session
from provenv.core.errors import UsageError

if TYPE_CHECKING:
    from provenv.workspace.assuring.stepping import Move, Rejected, StepResult, Upgrade

DESCRIPTION = """\
Move the lock on in named steps: security first, then patch, minor and major releases. Each step is
resolved, audited, held against the policy, and with --test tested in an environment of its own; what
fails is left out, alone, with the reason. Ends in one lock. Exit code 1 where something was left out, or
stays vulnerable."""
EXAMPLES = (
    ("provenv upgrade --dry-run", "what would move, and why the rest stays"),
    ("provenv upgrade --only security", "what is known to be vulnerable, as little as possible"),
    ("provenv upgrade --test 'pytest -q' --report upgrade.md", "for a pull request"),
)
ENVIRONMENT = True
_STEPS = ("security", "patch", "minor", "major")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only", action="append", choices=_STEPS, help="this step; several times: these"
    )
    parser.add_argument("--test", metavar="COMMAND",
                        help="must end with 0 after each step; no shell runs it")  # fmt: skip
    parser.add_argument("--timeout", type=time_limit, metavar="TIME",
                        help="of the test: 90s, 10m")  # fmt: skip
    parser.add_argument("--beyond-bounds", action="store_true",
                        help="lift bounds in pyproject.toml that hold a version back")  # fmt: skip
    parser.add_argument("--report", metavar="FILE", help="write a report there, in Markdown")
    parser.add_argument("--dry-run", action="store_true", help="write no lock")


def run(args: argparse.Namespace, session: Session) -> int:
    from provenv.workspace.assuring.stepping import STEPS, accept_upgrade, plan_upgrade

    test = _words(args.test)
    chosen = session.options.environments
    if len(chosen) > 1 or (chosen and not test):
        raise UsageError("-e names the one environment that --test is run in")
    if args.timeout is not None and not test:
        raise UsageError("--timeout is for how long --test may run")
    if args.report is not None and not os.path.isdir(os.path.dirname(os.path.abspath(args.report))):
        raise UsageError(f"there is no folder for --report {args.report}")
    upgrade = plan_upgrade(
        session.project,
        session.context,
        steps=[step for step in STEPS if not args.only or step in args.only],
        beyond=args.beyond_bounds,
        test=test,
        environment=chosen[0] if chosen else None,
        timeout=args.timeout,
    )
    if upgrade.changing and not args.dry_run:
        upgrade = accept_upgrade(upgrade, session.context)
    report = _write_report(upgrade, args.report)
    session.answer(
        "upgrade", lambda: data(upgrade, report), lambda screen: text(upgrade, screen, report)
    )
    return upgrade.code


def _words(text: str | None) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text or ""))
    except ValueError as error:
        raise UsageError(f"--test {text!r}: {error}") from error
    if text is not None and not words:
        raise UsageError("--test names no command")
    return words


def _write_report(upgrade: Upgrade, path: str | None) -> str | None:
    if path is None:
        return None
    from provenv.core.files import write_atomic
    from provenv.workspace.assuring.pull_request import as_markdown

    path = os.path.abspath(path)
    write_atomic(path, as_markdown(upgrade, datetime.now(UTC)).encode())
    return path


def text(upgrade: Upgrade, screen: Screen, report: str | None) -> None:
    for step in upgrade.steps:
        _draw_step(step, screen)
    for one in upgrade.edits:
        screen.line(f"{screen.paint('warn', '~')} {mending.bound_line(one)}")
    if upgrade.left:
        screen.line(screen.paint("bad", "still vulnerable"))
        for left in upgrade.left:
            mending.draw_left(left, screen)
    if upgrade.stayed:
        screen.line(screen.paint("strong", "stays"))
        screen.table(
            [
                (one.name, one.locked, one.newest or "unknown", screen.paint("dim", one.reason))
                for one in upgrade.stayed
            ],
            indent="  ",
        )
    for doubt in upgrade.after.doubts:
        screen.line(f"{screen.paint('warning', 'doubtful:')} {doubt}")
    if report is not None:
        screen.line(f"report: {report}")
    screen.line(_summary(upgrade, screen))


def _draw_step(step: StepResult, screen: Screen) -> None:
    took = seconds(step.seconds)
    trials = f", tested {many(step.trials, 'time')}" if step.trials else ""
    said = "" if step.moves or step.rejected else ": nothing to do"
    screen.line(
        f"{screen.paint('strong', step.step)}{said} {screen.paint('dim', f'({took}{trials})')}"
    )
    screen.table([_row(one, screen) for one in step.moves], indent="  ")
    for one in step.rejected:
        _draw_rejected(one, screen)


def _row(one: Move, screen: Screen) -> tuple[str, ...]:
    why = f"{one.why}: {', '.join(one.cleared)}" if one.cleared else one.why
    age = "" if one.uploaded is None else f"published {ago(one.uploaded, datetime.now(UTC))}"
    arrow = f"{screen.paint('dim', (one.before or '-') + ' →')} {one.after or '-'}"
    return (one.name, arrow, age, screen.paint("dim", why))


def _draw_rejected(one: Rejected, screen: Screen) -> None:
    screen.line(f"  {screen.paint('bad', 'left out')}  {one.name} {one.before} → {one.after}")
    screen.block(one.reason, "    ")
    if one.log is not None:
        screen.line(screen.paint("dim", f"    {one.log}"))


def _summary(upgrade: Upgrade, screen: Screen) -> str:
    styles = {"pass": "good", "fail": "bad", "inconclusive": "warn"}
    verdict = upgrade.after.verdict
    audit = f"audit: {screen.paint(styles[verdict], verdict)}"
    if not upgrade.changing:
        return f"nothing moves; {audit}"
    count = many(len(upgrade.changes), "package")
    if not upgrade.written:
        return f"{count} would move; {audit}; nothing was changed"
    return f"{screen.paint('good', 'locked')}: {count} moved; {audit}; `provenv sync` installs it"


def data(upgrade: Upgrade, report: str | None) -> dict[str, Any]:
    trial = upgrade.trial
    return {
        "verdict": upgrade.after.verdict,
        "written": upgrade.written,
        "changes": changes_data(upgrade.changes),
        "steps": [_step_data(step) for step in upgrade.steps],
        "edits": [mending.bound_data(one) for one in upgrade.edits],
        "left": [mending.left_data(one) for one in upgrade.left],
        "stayed": [
            {"package": one.name, "locked": one.locked, "newest": one.newest, "reason": one.reason}
            for one in upgrade.stayed
        ],
        "vulnerabilities": {
            "before": len(upgrade.before.findings),
            "after": len(upgrade.after.findings),
        },
        "advisories": upgrade.after.facts.digest,
        "test": None if trial is None else list(trial.words),
        "environment": None if trial is None else trial.environment,
        "report": report,
        "seconds": upgrade.seconds,
    }


def _step_data(step: StepResult) -> dict[str, Any]:
    return {
        "step": step.step,
        "moves": [
            {
                "package": one.name,
                "before": one.before,
                "after": one.after,
                "why": one.why,
                "cleared": list(one.cleared),
                "uploaded": one.uploaded,
                "changelog": one.changelog,
            }
            for one in step.moves
        ],
        "rejected": [
            {
                "package": one.name,
                "before": one.before,
                "after": one.after,
                "reason": one.reason,
                "log": one.log,
            }
            for one in step.rejected
        ],
        "trials": step.trials,
        "seconds": step.seconds,
    }
