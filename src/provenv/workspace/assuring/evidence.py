"""``evidence``: the log of a project shown, checked, signed, handed on and put away."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

from provenv.core import digest
from provenv.core.errors import (
    CheckFailedError,
    DiskError,
    InputError,
    IntegrityError,
    UndecidedError,
    UsageError,
)
from provenv.core.files import write_atomic
from provenv.core.values import frozen
from provenv.environments import generations, switch
from provenv.evidence import checkpoints, envelopes, keys, log, records, statements
from provenv.evidence.checking import Check, Made, Material, Seen, check
from provenv.evidence.checkpoints import Checkpoint
from provenv.evidence.envelopes import Envelope
from provenv.evidence.keys import PublicKey
from provenv.evidence.log import Sealed
from provenv.evidence.records import Record
from provenv.workspace import logged
from provenv.workspace.governing import evidence as recording
from provenv.workspace.governing import policies, signatures, signing
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects.context import Context, Project

_AHEAD = 600  # seconds: clocks differ
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@frozen
class Shown:
    """The records of a project, the newest first; ``on``: whether more are to come."""

    folder: str
    on: bool
    records: tuple[Record, ...]
    more: bool


@frozen
class Anchored:
    """A checkpoint that was made: where it lies, and by which key."""

    file: str
    checkpoint: Checkpoint
    key: PublicKey


@frozen
class Exported:
    """Statements that were made, one envelope each, and the key that signed them."""

    envelopes: tuple[Envelope, ...]
    key: PublicKey


def show(project: Project, context: Context, *, limit: int | None = None) -> Shown:
    """The newest records of a project's log.

    Raises:
        DiskError, IntegrityError: It cannot be read.
    """
    folder = recording.folder(project, context)
    found: list[Record] = []
    more = False
    for record in log.newest(folder):
        if limit is not None and len(found) == limit:
            more = True
            break
        found.append(record)
    on = recording.is_on(project, context)
    return Shown(folder=folder, on=on, records=tuple(found), more=more)


def verify(
    project: Project,
    context: Context,
    *,
    keys_given: Sequence[str] = (),
    folder: str | None = None,
    accepted: Collection[int] = (),
) -> Check:
    """Check a project's log against itself, its checkpoints, and what this machine has seen of it.

    ``keys_given`` are files with public keys; where there are none, the home folder's own are trusted,
    and those that the organisation's policy names. ``folder`` is where the checkpoints are.

    Raises:
        InputError: A key, or the folder, cannot be used. DiskError: A file cannot be read.
        UndecidedError: There is no log, and nothing that says there was one.
    """
    place = recording.folder(project, context)
    lines = log.lines(place)
    given = folder is not None
    folder = context.home.checkpoints if folder is None else folder
    found, odd = checkpoints.read_all(folder) if given or os.path.isdir(folder) else ([], [])
    trusted = trusted_keys(context, keys_given)
    material = Material(
        project=project.locker.title,
        lines=lines,
        segments=[(one, digest.of_file(one.file)) for one in log.segments(place)],
        checkpoints=found,
        odd=odd,
        keys=trusted,
        seen=_seen(context),
        accepted=accepted,
        made=tuple(_made(project)),
        place=place,
        now=logged.rfc3339(time.time() + _AHEAD),
    )
    result = check(material)
    if not lines and not any(one.problem == "begun-anew" for one in result.findings):
        raise UndecidedError(
            f"there is no evidence log of {project.locker.title} at {place}",
            hint="[tool.provenv.evidence] in pyproject.toml, or a policy, begins one.",
        )
    if result.outcome != "fail" and result.anchored:
        _remember(context, result, place)
    return result


def _made(project: Project) -> Iterator[Made]:
    """The generations that the project's environments have; what cannot be read, `verify` tells."""
    for spec in project.manifest.all_instances():
        folder = project.folder(spec)
        for number in switch.numbers(folder):
            with contextlib.suppress(IntegrityError, DiskError):
                one = generations.read_generation(folder, number)
                tree = generations.tree_digest(folder, number) or ""
                yield Made(environment=spec.name, number=number, tree=tree, created=one.created)


def trusted_keys(context: Context, given: Sequence[str]) -> tuple[PublicKey, ...]:
    """The keys that are given; else those that the organisation's policy names, and the home folder's own.

    Not those of the project's policy: whoever may change the project could sign whatever they made of
    its log.

    Raises:
        InputError: One is none.
    """
    if given:
        return tuple(keys.read_public(path) for path in given)
    named = signatures.allowed(policies.policies_of(None, context))
    return tuple({one.raw: one for one in (*named, *signing.own(context))}.values())


