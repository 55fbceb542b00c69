"""``provenv policy check``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from provenv.cli.advising import indexes_data, indexes_words
from provenv.cli.draw import Screen, many
from provenv.cli.session import Session

if TYPE_CHECKING:
    from provenv.audit.verdict import Decision
    from provenv.model.policy import Waiver
    from provenv.workspace.governing.policies import Checked

DESCRIPTION = """\
Hold the project's locks against the rules, offline. Exit code 0 where all are kept, 1 where one is broken,
3 where it cannot be decided."""
EXAMPLES = (("provenv policy check -e prod --json", "for a pipeline"),)
ENVIRONMENT = True
CODES = {"pass": 0, "fail": 1, "inconclusive": 3}
_STYLES = {"pass": "good", "fail": "bad", "inconclusive": "warn"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # it takes none of its own


def run(args: argparse.Namespace, session: Session) -> int:  # noqa: ARG001  # every action's shape
    from provenv.workspace.governing.evidence import judged
    from provenv.workspace.governing.policies import check

    checked = check(session.project, session.context, session.options.environments)
    judged(session.project, session.context, checked)
    session.verdict("policy-check", lambda: data(checked), lambda screen: text(checked, screen))
    return CODES[checked.verdict.outcome]


def text(checked: Checked, screen: Screen) -> None:
    verdict, paint = checked.verdict, screen.paint
    screen.table([row(one, screen) for one in verdict.decisions])
    for doubt in verdict.doubts:
        screen.line(f"{paint('warn', 'inconclusive')}  {doubt}")
    for waiver in verdict.expiring:
        screen.line(
            f"{paint('warn', 'expiring')}  the waiver of {waiver.title} ends on {waiver.expires}"
        )
    for title, reason in verdict.unused.items():
        screen.line(paint("dim", f"unused  the waiver of {title}: {reason}"))
    rules = many(len(checked.policies.rules), "rule")
    packages = many(len(checked.question.items), "package")
    where = ", ".join(checked.question.environments)
    said = f"{paint(_STYLES[verdict.outcome], verdict.outcome)}: {checked.title}"
    data = f"policy {verdict.policy[:12]}, advisories {(checked.advisories or 'none')[:12]}"
    if checked.spoken is not None:
        data += indexes_words(checked.spoken, checked.question.now)
    screen.line(f"{said}: {rules}, {packages}, in {where} {paint('dim', f'({data})')}")


def row(one: Decision, screen: Screen) -> tuple[str, ...]:
    """One line of the table."""
    if one.waiver is not None:
        said = screen.paint("dim", f"waived until {one.waiver.expires}")
    elif not one.counts:
        said = screen.paint("dim", one.state if one.state == "tolerated" else one.rule.action)
    else:
        said = screen.paint("bad" if one.state == "broken" else "warn", one.state)
    if one.rule.mode == "dry-run":
        said += " (dry run)"
    return (said, one.rule.id, one.subject, ",".join(one.environments), one.text)


def data(checked: Checked) -> dict[str, Any]:
    verdict = checked.verdict
    return {
        "verdict": verdict.outcome,
        "environments": list(checked.question.environments),
        "packages": len(checked.question.items),
        "policy": {"digest": verdict.policy, "files": list(checked.policies.files)},
        "advisories": checked.advisories,
        "indexes": None if checked.spoken is None else indexes_data(checked.spoken),
        "decisions": [decision_data(one) for one in verdict.decisions],
        "doubts": list(verdict.doubts),
        "expiring": [waiver_data(waiver) for waiver in verdict.expiring],
        "unused": dict(verdict.unused),
    }


def decision_data(one: Decision) -> dict[str, Any]:
    """One decision."""
    return {
        "rule": one.rule.id,
        "kind": one.rule.kind,
        "origin": one.rule.origin,
        "action": one.rule.action,
        "mode": one.rule.mode,
        "state": one.state,
        "counts": one.counts,
        "subject": one.subject,
        "environments": list(one.environments),
        "text": one.text,
        "names": list(one.names),
        "fixed": list(one.fixed),
        "waiver": None if one.waiver is None else waiver_data(one.waiver),
    }


def waiver_data(waiver: Waiver) -> dict[str, Any]:
    """One waiver."""
    return {**waiver.facts(), "until_fixed": waiver.until_fixed}
