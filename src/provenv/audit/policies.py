"""Several policies as one: the organisation's first, then the project's, which may only tighten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from provenv.core import digest
from provenv.core.errors import InputError
from provenv.core.values import frozen
from provenv.model.policy import Doubt, Lapse, Policy, Rule, Waiver

_STRICT: tuple[Lapse, ...] = ("ignore", "warn", "fail")
MAX_AGE = timedelta(days=7)


@frozen
class Policies:
    """What holds for a project.

    Attributes:
        files: Where it comes from, the organisation's first.
        digest: Over all that it says; what a verdict names.
    """

    files: tuple[str, ...]
    digest: str
    max_age: timedelta
    on_unaudited: Lapse
    rules: tuple[Rule, ...]
    waivers: tuple[Waiver, ...]
    on_inconclusive: Doubt = "fail"


def combine(policies: Sequence[tuple[Policy, str]]) -> Policies:
    """Join policies, each with its text, the organisation's first.

    Raises:
        InputError: A later one loosens an earlier one, two rules contradict each other, or a waiver is
            for a rule that is not there or is not the file's own to waive.
    """
    rules: list[Rule] = []
    max_age: timedelta | None = None
    lapse: Lapse | None = None
    doubt: Doubt | None = None
    for number, (policy, _) in enumerate(policies):
        _check_looser(policy, rules, max_age, lapse)
        if number and policy.on_inconclusive == "warn" and doubt != "warn":
            reason = "the policy above it lets nothing inconclusive pass"
            raise _loosens(policy, "data.on-inconclusive", reason)
        doubt = policy.on_inconclusive or doubt
        rules += policy.rules
        max_age = policy.max_age if policy.max_age is not None else max_age
        lapse = policy.on_unaudited if policy.on_unaudited is not None else lapse
    _check_contradictions(rules)
    return Policies(
        files=tuple(policy.file for policy, _ in policies),
        digest=digest.of_json([text for _, text in policies]),
        max_age=MAX_AGE if max_age is None else max_age,
        on_unaudited=lapse or "fail",
        rules=tuple(rules),
        waivers=tuple(waiver for policy, _ in policies for waiver in policy.waivers),
        on_inconclusive=doubt or "fail",
    )


def _check_looser(
    policy: Policy, above: Sequence[Rule], max_age: timedelta | None, lapse: Lapse | None
) -> None:
    if max_age is not None and policy.max_age is not None and policy.max_age > max_age:
        raise _loosens(policy, "data.max-age", f"the policy above it allows {_said(max_age)}")
    if (
        lapse is not None
        and policy.on_unaudited is not None
        and _STRICT.index(policy.on_unaudited) < _STRICT.index(lapse)
    ):
        raise _loosens(policy, "data.on-unaudited", f"the policy above it says {lapse!r}")
    known = {rule.id: rule for rule in above}
    for rule in policy.rules:
        if rule.id in known:
            raise _loosens(policy, "rule", f"{rule.id!r} is a rule of {known[rule.id].origin}")
    own = {rule.id for rule in policy.rules}
    for waiver in policy.waivers:
        if waiver.rule in own:
            continue
        if waiver.rule in known:
            reason = f"{waiver.rule!r} is a rule of {known[waiver.rule].origin}: it is waived there"
            raise _loosens(policy, "waiver", reason)
        raise InputError(
            f"a waiver of {waiver.package} is for the rule {waiver.rule!r}, and there is none",
            file=policy.file,
            key="waiver",
        )


def _loosens(policy: Policy, key: str, reason: str) -> InputError:
    return InputError(
        f"loosens what holds already: {reason}",
        file=policy.file,
        key=key,
        hint="A project's policy can be stricter than its organisation's, and never looser.",
    )


def _said(length: timedelta) -> str:
    return f"{length // timedelta(hours=1)}h"


def _check_contradictions(rules: Sequence[Rule]) -> None:
    """Refuse two rules of which one wants what the other forbids altogether."""
    _check_licences([rule for rule in rules if rule.kind == "licence" and rule.binding])
    lists = [rule for rule in rules if rule.kind == "package" and rule.binding]
    for one in lists:
        for other in lists:
            if not _meet(one, other):
                continue
            for name in one.allow:
                if name in other.deny and not other.deny[name]:
                    raise InputError(
                        f"the rules {one.id!r} ({one.origin}) and {other.id!r} ({other.origin}) contradict "
                        f"each other: {name} is allowed by one and denied by the other in every version",
                        file=other.origin,
                    )


def _check_licences(rules: Sequence[Rule]) -> None:
    for one in rules:
        for other in rules:
            both = sorted(set(one.licences).intersection(other.forbidden))
            if both and _meet(one, other):
                which = (
                    f"the rule {one.id!r} contradicts itself"
                    if one is other
                    else f"the rules {one.id!r} ({one.origin}) and {other.id!r} ({other.origin}) "
                    "contradict each other"
                )
                raise InputError(f"{which}: {both[0]} is allowed and denied", file=other.origin)


def _meet(one: Rule, other: Rule) -> bool:
    """Whether both are about some same environment."""
    if not one.environments or not other.environments:
        return True
    return not set(one.environments).isdisjoint(other.environments)
