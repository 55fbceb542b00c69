"""What ``audit --fix`` shows: the findings, what would move, and what stays and why."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from provenv.cli.changes import changes_data, draw_changes
from provenv.cli.commands import audit
from provenv.cli.draw import Screen, many

if TYPE_CHECKING:
    from provenv.workspace.assuring.bounds import Bound
    from provenv.workspace.assuring.mending import FixProposal, Left


def text(proposal: FixProposal, screen: Screen) -> None:
    """The audit as it is, then the proposal."""
    audit.text(proposal.before, screen)
    if proposal.changing:
        screen.line()
        cleared = many(len(proposal.cleared), "vulnerability", "vulnerabilities")
        screen.line(f"{screen.paint('strong', 'fix:')} clears {cleared}")
        draw_changes(proposal.changes, screen)
        for one in proposal.edits:
            screen.line(f"  {screen.paint('warn', '~')} {bound_line(one)}")
    if proposal.left:
        screen.line()
        screen.line(screen.paint("strong", "stays:"))
        for left in proposal.left:
            draw_left(left, screen)


def draw_left(left: Left, screen: Screen) -> None:
    """A package that stays, with the bounds that hold it."""
    screen.block(f"{left.name} {left.version}: {left.reason}", "  ")
    for one in left.bounds:
        screen.line(f"    {bound_line(one)}")
    if left.bounds and all(one.enough for one in left.bounds):
        screen.line(screen.paint("dim", "    --beyond-bounds changes that, too"))


def bound_line(one: Bound) -> str:
    """A requirement and what it would have to be."""
    file = os.path.basename(one.file)
    return f"{file}: {one.place}: {one.requirement} → {one.wanted}"


def question(proposal: FixProposal) -> str:
    """What a person is asked."""
    return "Lock this, and change pyproject.toml?" if proposal.edits else "Lock this?"


def ending(proposal: FixProposal, screen: Screen) -> None:
    """What was done, in one line."""
    if not proposal.changing:
        held = any(one.bounds for one in proposal.left)
        said = "nothing within the bounds helps" if held else "nothing helps"
        screen.line(said if proposal.left else "there is nothing to mend")
    elif not proposal.written:
        screen.line("nothing was changed")
    else:
        left = len(proposal.after.findings)
        rest = f", {many(left, 'vulnerability', 'vulnerabilities')} left" if left else ""
        screen.line(f"{screen.paint('good', 'locked')}{rest}; `provenv sync` installs it")


def data(proposal: FixProposal) -> dict[str, Any]:
    """The proposal, and what was there before it."""
    return {
        "verdict": proposal.lies.verdict,
        "written": proposal.written,
        "before": audit.data(proposal.before),
        "after": audit.data(proposal.after),
        "changes": changes_data(proposal.changes),
        "edits": [bound_data(one) for one in proposal.edits],
        "cleared": [
            {
                "package": one.subject.name,
                "version": one.subject.version,
                "id": one.vulnerability.id,
            }
            for one in proposal.cleared
        ],
        "left": [left_data(one) for one in proposal.left],
    }


def left_data(one: Left) -> dict[str, Any]:
    """A package that stays."""
    return {
        "package": one.name,
        "version": one.version,
        "reason": one.reason,
        "bounds": [bound_data(bound) for bound in one.bounds],
    }


def bound_data(one: Bound) -> dict[str, Any]:
    """A requirement, and what it would have to be."""
    return {
        "file": one.file,
        "place": one.place,
        "requirement": one.requirement,
        "wanted": one.wanted,
        "enough": one.enough,
    }
