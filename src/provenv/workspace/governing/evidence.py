"""What is recorded of a project: every lock, sync, rollback and verdict, and what became of waivers.

On where ``[tool.provenv.evidence]`` says so or a policy holds; elsewhere nothing is looked at twice. Use
cases call one function each when something has happened. A record that cannot be written is said and
stops nothing, unless the project requires it.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from provenv.core import digest, owners
from provenv.core.errors import DiskError, InputError, IntegrityError, ProvenvError, UsageError
from provenv.core.events import Warned
from provenv.core.values import frozen
from provenv.environments import generations
from provenv.evidence import log
from provenv.evidence.records import End, Entry, Kind, Record
from provenv.model.generation import Change
from provenv.model.layout import LOCK_FILE
from provenv.model.lock import tool_table
from provenv.model.policy import Waiver
from provenv.workspace import logged
from provenv.workspace.governing import advisories, policies, waiving
from provenv.workspace.governing.policies import Checked
from provenv.workspace.host import waits
from provenv.workspace.projects.context import Context, LockFile, Project, read_locks
from provenv.workspace.projects.governed import may_be_governed

TRIAL = f"trial/{LOCK_FILE}"
"""How records name the lock of a trial, which is none of the project's."""
_MOST = 200  # decisions that a verdict's record lists; all of them are counted


@frozen
class Facts:
    """What holds at the time of a record: digests of the policies and of the advisories, and the waivers.

    ``waivers`` is None where a policy cannot be used, which ``trouble`` says.
    """

    policy: str | None
    advisories: str | None
    waivers: tuple[Waiver, ...] | None = None
    trouble: str | None = None


def is_on(project: Project, context: Context) -> bool:
    """Whether what happens to a project is recorded.

    Raises:
        InputError: A policy cannot be used.
    """
    if project.locker.manifest.evidence is not None:
        return True
    return may_be_governed(project, context) and bool(policies.policies_of(project, context).files)


def folder(project: Project, context: Context) -> str:
    """Where the log of a project lies: as its manifest says, else under the home folder.

    Raises:
        InputError: A link leads elsewhere from there. UsageError: A variable names no absolute path.
    """
    locker = project.locker
    spec = locker.manifest.evidence
    root = os.path.realpath(locker.root)
    if spec is not None and spec.folder is not None:
        place = os.path.join(root, os.path.normpath(spec.folder))
        if os.path.realpath(place) != place:
            raise InputError(
                f"a link leads from {place} to {os.path.realpath(place)}",
                file=locker.manifest_path,
                key="tool.provenv.evidence.folder",
            )
        return place
    short = re.sub(r"[^A-Za-z0-9._-]+", "-", locker.title).strip("-.") or "project"
    name = f"{short[:60]}-{digest.of_bytes(os.fsencode(root))[:12]}"
    above = context.environ.get("PROVENV_EVIDENCE") or context.home.evidence
    if not os.path.isabs(above):
        raise UsageError(f"PROVENV_EVIDENCE is {above!r}, and must be an absolute path")
    return os.path.join(above, name)


def locked(
    project: Project,
    context: Context,
    made: Iterable[LockFile],
    changes: Sequence[Change],
    *,
    back: bool = False,
) -> None:
    """Record that locks were written, with what the rules of a policy excluded from them.

    ``back``: what was to follow failed, and they are again what they were.
    """
    files = tuple(made)
    excluded = [row for file in files for row in tool_table(file.lock).get("excluded", ())]
    _record(
        project,
        context,
        "lock",
        locks={os.path.basename(file.path): file.digest for file in files},
        details={"changes": _changes(changes), "excluded": excluded, "taken-back": back},
    )


def synced(
    project: Project,
    context: Context,
    environment: str,
    number: int,
    previous: int | None,
    *,
    changes: Sequence[Change] = (),
    kind: Kind = "sync",
) -> None:
    """Record that an environment has another generation; ``kind`` is ``rollback`` for an earlier one."""
    if not _on(project, context):
        return
    spec = project.manifest.environment(environment)
    place = project.folder(spec)
    locks: dict[str, str] = {}
    details: dict[str, Any] = {"previous": previous, "changes": _changes(changes)}
    tree = None
    try:
        made = generations.read_generation(place, number)
        tree = generations.tree_digest(place, number)
    except (IntegrityError, DiskError) as error:
        details["trouble"] = error.message
    else:
        locks[os.path.basename(project.lock_path(project.lock_key(spec)))] = made.lock_digest
        details |= {
            "python": made.python,
            "packages": len(made.packages),
            "manifest": made.manifest_digest,
            "source": made.source,
            "edited": list(made.edited),
        }
    subject = {"environment": environment, "generation": number, "tree": tree}
    _record(project, context, kind, locks=locks, subject=subject, details=details)


def judged(
    project: Project,
    context: Context,
    checked: Checked,
    locks: Mapping[str, str] | None = None,
) -> None:
    """Record a verdict on ``locks``, by digest; on those that the project has, where None."""
    if not _on(project, context):
        return
    verdict = checked.verdict
    states: dict[str, int] = {}
    for one in verdict.decisions:
        name = "waived" if one.waiver is not None else one.state
        states[name] = states.get(name, 0) + 1
    facts = Facts(
        policy=checked.policies.digest,
        advisories=checked.advisories,
        waivers=checked.policies.waivers,
    )
    if locks is None:
        found = _locks_or_none(project).values()
        locks = {os.path.basename(file.path): file.digest for file in found}
    details = {
        "outcome": verdict.outcome,
        "environments": list(checked.question.environments),
        "rules": [rule.id for rule in checked.policies.rules],
        "files": list(checked.policies.files),
        "packages": len(checked.question.items),
        "states": states,
        "decisions": [
            {
                "rule": one.rule.id,
                "state": "waived" if one.waiver is not None else one.state,
                "subject": one.subject,
                "names": list(one.names),
                "counts": one.counts,
            }
            for one in verdict.decisions[:_MOST]
        ],
        "doubts": list(verdict.doubts),
    }
    _append(project, context, "verdict", facts, locks=locks, details=details)


