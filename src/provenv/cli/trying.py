"""What `test --bounds` and `test --ahead` tell, as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.specifiers import SpecifierSet

from provenv.cli.draw import Screen, many, printable, seconds
from provenv.workspace.testing.reporting import said

if TYPE_CHECKING:
    from provenv.workspace.testing.ahead import AheadReport, Tried
    from provenv.workspace.testing.bounds import Bound, BoundsReport

VERDICTS = {0: "pass", 1: "fail", 3: "inconclusive"}
_JUDGED = {
    "right": ("good", "right"),
    "too-low": ("bad", "too low"),
    "could-be-lower": ("warn", "could be lower"),
    "missing": ("warn", "no lower bound"),
    "unknown": ("warn", "unknown"),
}


def bounds_text(report: BoundsReport, screen: Screen) -> None:
    rows = []
    for one in report.bounds:
        style, word = _JUDGED[one.judgement]
        rows.append(
            (
                screen.paint("strong", one.name),
                one.declared or "-",
                one.oldest or "-",
                screen.paint(style, word),
                printable(_below(one)),
            )
        )
    head = ("dependency", "declared", "passes from", "bound", "with the one before it")
    screen.table(rows, head=head)
    refused = [f"{one.name} {version}" for one in report.bounds for version in one.refused]
    if refused:
        screen.line()
        screen.line(f"not tried, as a policy refuses them: {', '.join(refused)}")
    offered = [text for one in report.bounds for text in one.offered]
    if offered:
        screen.line()
        screen.line("as they could be:")
        for text in offered:
            screen.line(f"  {text}")
    for result in report.together:
        if result.state != "passed":
            where = f" with Python {result.cell.python}" if result.cell.python else ""
            screen.line()
            screen.line(
                f"{screen.paint('warning', 'note:')} all of these oldest versions at once{where}: "
                f"{result.state}: {printable(said(result))}"
            )
    screen.line()
    runs = f"{many(report.runs, 'run')} in {seconds(report.seconds)}"
    verdict = VERDICTS[report.code]
    style = {"pass": "good", "fail": "bad", "inconclusive": "warn"}[verdict]
    count = many(len(report.bounds), "lower bound")
    low = sum(one.judgement == "too-low" for one in report.bounds)
    unknown = sum(one.judgement == "unknown" for one in report.bounds)
    told = f"{low} of {count} too low" if low else "no bound is too low"
    if unknown:
        told = f"{told}, {unknown} not known" if low else f"{unknown} of {count} not known"
    pythons = ", ".join(filter(None, report.pythons))
    with_ = f" with Python {pythons}" if pythons else ""
    screen.line(f"{screen.paint(style, verdict)}: {told}{with_} {screen.paint('dim', f'({runs})')}")


def _below(one: Bound) -> str:
    if one.below is None or one.judgement == "unknown":
        return one.why or "there is none"
    return f"{one.below}: {one.why}" if one.why else one.below


def bounds_data(report: BoundsReport) -> dict[str, Any]:
    return {
        "project": report.project,
        "verdict": VERDICTS[report.code],
        "pythons": list(filter(None, report.pythons)),
        "bounds": [
            {
                "name": one.name,
                "declared": one.declared or None,
                "locked": one.locked,
                "lowest": one.lowest,
                "oldest": one.oldest,
                "below": one.below,
                "why": one.why,
                "judgement": one.judgement,
                "offered": list(one.offered),
                "tried": one.tried,
                "refused": list(one.refused),
            }
            for one in report.bounds
        ],
        "together": [
            {
                "python": result.cell.python or None,
                "state": result.state,
                "reason": said(result) or None,
                "log": result.log,
            }
            for result in report.together
        ],
        "runs": report.runs,
        "seconds": round(report.seconds, 3),
    }


def ahead_text(report: AheadReport, screen: Screen) -> None:
    rows = [_row(one, screen) for one in report.tried]
    if rows:
        screen.table(rows, head=("tried", "instead of", "declared", "tests", ""))
        screen.line()
    lifted = [
        f"{one.step.name} {one.step.bound}"
        for one in report.tried
        if one.step.kind == "beyond" and one.passed
    ]
    if lifted:
        screen.line(f"upper bounds that could be lifted: {', '.join(lifted)}")
    for one in report.tried:
        if one.step.kind == "python" and one.passed and _is_excluded(one):
            screen.line(
                f"Python {one.step.name} could be allowed by requires-python ({one.step.bound}): "
                "the tests pass with it"
            )
    breaking = [one for one in report.tried if one.step.kind != "highest" and _fails(one)]
    for one in breaking:
        before = f" from {one.step.before}" if one.step.before else ""
        screen.line(f"{screen.paint('bad', 'breaks the tests:')} {one.step.label}{before}")
    highest = next((one for one in report.tried if one.step.kind == "highest"), None)
    alone = any(one.step.kind == "upgrade" and _fails(one) for one in report.tried)
    if highest is not None and _fails(highest) and not alone:
        screen.line(
            "none of the allowed upgrades breaks the tests alone; `provenv bisect` finds which do"
        )
    for name, why in report.unknown:
        screen.line(f"{screen.paint('warning', 'unknown:')} {name}: {why}")
    verdict = VERDICTS[report.code]
    style = {"pass": "good", "fail": "bad", "inconclusive": "warn"}[verdict]
    count = many(len(report.tried), "step") if report.tried else "nothing is newer"
    took = screen.paint("dim", f"in {seconds(report.seconds)}")
    screen.line(f"{screen.paint(style, verdict)}: {count} tried {took}" if report.tried
                else f"{screen.paint(style, verdict)}: {count} {took}")  # fmt: skip


def _is_excluded(one: Tried) -> bool:
    return not SpecifierSet(one.step.bound).contains(one.step.after, prereleases=True)


def _fails(one: Tried) -> bool:
    return one.worst is not None and one.worst.state in ("failed", "timeout")


def _row(one: Tried, screen: Screen) -> tuple[str, str, str, str, str]:
    step, worst = one.step, one.worst
    what = screen.paint("strong", step.label)
    if step.kind == "pre-release":
        what += " (pre-release)"
    if worst is None:
        return (what, step.before or "-", step.bound or "-", screen.paint("good", "pass"), "")
    word = {"failed": "fail", "timeout": "fail"}.get(worst.state, "unknown")
    style = "bad" if word == "fail" else "warn"
    where = f"Python {worst.cell.python}: " if len(one.results) > 1 else ""
    return (
        what,
        step.before or "-",
        step.bound or "-",
        screen.paint(style, word),
        printable(f"{where}{said(worst)}"),
    )


def ahead_data(report: AheadReport) -> dict[str, Any]:
    return {
        "project": report.project,
        "verdict": VERDICTS[report.code],
        "pythons": list(filter(None, report.pythons)),
        "tried": [
            {
                "kind": one.step.kind,
                "name": one.step.name or None,
                "before": one.step.before or None,
                "after": one.step.after or None,
                "bound": one.step.bound or None,
                "passed": one.passed,
                "results": [
                    {
                        "python": result.cell.python or None,
                        "state": result.state,
                        "reason": said(result) or None,
                        "log": result.log,
                    }
                    for result in one.results
                ],
            }
            for one in report.tried
        ],
        "unknown": [{"name": name, "reason": why} for name, why in report.unknown],
        "seconds": round(report.seconds, 3),
    }
