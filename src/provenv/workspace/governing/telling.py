"""What is told of locking under rules: what was excluded, what is still broken, why nothing is left."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from provenv.audit import excluding
from provenv.audit.excluding import Excluded, Exclusion
from provenv.audit.matching import parsed
from provenv.audit.verdict import Decision
from provenv.core.errors import UnsatisfiableError
from provenv.core.events import Noted, Warned
from provenv.model.lock import tool_table
from provenv.model.policy import Kind
from provenv.workspace.governing.judging import Judged, Locks
from provenv.workspace.projects.context import Context

if TYPE_CHECKING:
    from packaging.version import Version

_NOT_MENDED: dict[Kind, str] = {
    "origin": "No version is excluded for where it comes from.",
    "project-status": "That holds for every version.",
    "python-eol": "Another Python mends that.",
}


def told(standing: Mapping[str, Excluded], previous: Locks, judged: Judged) -> list[Exclusion]:
    """What a person has not been told when the lock before this was made."""
    table = tool_table(previous[None]) if None in previous else {}
    before = {told for one in excluding.from_rows(table) for told in one.told}
    there = {name for name, _ in judged.subjects}
    return [
        told
        for one in standing.values()
        for told in one.told
        if told not in before and (told.version or told.package in there)
    ]


def tell(context: Context, judged: Judged, told: Iterable[Exclusion]) -> None:
    """Say what was excluded, and the verdict where it is not a pass."""
    for one in told:
        said = f"excluded: {one}" if one.version else f"by the rule {one.rule!r}: {one.why}"
        context.emit(Noted(message=said))
    verdict = judged.verdict
    if verdict.outcome == "pass":
        return
    counting = [one for one in verdict.decisions if one.counts]
    if counting:
        first = counting[0]
        said = f"{first.rule.id}: {first.subject}: {first.text}"
        why = _why_not_mended(first, judged)
    else:
        said, why = verdict.doubts[0], ""
    context.emit(
        Warned(
            message=f"the policy's verdict on this lock is {verdict.outcome}: {said}",
            hint=f"{why} `provenv policy check` says all of it.".lstrip(),
        )
    )


def _why_not_mended(one: Decision, judged: Judged) -> str:
    """Why no version was looked for that keeps a rule; empty where none is meant."""
    if one.state == "unknown":
        return "What cannot be told excludes no version." if one.package else ""
    if one.package and judged.subjects[one.package, one.version].direct:
        return "What comes from a path, an address or a repository has no other version."
    return _NOT_MENDED.get(one.rule.kind, "")


def tell_older(context: Context, told: Iterable[Exclusion], made: Locks, previous: Locks) -> None:
    """Warn where what complies is older than what was refused: advisories may not speak of it any more."""
    now, before = _versions(made), _versions(previous)
    for one in told:
        there, refused = now.get(one.package), parsed(one.version)
        if not there or refused is None or there == before.get(one.package):
            continue
        if max(there) < refused:
            context.emit(
                Warned(
                    message=f"{one.package} {max(there)} complies, and is older than {one.version}, which "
                    f"is excluded by {one.rule}",
                    hint=f"Nothing newer is possible: `provenv why {one.package}` says who asks for it. "
                    "Advisories may not speak of versions that nobody mends any more.",
                )
            )


def _versions(locks: Locks) -> dict[str, set[Version]]:
    found: dict[str, set[Version]] = {}
    for lock in locks.values():
        for package in lock.packages:
            if package.version is not None:
                found.setdefault(package.name, set()).add(package.version)
    return found


def refuse(
    error: UnsatisfiableError, standing: Mapping[str, Excluded], previous: Locks
) -> NoReturn:
    """Raise the resolver's error with the rules' reasons, where they have a part in it.

    Raises:
        UnsatisfiableError: Always.
    """
    part = [one for one in standing.values() if _mentions(error.message, one.package)]
    if not part:
        raise error
    lines = [_attributed(error.message, part)]
    for one in part:
        lines += [f"  excluded: {told}" for told in one.told]
        left = one.constraint.removeprefix(one.package)
        lines.append(f"  left of {one.package}: {left if left != '<0' else 'nothing'}")
    locked = _versions(previous)  # of others there is nothing to explain
    first = next((one.package for one in part if one.package in locked), None)
    more = f"`provenv policy explain {first}` says more. " if first else ""
    raise UnsatisfiableError(
        "\n".join(lines),
        hint=f"{more}Ask for other versions, or have it waived.",
        details={**error.details, "excluded": excluding.as_rows(part)},
    ) from error


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text) is not None


def _attributed(text: str, part: Sequence[Excluded]) -> str:
    """The resolver takes constraints for wishes of whoever depends: each is given back to its rule."""
    for one in part:
        rules = ", ".join(map(repr, one.rules))
        noun = "rule" if len(one.rules) == 1 else "rules"
        said = f"what the {noun} {rules} leave{'s' if len(one.rules) == 1 else ''} of {one.package}"
        for spelled in excluding.spelled(one.constraint):
            text = re.sub(rf"(?<![\w.-]){spelled}(?!\.?\w|,?[<>=!~*+-])", said, text)
    return text


def refuse_override(one: Excluded) -> NoReturn:
    """Say that what is excluded was taken.

    Raises:
        UnsatisfiableError: Always.
    """
    told = one.told[0]
    raise UnsatisfiableError(
        f"the rules exclude {told}, and the resolver takes it all the same",
        hint="Look for an override of it in [tool.uv].",
        details={"excluded": excluding.as_rows([one])},
    )
