"""A verdict before an environment is used: for exactly this lock and these policies, and not too old.

What it was made from, and until when it holds, stands in the environment's stamp: the next call compares a
few numbers (:mod:`provenv.workspace.fast`), and this module is imported where they differ. What cannot be
decided is refused, unless the policy says otherwise.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from provenv.audit.lasting import lasts_until
from provenv.audit.policies import Policies
from provenv.audit.verdict import Question, Verdict, judge
from provenv.core import digest
from provenv.core.errors import CheckFailedError, UndecidedError, UsageError
from provenv.core.events import Warned
from provenv.core.files import write_atomic
from provenv.core.values import frozen
from provenv.environments import generations, stamp
from provenv.model.generation import Generation
from provenv.model.layout import LOCK_FILE
from provenv.model.lock import parse_lock
from provenv.workspace import fast
from provenv.workspace.governing import auditing, evidence, releases, subjects
from provenv.workspace.governing import policies as governing
from provenv.workspace.governing.subjects import Subject
from provenv.workspace.governing.supplying import supplied, watched
from provenv.workspace.projects.context import Context, LockFile, Project, read_lock
from provenv.workspace.projects.governed import may_be_governed

if TYPE_CHECKING:
    from provenv.model.manifest import EnvironmentSpec

DESPITE = timedelta(hours=24)
"""For how long a generation may be used that a policy refuses, where somebody has said why."""
_FILE = ".despite"
_SHOWN = 5
_FOR_EVER = 1 << 40


@frozen
class Fresh:
    """An environment may be used.

    Attributes:
        lines: For how long, and the files of this machine that the verdict was made from: signatures.
        own: The project's policy, as it was looked at: a signature.
    """

    lines: tuple[str, ...] = ()
    own: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing that it was made from has changed meanwhile."""
        return all(map(stamp.is_unchanged, (*self.lines, *self.own)))


@frozen
class _Use:
    """What is to be used: an environment in its folder, what a lock gives it, and its Python."""

    environment: str
    folder: str
    lock_digest: str
    found: Callable[[], Sequence[Subject]]
    python: str


def require(
    project: Project,
    context: Context,
    spec: EnvironmentSpec,
    lock: LockFile,
    python: str,
    *,
    whole: bool = False,
) -> Fresh:
    """The verdict on what ``lock`` gives the environment ``spec`` with that Python, if it lets it pass.

    ``whole``: the lock is another tool's, and all of it is for that environment.

    Raises:
        CheckFailedError: A rule is broken; names it, the packages and the advisories.
        UndecidedError: It is inconclusive, and the policy does not let that pass.
        InputError: A policy cannot be used. IntegrityError: The advisories are damaged.
    """
    if not may_be_governed(project, context):
        return Fresh()

    def found() -> Sequence[Subject]:
        if whole:
            return subjects.of_packages(project, lock.lock.packages, spec.name)
        return subjects.of_pylocks(project, {project.lock_key(spec): lock.lock}, spec.name)

    use = _Use(
        environment=spec.name,
        folder=project.folder(spec),
        lock_digest=lock.digest,
        found=found,
        python=python,
    )
    return _required(project, context, use)


def require_generation(
    project: Project, context: Context, folder: str, made: Generation, despite: str | None = None
) -> Fresh:
    """The same for a generation as it was made: what its own lock says of the packages that it has.

    ``despite`` is the reason for using it for a day in spite of what the policy says.
    """
    if not may_be_governed(project, context):
        return Fresh()
    text = generations.own_text(folder, made.number, "pylock.toml")

    def found() -> Sequence[Subject]:
        lock = parse_lock(text, generations.own_file(folder, made.number, "pylock.toml"))
        there = {one.name: one.version for one in made.packages}
        exact = {p.name for p in lock.packages if str(p.version) == there.get(p.name)}
        packages = [
            p
            for p in lock.packages
            if p.name in there and (p.name not in exact or str(p.version) == there[p.name])
        ]
        return subjects.of_packages(project, packages, made.environment)

    use = _Use(
        environment=made.environment,
        folder=folder,
        lock_digest=digest.of_bytes(text.encode()),
        found=found,
        python=made.python,
    )
    try:
        return _required(project, context, use)
    except (CheckFailedError, UndecidedError) as error:
        if despite is None or not isinstance(error, REFUSALS):
            raise
        _allow(use, despite)
        return _required(project, context, use)