def new_key(context: Context, name: str) -> PublicKey:
    """Make a key in the home folder.

    Raises:
        UsageError: The name is none. ForeignError: There is one.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a key: letters, digits, '.', '_' and '-'")
    with recorded(context, "evidence-key"):
        return keys.create(context.home.keys, name).public


def checkpoint(
    project: Project, context: Context, *, key: str | None = None, folder: str | None = None
) -> Anchored:
    """Sign how long the log is and how it ends, and keep that elsewhere.

    What is signed must hold: a log that was changed gets no new checkpoint.

    Raises:
        CheckFailedError: Something was changed. InputError: The key cannot be used.
        UndecidedError: There is no log.
    """
    signer = signing.read_key(context, key)
    kept = context.home.checkpoints if folder is None else folder
    if folder is not None and not os.path.isdir(folder):
        raise InputError("is no folder", file=folder, hint="Is what it is on mounted?")
    before = _unchanged(project, context, folder)
    with recorded(context, "evidence-checkpoint", root=project.locker.root):
        details = {"key": signer.public.id, "records": before.records + 1}
        (*_, record) = recording.write(project, context, "checkpoint", details)
        made = Checkpoint(
            log=record.log,
            project=project.locker.title,
            size=record.sequence,
            head=record.digest,
            time=record.entry.time,
            place=recording.folder(project, context),
        )
        envelope = checkpoints.sign(made, signer)
        file = checkpoints.keep(kept, made, envelope)
        seen = Seen(size=made.size, head=made.head, time=made.time, place=made.place)
        _write_seen(context, made.log, seen)
    return Anchored(file=file, checkpoint=made, key=signer.public)


def _unchanged(project: Project, context: Context, folder: str | None) -> Check:
    """The log checked before anything is signed of it; who else has signed it does not matter.

    Raises:
        CheckFailedError: It was changed.
    """
    found = verify(project, context, folder=folder)
    broken = [one for one in found.findings if not one.doubt and one.problem != "wrong-key"]
    if broken:
        raise CheckFailedError(
            f"the log was changed, and is not signed: {broken[0].text}",
            hint="`provenv evidence verify` says all of it.",
        )
    return found


def seal(project: Project, context: Context, *, older: timedelta) -> Sealed | None:
    """Put away what is older than that, compressed and named by its digest; None where nothing is.

    Raises:
        UndecidedError: There is no log. DiskError, IntegrityError: As :func:`log.seal`.
    """
    place = recording.folder(project, context)
    if not os.path.lexists(os.path.join(place, log.FILE)):
        raise UndecidedError(f"there is no evidence log of {project.locker.title} at {place}")
    before = (datetime.now(UTC) - older).timestamp()
    with recorded(context, "evidence-seal", root=project.locker.root):
        return log.seal(
            place,
            logged.rfc3339(before),
            lambda made: recording.entry_of(
                project,
                context,
                "seal",
                {
                    "file": os.path.basename(made.file),
                    "sha256": made.sha256,
                    "first": made.first,
                    "last": made.last,
                    "head": made.head,
                },
            ),
        )


def export(
    project: Project,
    context: Context,
    *,
    key: str | None = None,
    latest: bool = False,
) -> Exported:
    """Every verdict as an in-toto Statement in a DSSE envelope, the oldest first.

    Raises:
        UndecidedError: There is none. InputError: The key cannot be used.
        CheckFailedError: The log was changed.
    """
    _unchanged(project, context, None)
    found = list(log.newest(recording.folder(project, context)))[::-1]
    verdicts = [one for one in found if one.entry.kind == "verdict" and one.entry.locks]
    verdicts = [one for one in verdicts if one.entry.policy is not None]
    if not verdicts:
        raise UndecidedError(
            f"there is no verdict on {project.locker.title} in the evidence log",
            hint="`provenv policy check` makes one.",
        )
    signer = signing.read_key(context, key)
    made = [
        envelopes.seal(
            envelopes.IN_TOTO,
            json.dumps(
                statements.summary(one, version=_version(), generations=_made_of(one, found)),
                separators=(",", ":"),
            ).encode(),
            [signer],
        )
        for one in (_last(verdicts) if latest else verdicts)
    ]
    return Exported(envelopes=tuple(made), key=signer.public)


def _last(verdicts: Sequence[Record]) -> Sequence[Record]:
    """The last that is about locks of the project, and not about one that was tried."""
    own = [one for one in verdicts if recording.TRIAL not in one.entry.locks]
    return own[-1:] or verdicts[-1:]


def _made_of(verdict: Record, found: Iterable[Record]) -> list[dict[str, object]]:
    """The generations that were made of the locks that a verdict is about."""
    judged = set(verdict.entry.locks.values())
    where = verdict.entry.details.get("environments")
    made: dict[str, dict[str, object]] = {}
    for one in found:
        subject = one.entry.subject
        concerned = isinstance(where, list) and subject.get("environment") in where
        same = concerned and judged.intersection(one.entry.locks.values())
        if one.entry.kind in ("sync", "rollback") and same:
            name = f"{subject.get('environment')}/generation-{subject.get('generation')}"
            if isinstance(subject.get("tree"), str):
                made[name] = {"name": name, "digest": {"sha256": subject["tree"]}}
    return list(made.values())


def _version() -> str:
    try:
        return version_of("provenv")
    except PackageNotFoundError:
        import provenv

        return provenv.__version__


def _seen(context: Context) -> dict[str, Seen]:
    """What this machine remembers of logs; what cannot be read is not remembered."""
    folder = os.path.join(context.home.evidence, "seen")
    found: dict[str, Seen] = {}
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                with open(os.path.join(folder, name), encoding="utf-8") as stream:
                    data = json.load(stream)
                found[name.removesuffix(".json")] = Seen(
                    size=int(data["size"]),
                    head=str(data["head"]),
                    time=str(data["time"]),
                    place=str(data["place"]),
                )
    return found


def _remember(context: Context, result: Check, place: str) -> None:
    """Note the longest part of the log that was anchored when it was looked at."""
    best = max(result.checkpoints, key=lambda pair: pair[0].size)[0]
    seen = _seen(context).get(result.log)
    if seen is None or best.size > seen.size:
        _write_seen(
            context, result.log, Seen(size=best.size, head=best.head, time=best.time, place=place)
        )


def _write_seen(context: Context, name: str, seen: Seen) -> None:
    folder = os.path.join(context.home.evidence, "seen")
    data = {name: getattr(seen, name) for name in ("size", "head", "time", "place")}
    with contextlib.suppress(DiskError, OSError):  # a memory that cannot be written is none
        os.makedirs(folder, 0o755, exist_ok=True)
        write_atomic(os.path.join(folder, f"{name}.json"), records.canonical(data))
