"""What can be said of an evidence log: from its lines, the checkpoints, the keys, and what was seen before.

Pure. Three answers: ``pass`` where every record is chained and anchored by a checkpoint that somebody
trusted has signed; ``fail`` where something was changed; ``inconclusive`` where it cannot be told. A
chain alone proves nothing against somebody who writes all of it anew, so that without a checkpoint the
answer is never ``pass``.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal

from provenv.core import journal
from provenv.core.values import field, frozen, mutable
from provenv.evidence import envelopes, records
from provenv.evidence.checkpoints import Checkpoint, Kept
from provenv.evidence.keys import PublicKey
from provenv.evidence.log import Line, Segment
from provenv.evidence.records import Record

Outcome = Literal["pass", "fail", "inconclusive"]
Problem = Literal[
    "begun-anew",
    "clock",
    "deleted",
    "edited",
    "missing-checkpoint",
    "no-checkpoint",
    "no-key",
    "not-anchored",
    "not-a-checkpoint",
    "older-checkpoint",
    "other-log",
    "reordered",
    "replayed",
    "restamped",
    "seal",
    "torn",
    "truncated",
    "unrecorded",
    "wrong-key",
    "wrong-signature",
]
_DOUBTS: frozenset[Problem] = frozenset(
    {
        "clock", "missing-checkpoint", "no-checkpoint", "no-key", "not-anchored", "older-checkpoint",
        "other-log", "torn", "unrecorded",
    }
)  # fmt: skip
"""What leaves the answer open; everything else makes it ``fail``."""


@frozen
class Finding:
    """One thing that is wrong, or that cannot be told; ``sequence``: of the record that it is about."""

    problem: Problem
    text: str
    sequence: int | None = None

    @property
    def doubt(self) -> bool:
        """It leaves the answer open; else it proves that something was changed."""
        return self.problem in _DOUBTS


@frozen
class Seen:
    """How a log was when this machine looked at it last; ``place``: where it lay."""

    size: int
    head: str
    time: str
    place: str = ""


@frozen
class Made:
    """A generation that is there; ``tree``: the digest of what it consists of."""

    environment: str
    number: int
    tree: str
    created: str


@frozen
class Material:
    """All that the answer hangs on.

    Attributes:
        project: Its title. ``lines``: The log's, the oldest first. ``segments``: Sealed parts, with the
            digests of their files.
        checkpoints: That were found. ``odd``: Files that are called so and are none, with the reason.
        keys: That are trusted. ``seen``: None where this machine has not seen this log before.
        accepted: Records whose mark ``clock`` somebody has looked into.
        made: Generations that are there. ``place``: Where the log lies.
        now: UTC, RFC 3339; empty: records may be of any time.
    """

    project: str
    lines: Sequence[Line]
    segments: Sequence[tuple[Segment, str]] = ()
    checkpoints: Sequence[Kept] = ()
    odd: Sequence[tuple[str, str]] = ()
    keys: Collection[PublicKey] = ()
    seen: Mapping[str, Seen] = field(default_factory=dict)
    accepted: Collection[int] = ()
    made: Sequence[Made] = ()
    place: str = ""
    now: str = ""


@frozen
class Check:
    """The answer.

    Attributes:
        log: The log's name; empty where there is none. ``records``: How many lines.
        head: Digest of the last line. ``anchored``: Up to which record a trusted checkpoint reaches.
        checkpoints: Those that hold, by size.
        marks: What was odd when a record was written, as ``(sequence, mark)``.
    """

    outcome: Outcome
    log: str
    records: int
    head: str
    anchored: int
    findings: tuple[Finding, ...]
    checkpoints: tuple[tuple[Checkpoint, PublicKey], ...] = ()
    marks: tuple[tuple[int, str], ...] = ()
    kinds: Mapping[str, int] = field(default_factory=dict)


@mutable
class _Chain:
    """The log read from the beginning.

    Attributes:
        digests: Of each line, by its sequence. ``found``: The records among them.
        present: Every sequence that a record says, wherever it stands.
    """

    log: str = ""
    digests: dict[int, str] = field(default_factory=dict)
    found: list[Record] = field(default_factory=list)
    size: int = 0
    present: frozenset[int] = frozenset()


def check(material: Material) -> Check:
    """Say whether the log is the one that was written."""
    rows = [(line, _parsed(line.data)) for line in material.lines]
    present = frozenset(row.sequence for _, row in rows if isinstance(row, Record))
    chain = _Chain(present=present)
    findings = [*_chained(rows, material, chain), *_sealed(material, chain)]
    good: list[tuple[Checkpoint, PublicKey]] = []
    findings += _anchored(material, chain, good)
    findings += _remembered(material, chain)
    findings += _unrecorded(material, chain)
    anchored = max(
        (one.size for one, _ in good if chain.digests.get(one.size) == one.head), default=0
    )
    if good and anchored < chain.size and not any(not one.doubt for one in findings):
        rest = f"records {anchored + 1} to {chain.size} are"
        rest = rest if chain.size - anchored > 1 else f"record {chain.size} is"
        findings.append(
            _say("not-anchored", f"{rest} chained, and no checkpoint reaches there yet")
        )
    failed = any(not one.doubt for one in findings)
    kinds: dict[str, int] = {}
    for record in chain.found:
        kinds[record.entry.kind] = kinds.get(record.entry.kind, 0) + 1
    return Check(
        outcome="fail" if failed else "inconclusive" if findings else "pass",
        log=chain.log,
        records=chain.size,
        head=chain.digests.get(chain.size, ""),
        anchored=anchored,
        findings=tuple(findings),
        checkpoints=tuple(good),
        marks=tuple((one.sequence, mark) for one in chain.found for mark in one.marks),
        kinds=kinds,
    )


def _say(problem: Problem, text: str, sequence: int | None = None) -> Finding:
    return Finding(problem=problem, text=text, sequence=sequence)


def _parsed(line: bytes) -> Record | str:
    """A record; or why it is none."""
    try:
        return records.parse(line)
    except ValueError as error:
        return str(error)


def _chained(
    rows: Sequence[tuple[Line, Record | str]], material: Material, chain: _Chain
) -> Iterator[Finding]:
    """Each line against the one before it."""
    previous, time = journal.START, ""
    torn: list[Line] = []
    for line, record in rows:
        chain.size += 1
        if isinstance(record, str):
            torn.append(line)
            if line.whole and not _may_be_torn(line):
                yield _say("edited", f"{_at(line)} is no record: {record}", chain.size)
        else:
            yield from _placed(record, line, chain, previous, torn)
            yield from _timed(record, time, material)
            chain.log = chain.log or record.log
            chain.found.append(record)
            chain.size, time = record.sequence, record.entry.time
            torn = []
        previous = journal.hash_of(line.data)
        chain.digests[chain.size] = previous
        if not line.whole:
            yield _say("torn", f"{_at(line)} has no end, as after a power cut", chain.size)
    if torn and torn[-1].whole:
        yield _say("torn", f"{_at(torn[-1])} is not whole, as after a power cut", chain.size)


def _timed(record: Record, before: str, material: Material) -> Iterator[Finding]:
    """Whether a record is later than the one before it, and not to come."""
    number, time = record.sequence, record.entry.time
    if time < before and "clock" not in record.marks:
        text = f"record {number} is older than the one before it, and was not marked so"
        yield _say("edited", text, number)
    if number in material.accepted:
        return
    if "clock" in record.marks:
        yield _say("clock", f"record {number} is of {time}, before the one above it", number)
    elif material.now and time > material.now:
        yield _say("clock", f"record {number} is of {time}, which is to come", number)


def _may_be_torn(line: Line) -> bool:
    """Whether it is the beginning of a record: what a cut leaves has no closing brace."""
    return line.data.startswith(b"{") and not line.data.endswith(b"}")


def _placed(
    record: Record, line: Line, chain: _Chain, previous: str, torn: Sequence[Line]
) -> Iterator[Finding]:
    """Whether a record stands where it says."""
    number = record.sequence
    if chain.log and record.log != chain.log:
        yield _say("edited", f"record {number} is of another log ({record.log[:12]})", number)
    if number != chain.size:
        before = chain.size - 1
        if number < chain.size or any(chain.size <= one < number for one in chain.present):
            text = f"record {number} stands after record {before}"
            yield _say("reordered", text, number)
        else:
            gone = f"records {chain.size} to {number - 1} are"
            gone = gone if number - chain.size > 1 else f"record {chain.size} is"
            yield _say("deleted", f"{gone} missing", number)
    elif record.previous != previous:
        text = f"record {number} names another record before it than the one that stands there"
        yield _say("edited", f"{text}: one of the two was changed ({_at(line)})", number)
    if torn and "torn" not in record.marks:
        yield _say("edited", f"{_at(torn[0])} is no record, and none was lost there", number)


def _at(line: Line) -> str:
    return f"{os.path.basename(line.file)}:{line.number}"


def _sealed(material: Material, chain: _Chain) -> Iterator[Finding]:
    """Sealed parts against the records that name them."""
    seals = {
        str(record.entry.details.get("file")): record
        for record in chain.found
        if record.entry.kind == "seal"
    }
    there = set()
    for segment, sha256 in material.segments:
        name = os.path.basename(segment.file)
        there.add(name)
        record = seals.get(name)
        if record is None:
            if segment.last >= chain.size:
                yield _say("seal", f"{name} is named by no record: it was put there")
            continue
        if record.entry.details.get("sha256") != sha256:
            text = f"{name} is not the file that record {record.sequence} sealed"
            yield _say("seal", text, record.sequence)
    for name, record in seals.items():
        if name not in there:
            yield _say(
                "seal", f"{name}, sealed by record {record.sequence}, is gone", record.sequence
            )


def _anchored(
    material: Material, chain: _Chain, good: list[tuple[Checkpoint, PublicKey]]
) -> Iterator[Finding]:
    """The checkpoints: who signed them, whether they are of this log, and whether it is as they say."""
    for file, reason in material.odd:
        if not (chain.log and os.path.basename(file).startswith(f"{chain.log}-")):
            continue  # of another log, whatever is wrong with it
        yield _say("not-a-checkpoint", f"{os.path.basename(file)} is no checkpoint: {reason}")
    own = [one for one in material.checkpoints if chain.log and one.checkpoint.log == chain.log]
    other = [one for one in material.checkpoints if one not in own]
    strangers: list[Finding] = []
    for kept in own:
        yield from _signed(material, chain, kept, good, strangers)
    if not good:
        yield from strangers
    yield from _of_others(material, chain, own, other)
    if own and not material.keys:
        yield _say("no-key", f"there are {len(own)} checkpoints, and no key to check them with")
    elif not own:
        yield _say(
            "no-checkpoint",
            "no checkpoint of this log: whoever can write it can write all of it anew",
        )
    yield from _in_order(chain, [one for one, _ in good])
    yield from _compared(chain, [one for one, _ in good])
    sizes = {one.checkpoint.size for one in own}
    for record in chain.found:
        if record.entry.kind == "checkpoint" and own and record.sequence not in sizes:
            text = f"a checkpoint was made at record {record.sequence}, and it is not there"
            yield _say("missing-checkpoint", text, record.sequence)


def _signed(
    material: Material,
    chain: _Chain,
    kept: Kept,
    good: list[tuple[Checkpoint, PublicKey]],
    strangers: list[Finding],
) -> Iterator[Finding]:
    """Who has signed a checkpoint. ``strangers``: what others have, and says the same as the log."""
    one, name = kept.checkpoint, os.path.basename(kept.file)
    if kept.named is not None and kept.named != (one.log, one.size):
        text = f"{name} holds the checkpoint of {one.size} records of {one.time}: an older or another one"
        yield _say("replayed", text)
        return
    if not material.keys:
        return
    found = envelopes.signers(kept.envelope, material.keys)
    if found.good:
        good.append((one, found.good[0]))
    elif found.wrong:
        yield _say("wrong-signature", f"{name}: the signature does not hold: it was changed")
    else:
        who = ", ".join(key[:12] for key in found.unknown) or "nobody"
        text = f"{name} is signed by {who}, which is none of the keys that are trusted"
        if chain.digests.get(one.size) == one.head:
            strangers.append(_say("wrong-key", text))
        else:
            yield _say("wrong-key", text)


def _of_others(
    material: Material, chain: _Chain, own: Sequence[Kept], other: Sequence[Kept]
) -> Iterator[Finding]:
    for kept in other:
        one, name = kept.checkpoint, os.path.basename(kept.file)
        if kept.named is not None and kept.named[0] == chain.log and chain.log:
            yield _say("replayed", f"{name} holds a checkpoint of another log, of {one.project}")
        elif _was_here(material, kept):
            text = f"a checkpoint of {one.time} speaks of {one.size} records of {one.project}"
            text += " in a log of another name" if chain.log else ", and there is no log"
            yield _say(
                "begun-anew", f"{text}: the log was removed or begun anew" if chain.log else text
            )
        elif not own:
            yield _say("other-log", f"{name} is of another log, of {one.project}")


def _was_here(material: Material, kept: Kept) -> bool:
    """Whether a trusted checkpoint is of a log of the same project, and in the same place."""
    same = kept.checkpoint.project == material.project and kept.checkpoint.place == material.place
    return same and bool(envelopes.signers(kept.envelope, material.keys).good)


def _in_order(chain: _Chain, good: Sequence[Checkpoint]) -> Iterator[Finding]:
    """Of two checkpoints the longer one is the later one."""
    for one, other in pairwise(good):
        if other.size == one.size and other.head != one.head:
            text = f"two checkpoints of {one.size} records name different ones: there are two logs"
            yield _say("restamped", text)
        elif other.size > one.size and other.time < one.time and not _set_back(chain, one, other):
            text = (
                f"the checkpoint of {one.size} records is of {one.time}, after that of {other.size}"
            )
            yield _say("replayed", f"{text} ({other.time}): the log was cut, and signed again")


def _set_back(chain: _Chain, one: Checkpoint, other: Checkpoint) -> bool:
    """Whether the log says that the clock was set back between two checkpoints."""
    marked = [record.sequence for record in chain.found if "clock" in record.marks]
    return any(one.size < sequence <= other.size for sequence in marked)


def _compared(chain: _Chain, good: Sequence[Checkpoint]) -> Iterator[Finding]:
    """The log against what was signed of it."""
    holding = [one.size for one in good if chain.digests.get(one.size) == one.head]
    for one in good:
        if one.size > chain.size:
            text = f"the checkpoint of {one.time} speaks of {one.size} records, and {chain.size} are there"
            yield _say("truncated", f"{text}: the end was cut off", one.size)
        elif chain.digests.get(one.size) != one.head:
            before = max((size for size in holding if size < one.size), default=0)
            if before:
                text = f"records {before + 1} to {one.size} are not those that were signed on {one.time}"
                yield _say(
                    "truncated", f"{text}: the log was cut, and continued with others", one.size
                )
            else:
                text = f"the first {one.size} records are not those that were signed on {one.time}"
                yield _say("restamped", f"{text}: they were written anew", one.size)
        else:
            later = next((r for r in chain.found if r.sequence == one.size + 1), None)
            if later is not None and later.entry.time < one.time and "clock" not in later.marks:
                text = (
                    f"record {later.sequence} of {later.entry.time} is older than the checkpoint of"
                )
                yield _say("replayed", f"{text} {one.size} records of {one.time}", later.sequence)


def _remembered(material: Material, chain: _Chain) -> Iterator[Finding]:
    """What this machine has seen before of this log."""
    for name, other in material.seen.items():
        if name != chain.log and material.place and other.place == material.place:
            text = f"this machine has seen a log of {other.size} records here on {other.time}"
            yield _say(
                "begun-anew", f"{text}, and it is gone" if chain.log else f"{text}; it is gone"
            )
    seen = material.seen.get(chain.log)
    if seen is None:
        return
    if seen.size > chain.size:
        text = f"this machine has seen {seen.size} records of it on {seen.time}, and {chain.size} are there"
        yield _say("replayed", f"{text}: an older state is shown as the latest", seen.size)
        return
    if chain.digests.get(seen.size) != seen.head:
        text = (
            f"the first {seen.size} records are not those that this machine has seen on {seen.time}"
        )
        yield _say("restamped", text, seen.size)
    latest = max(
        (one.checkpoint.size for one in material.checkpoints if one.checkpoint.log == chain.log),
        default=seen.size,
    )
    if latest < seen.size:
        text = f"the latest checkpoint here is of {latest} records, and this machine knows one of"
        yield _say("older-checkpoint", f"{text} {seen.size} of {seen.time}")


def _unrecorded(material: Material, chain: _Chain) -> Iterator[Finding]:
    """Generations that are there, were made since the log began, and of which it does not speak."""
    known = {
        (subject.get("environment"), subject.get("generation"), subject.get("tree"))
        for subject in (record.entry.subject for record in chain.found)
    }
    first = chain.found[0].entry.time[:19] if chain.found else ""
    for one in material.made:
        late = bool(first) and one.created[:19] > first
        if late and (one.environment, one.number, one.tree) not in known:
            text = f"generation {one.number} of {one.environment}, made on {one.created}"
            yield _say("unrecorded", f"{text}, is in no record")