def signed(project: Project, context: Context, files: Mapping[str, str], key: str) -> None:
    """Record that locks were signed."""
    _record(project, context, "sign", locks=files, details={"key": key})


def write(
    project: Project,
    context: Context,
    kind: Kind,
    details: Mapping[str, Any],
) -> tuple[Record, ...]:
    """Record what a command about the log itself did, whether or not the log is on.

    Raises:
        DiskError, IntegrityError: As :func:`log.append`.
    """
    facts = _facts(project, context)
    place = folder(project, context)
    made = log.append(
        place,
        lambda end: [
            *_beginning(project, context, end),
            _entry(project, context, kind, facts, details=details),
        ],
        waiting=waits.told(context, "writes the evidence log"),
    )
    _give(project, place)
    return made


def entry_of(project: Project, context: Context, kind: Kind, details: Mapping[str, Any]) -> Entry:
    """What would be recorded now; to be asked for while the log is held, so that times are in order."""
    return _entry(project, context, kind, _facts(project, context), details=details)


def _on(project: Project, context: Context) -> bool:
    try:
        return is_on(project, context)
    except InputError:
        return True  # a policy is there that cannot be used: what happens is recorded all the more


def _record(
    project: Project,
    context: Context,
    kind: Kind,
    *,
    locks: Mapping[str, str],
    details: Mapping[str, Any],
    subject: Mapping[str, Any] | None = None,
) -> None:
    if not _on(project, context):
        return
    facts = _facts(project, context)
    _append(project, context, kind, facts, locks=locks, subject=subject, details=details)


def _append(
    project: Project,
    context: Context,
    kind: Kind,
    facts: Facts,
    *,
    locks: Mapping[str, str],
    details: Mapping[str, Any],
    subject: Mapping[str, Any] | None = None,
) -> None:
    """Write a record, and those of waivers before it; times are taken while the log is held."""
    place = folder(project, context)
    spec = project.locker.manifest.evidence

    def entries(end: End) -> Iterator[Entry]:
        yield from _beginning(project, context, end)
        more = dict(details)
        if facts.waivers is not None:
            now = waiving.described(facts.waivers, datetime.now(UTC).date())
            for one in waiving.moved(waiving.before(place), now):
                yield _entry(project, context, "waiver", facts, details=one)
            more[waiving.KEY] = waiving.short(now)
        yield _entry(project, context, kind, facts, locks=locks, subject=subject, details=more)

    try:
        log.append(
            place,
            lambda end: list(entries(end)),
            waiting=waits.told(context, "writes the evidence log"),
        )
        _give(project, place)
    except (DiskError, IntegrityError) as error:
        if spec is not None and spec.required:
            raise
        context.emit(
            Warned(
                message=f"{error.message}; this is not in the evidence log",
                hint=error.hint
                or "The operation was done. `required = true` in "
                "[tool.provenv.evidence] makes it fail.",
            )
        )


def _beginning(project: Project, context: Context, end: End) -> list[Entry]:
    """The first record of a log: whose it is."""
    if end.log:
        return []
    return [_entry(project, context, "begin", Facts(policy=None, advisories=None), details={})]


def _give(project: Project, place: str) -> None:
    """What root wrote into somebody else's project is theirs."""
    root = os.path.realpath(project.locker.root)
    if place.startswith(f"{root}/"):
        owners.give_folder(root, os.path.relpath(place, root), deep=True)


def _entry(
    project: Project,
    context: Context,
    kind: Kind,
    facts: Facts,
    *,
    locks: Mapping[str, str] | None = None,
    subject: Mapping[str, Any] | None = None,
    details: Mapping[str, Any],
) -> Entry:
    import json

    trouble = {} if facts.trouble is None else {"policy-trouble": facts.trouble}
    return Entry(
        kind=kind,
        time=logged.rfc3339(time.time()),
        actor=json.loads(logged.actor(context.environ)),
        command=context.cause[:4000],
        subject={"project": project.title, "root": project.root, **(subject or {})},
        policy=facts.policy,
        advisories=facts.advisories,
        locks=locks or {},
        details={**details, **trouble},
    )


def _facts(project: Project, context: Context) -> Facts:
    trouble = policy = waivers = None
    try:
        found = policies.policies_of(project, context)
        waivers = found.waivers
        policy = found.digest if found.files else None
    except InputError as error:
        trouble = error.message
    try:
        data: str | None = advisories.read_status(context).digest
    except ProvenvError:
        data = None
    return Facts(policy=policy, advisories=data, waivers=waivers, trouble=trouble)


def _locks_or_none(project: Project) -> Mapping[str | None, LockFile]:
    try:
        return read_locks(project)
    except InputError:
        return {}


def _changes(changes: Sequence[Change]) -> list[dict[str, str | None]]:
    return [{"name": one.name, "before": one.before, "after": one.after} for one in changes]