def renew(
    project: Project, context: Context, spec: EnvironmentSpec, *, any_start: bool = False
) -> int | None:
    """The generation that may go on being used, where nothing but the verdict on it is too old; else None.

    It is judged anew, and that is written down where it can be: on the lock, or on the generation that a
    rollback chose against it. ``any_start``: as for :func:`stamp.read`.

    Raises:
        CheckFailedError, UndecidedError: The policy does not let it.
    """
    folder = project.folder(spec)
    known = stamp.read(folder, any_start=any_start)
    if known is None or known.home != context.home.root or known.environment != spec.name:
        return None
    if not known.signatures[0].endswith(f" {project.manifest_path}"):
        return None  # copied here together with another project's stamp
    policies = {
        os.path.join(project.root, fast.POLICY),
        os.path.join(project.locker.root, fast.POLICY),
        *fast.policies_above(context.home.root, {}),
    }
    before = stamp.without_verdict(known.signatures)
    others = [line for line in before if line.split(" ", 3)[-1] not in policies]
    if not stamp.holds(folder, _with(known, others)):
        return None
    watched = [stamp.signature(path) for path in sorted(policies)]
    number = int(known.current.rpartition("/")[2])
    made = generations.read_generation(folder, number)
    lock = read_lock(project, project.lock_key(spec))
    if known.held or made.source is not None or lock is None:
        verdict = require_generation(project, context, folder, made)
    else:
        verdict = require(project, context, spec, lock, made.python)
    lines = [*others, *watched, *verdict.own, *verdict.lines]
    if not any_start:
        stamp.write(folder, _with(known, lines))
    return number


def _with(known: stamp.Stamp, lines: list[str]) -> stamp.Stamp:
    """The same stamp with other signatures."""
    return stamp.Stamp(
        known.home, known.environment, known.current, lines, held=known.held, asked=known.asked
    )


class RefusedError(CheckFailedError):
    """The policy refuses what is to be used."""


class DoubtedError(UndecidedError):
    """The policy cannot tell whether what is to be used may be."""


REFUSALS = (RefusedError, DoubtedError)


def _required(project: Project, context: Context, use: _Use) -> Fresh:
    above = fast.policies_above(context.home.root, context.environ)
    sources = tuple(stamp.signature(path) for path in above if os.path.isabs(path))
    path = os.path.join(project.locker.root, fast.POLICY)
    own = (stamp.signature(path),)
    policies = governing.policies_of(project, context)
    if not any(rule.concerns(use.environment) for rule in policies.rules):
        return Fresh(lines=(stamp.valid(0, _FOR_EVER), *sources), own=own)
    python = auditing.python_named(use.environment, use.python)
    found = use.found()
    sources += _answers(context)
    sources += tuple(map(stamp.signature, watched(project, policies, use.environment)))
    question, data = governing.ask(context, policies, (use.environment,), found, (python,))
    question = supplied(question, project, context, policies, found, use.lock_digest)
    verdict = judge(policies, question)
    checked = governing.Checked(
        title=project.title, policies=policies, question=question, verdict=verdict, advisories=data
    )
    name = LOCK_FILE if project.apart is None else evidence.TRIAL
    evidence.judged(project, context, checked, {name: use.lock_digest})
    if not _allows(policies, verdict):
        until = _despite(context, use, verdict, question)
    else:
        _tell(context, use, verdict)
        until = lasts_until(policies, question, lambda later: _allows(policies, later))
    since = math.floor(question.now.timestamp())
    line = stamp.valid(since, math.floor(until.timestamp()))
    return Fresh(lines=(line, *sources), own=own)


