"""``provenv policy explain``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from provenv.cli.commands.policy_check import decision_data, row
from provenv.cli.draw import Screen, ago, many, printable
from provenv.cli.session import Session
from provenv.core.errors import UsageError

if TYPE_CHECKING:
    from provenv.audit.excluding import Exclusion
    from provenv.audit.verdict import Decision, Item
    from provenv.model.policy import Rule
    from provenv.workspace.governing.policies import Known

DESCRIPTION = """\
What the rules say of one package in the lock, which of its versions they did not let in when it was
locked, and what its index said of it; or where a rule comes from and what it is about."""
EXAMPLES = (
    ("provenv policy explain jinja2", "every rule that has something to say of it"),
    ("provenv policy explain vulns", "a rule, by its id"),
)
ENVIRONMENT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of a package in the lock, or of a rule")


def run(args: argparse.Namespace, session: Session) -> int:
    from packaging.utils import canonicalize_name

    from provenv.workspace.governing.policies import check, excluded, known_of, rule_named

    checked = check(session.project, session.context, session.options.environments)
    rule = rule_named(checked.policies, args.name)
    name = canonicalize_name(args.name)
    known = any(item.name == name for item in checked.question.items)
    out = [
        told
        for one in excluded(session.project)
        for told in one.told
        if (told.rule == rule.id if rule is not None else told.package == name)
    ]
    if rule is None and not known and not out:
        raise UsageError(
            f"{args.name!r} is neither a package in the lock nor a rule",
            hint=f"Rules: {', '.join(one.id for one in checked.policies.rules) or 'none'}.",
        )
    found = [
        one
        for one in checked.verdict.decisions
        if (one.rule.id == rule.id if rule is not None else one.package == name)
    ]
    kept = [] if rule is not None or not known else [
        one
        for one in checked.policies.rules
        if one.kind not in ("python-eol", "sbom-required")
        and one.id not in {decision.rule.id for decision in found}
        and any(map(one.concerns, checked.question.environments))
    ]  # fmt: skip
    licensed = [] if rule is not None else [
        item for item in checked.question.items if item.name == name and item.licence is not None
    ]  # fmt: skip
    facts = known_of(session.project, session.context, name) if known else ()

    def show(screen: Screen) -> None:
        text(args.name, rule, found, kept, out, facts, screen)
        text_licences(licensed, screen)

    session.answer(
        "policy-explain",
        lambda: {**data(args.name, rule, found, kept, out, facts), "licences": licences(licensed)},
        show,
    )
    return 0


def text(
    name: str,
    rule: Rule | None,
    found: list[Decision],
    kept: list[Rule],
    out: list[Exclusion],
    facts: Sequence[Known],
    screen: Screen,
) -> None:
    if rule is not None:
        where = ", ".join(rule.environments) or "every environment"
        screen.line(
            f"{screen.paint('strong', rule.id)}: {rule.kind}, {rule.action} ({rule.mode}), in {where}"
        )
        screen.line(screen.paint("dim", f"  from {rule.origin}"))
        if rule.description:
            screen.block(rule.description, "  ")
    if found:
        screen.table([row(one, screen) for one in found])
    for one in kept:
        screen.line(f"{screen.paint('good', 'kept')}  {one.id}  {screen.paint('dim', one.kind)}")
    for told in out:
        screen.line(f"{screen.paint('warn', 'not locked')}  {told}")
    if not found and not kept and not out:
        screen.line(f"nothing speaks against {name}" if rule is None else "nothing breaks it")
    now = datetime.now(UTC)
    for known in facts:
        screen.block(f"{name} {known.version}: {'; '.join(_words(known, now))}", "", style="dim")


def text_licences(items: Sequence[Item], screen: Screen) -> None:
    """What packages say that they are under."""
    for item in items:
        if item.licence is not None:
            said = item.licence
            told = f"{said.expression} ({said.source})" if said.expression else said.reason
            screen.block(f"{item.name} {item.version}: licence {printable(told)}", "", style="dim")


def licences(items: Sequence[Item]) -> list[dict[str, Any]]:
    """The same as data."""
    return [
        {
            "version": item.version or None,
            "expression": item.licence.expression,
            "source": item.licence.source or None,
            "certain": not item.licence.several,
            "reason": item.licence.reason or None,
        }
        for item in items
        if item.licence is not None
    ]


def _words(known: Known, now: datetime) -> Iterator[str]:
    """What the index said, and when."""
    told = facts_data(known, now)
    if told["why"] is not None:
        yield told["why"]
    if told["uploaded"] is not None:
        yield f"uploaded {told['uploaded'][:16].replace('T', ' ')} UTC"
    if told["asked"] is None:
        yield "its index was never asked"
        return
    if told["status"] is not None:
        yield " ".join(filter(None, ("status", told["status"], printable(told["reason"] or ""))))
    if not told["listed"]:
        yield "not listed any more"
    if told["yanked"] is not None:
        yield f"yanked: {printable(told['yanked']) or 'without a reason'}"
    if told["newest"] is not None:
        yield f"newest {told['newest']}"
    if told["attested"] is not None:
        yield f"attested: {told['attested']} of {many(told['files'], 'file')}"
    if told["publishers"]:
        yield f"by {printable(', '.join(told['publishers']))}"
    yield f"{told['index']} asked {ago(told['asked'], now)}"


def facts_data(known: Known, now: datetime) -> dict[str, Any]:
    """What is known of one version as a release."""
    from provenv.audit.release_rules import newest_of

    standing, version = known.standing, known.version
    facts = standing.facts
    times = standing.uploaded(version).values()
    dated = max((time for time in times if time is not None), default=None)
    spoken = facts is not None and facts.state != "silent"
    files = [facts.file(version, name) for name in standing.files] if facts is not None else []
    return {
        "version": version or None,
        "why": standing.why,
        "index": facts.index if facts is not None else None,
        "asked": facts.fetched.isoformat(timespec="seconds") if facts is not None else None,
        "age_seconds": int((now - facts.fetched).total_seconds()) if facts is not None else None,
        "uploaded": dated.isoformat(timespec="seconds") if dated is not None else None,
        "listed": facts.lists(version) if facts is not None and spoken else None,
        "yanked": facts.why_yanked(version) if facts is not None else None,
        "status": facts.status if facts is not None else None,
        "reason": facts.reason or None if facts is not None else None,
        "newest": newest_of(facts) if facts is not None else None,
        "files": len(standing.files),
        "attested": sum(one is not None and one.provenance is not None for one in files)
        if facts is not None and facts.attests
        else None,
        "publishers": sorted(
            {who for one in files if one is not None for who in one.publishers or ()}
        ),
    }


def data(
    name: str,
    rule: Rule | None,
    found: list[Decision],
    kept: list[Rule],
    out: list[Exclusion],
    facts: Sequence[Known],
) -> dict[str, Any]:
    return {
        "name": name,
        "rule": None
        if rule is None
        else {
            "id": rule.id,
            "kind": rule.kind,
            "origin": rule.origin,
            "description": rule.description,
            "action": rule.action,
            "mode": rule.mode,
            "environments": list(rule.environments),
        },
        "decisions": [decision_data(one) for one in found],
        "kept": [one.id for one in kept],
        "excluded": [
            {"name": one.package, "version": one.version, "rule": one.rule, "why": one.why}
            for one in out
        ],
        "facts": [facts_data(one, datetime.now(UTC)) for one in facts],
    }
