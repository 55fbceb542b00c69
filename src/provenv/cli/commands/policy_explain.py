"""``provenv policy explain``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from provenv.cli.commands.policy_check import decision_data, row
from provenv.cli.draw import Screen
from provenv.cli.session import Session
from provenv.core.errors import UsageError

if TYPE_CHECKING:
    from provenv.audit.verdict import Decision
    from provenv.model.policy import Rule

DESCRIPTION = """\
What the rules say of one package in the lock, or where a rule comes from and what it is about."""
EXAMPLES = (
    ("provenv policy explain jinja2", "every rule that has something to say of it"),
    ("provenv policy explain vulns", "a rule, by its id"),
)
ENVIRONMENT = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of a package in the lock, or of a rule")


def run(args: argparse.Namespace, session: Session) -> int:
    from packaging.utils import canonicalize_name

    from provenv.workspace.governing.policies import check, rule_named

    checked = check(session.project, session.context, session.options.environments)
    rule = rule_named(checked.policies, args.name)
    name = canonicalize_name(args.name)
    known = any(item.name == name for item in checked.question.items)
    if rule is None and not known:
        raise UsageError(
            f"{args.name!r} is neither a package in the lock nor a rule",
            hint=f"Rules: {', '.join(one.id for one in checked.policies.rules) or 'none'}.",
        )
    found = [
        one
        for one in checked.verdict.decisions
        if (rule is not None and one.rule.id == rule.id) or (known and one.package == name)
    ]
    kept = [] if rule is not None else [
        one
        for one in checked.policies.rules
        if one.kind not in ("python-eol", "sbom-required")
        and one.id not in {decision.rule.id for decision in found}
        and any(map(one.concerns, checked.question.environments))
    ]  # fmt: skip
    session.answer(
        "policy-explain",
        lambda: data(args.name, rule, found, kept),
        lambda screen: text(args.name, rule, found, kept, screen),
    )
    return 0


def text(
    name: str, rule: Rule | None, found: list[Decision], kept: list[Rule], screen: Screen
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
    if not found and not kept:
        screen.line(f"nothing speaks against {name}" if rule is None else "nothing breaks it")


def data(name: str, rule: Rule | None, found: list[Decision], kept: list[Rule]) -> dict[str, Any]:
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
    }