def _answers(context: Context) -> tuple[str, ...]:
    """What is known on this machine, as it looks before it is read: advisories, and answers of indexes."""
    known = (f"{context.home.advisories}/current", releases.mark(context))
    return tuple(map(stamp.signature, known))


def _allows(policies: Policies, verdict: Verdict) -> bool:
    if verdict.outcome == "inconclusive":
        return policies.on_inconclusive == "warn"
    return verdict.outcome == "pass"


def _tell(context: Context, use: _Use, verdict: Verdict) -> None:
    if verdict.outcome != "pass":
        message = (
            f"{use.environment}: the policy is {verdict.outcome} about it: {_said(verdict)[0]}"
        )
        hint = "`provenv policy check` says all of it; the policy lets it pass with this warning."
        context.emit(Warned(message=message, hint=hint))


def _said(verdict: Verdict) -> list[str]:
    counting = [one for one in verdict.decisions if one.counts]
    return [
        *(f"{one.rule.id}: {one.subject}: {one.text}" for one in counting),
        *verdict.doubts,
    ]


def _refused(use: _Use, verdict: Verdict) -> CheckFailedError | UndecidedError:
    said = _said(verdict)
    lines = [f"  {line}" for line in said[:_SHOWN]]
    if len(said) > _SHOWN:
        lines.append(f"  and {len(said) - _SHOWN} more")
    option = f" -e {use.environment}"
    details = {
        "verdict": verdict.outcome,
        "environment": use.environment,
        "policy": verdict.policy,
        "decisions": [
            {"rule": d.rule.id, "subject": d.subject, "text": d.text, "names": list(d.names)}
            for d in verdict.decisions
            if d.counts
        ],
        "doubts": list(verdict.doubts),
    }
    if verdict.outcome == "fail":
        return RefusedError(
            "\n".join([f"{use.environment}: the policy refuses it:", *lines]),
            hint=f"`provenv lock` chooses versions that comply, if there are some; "
            f"`provenv policy check{option}` says all of it. What is there stays as it is.",
            details=details,
        )
    return DoubtedError(
        "\n".join([f"{use.environment}: the policy cannot tell whether it may be used:", *lines]),
        hint=f"`provenv advisories update` fetches what is known today; "
        f"`provenv policy check{option}` says all of it. What is there stays as it is.",
        details=details,
    )


def _allow(use: _Use, reason: str) -> None:
    """Write down that the lock may be used for a day, whatever the policy says.

    Raises:
        UsageError: No reason is given. DiskError: It cannot be written.
    """
    if not reason.strip():
        raise UsageError("in spite of the policy, and no reason why", hint="Say it in a few words.")
    now = int(time.time())
    said = {
        "lock": use.lock_digest,
        "since": now,
        "until": now + int(DESPITE.total_seconds()),
        "reason": reason,
    }
    write_atomic(f"{use.folder}/{_FILE}", json.dumps(said).encode())


def _despite(context: Context, use: _Use, verdict: Verdict, question: Question) -> datetime:
    """Until when it may be used in spite of the verdict, where somebody has said so.

    Raises:
        RefusedError, DoubtedError: Nobody has, or the time is over.
    """
    try:
        with open(f"{use.folder}/{_FILE}", encoding="utf-8") as stream:
            said = json.load(stream)
        lock, since, until = said["lock"], int(said["since"]), int(said["until"])
        reason = str(said["reason"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        raise _refused(use, verdict) from None
    now = question.now.timestamp()
    if (
        lock != use.lock_digest
        or not since <= now < until
        or until - since > DESPITE.total_seconds()
    ):
        raise _refused(use, verdict)
    ends = datetime.fromtimestamp(until, UTC)
    context.emit(
        Warned(
            message=f"{use.environment}: used until {ends:%Y-%m-%d %H:%M} UTC in spite of the policy "
            f"({reason}): {_said(verdict)[0]}",
        )
    )
    return ends
