"""The evidence log attacked: each attack by itself, by somebody who may write every file but the key."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from provenv.core import digest, files
from provenv.core.errors import DiskError
from provenv.core.values import replace
from provenv.evidence import checkpoints, keys, log, records
from provenv.evidence.checking import Check, Made, Material, Seen, check
from provenv.evidence.checkpoints import Checkpoint
from provenv.evidence.keys import PrivateKey
from provenv.evidence.records import End, Entry


def at(minute: int) -> str:
    return f"2026-11-22T10:{minute:02d}:00.000Z"


class Log:
    """A log with checkpoints, and the means to hurt both."""

    def __init__(self, folder: Path, *, key: PrivateKey) -> None:
        self.folder = folder / "log"
        self.kept = folder / "checkpoints"
        self.key = key
        self.minute = 0

    @property
    def file(self) -> Path:
        return self.folder / "log.jsonl"

    @property
    def lines(self) -> list[bytes]:
        return self.file.read_bytes().splitlines(keepends=True)

    def put(self, lines: Sequence[bytes]) -> None:
        self.file.write_bytes(b"".join(lines))

    def add(
        self, count: int = 1, *, kind: records.Kind = "sync", minute: int | None = None
    ) -> None:
        for _ in range(count):
            self.minute = self.minute + 1 if minute is None else minute
            entry = Entry(kind=kind, time=at(self.minute), details={"n": self.minute})
            self.append(entry)

    def append(self, entry: Entry) -> None:
        log.append(str(self.folder), lambda _: [entry])

    def anchor(self, *, key: PrivateKey | None = None, time: str | None = None) -> Path:
        end = log.find_end(str(self.folder))
        made = Checkpoint(
            log=end.log,
            project="shop",
            size=end.sequence,
            head=end.digest,
            time=time or end.time,
            place="here",
        )
        envelope = checkpoints.sign(made, key or self.key)
        return Path(checkpoints.keep(str(self.kept), made, envelope))

    def check(
        self,
        *,
        seen: dict[str, Seen] | None = None,
        trust: bool = True,
        place: str = "here",
        **more: object,
    ) -> Check:
        self.kept.mkdir(exist_ok=True)
        found, odd = checkpoints.read_all(str(self.kept))
        return check(
            Material(
                project="shop",
                lines=log.lines(str(self.folder)),
                segments=[(s, digest.of_file(s.file)) for s in log.segments(str(self.folder))],
                checkpoints=found,
                odd=odd,
                keys=[self.key.public] if trust else [],
                seen=seen or {},
                place=place,
                **more,  # type: ignore[arg-type]
            )
        )


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> PrivateKey:
    return keys.create(str(tmp_path_factory.mktemp("keys")), "audit")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> PrivateKey:
    return keys.create(str(tmp_path_factory.mktemp("keys")), "stranger")


@pytest.fixture
def made(tmp_path: Path, key: PrivateKey) -> Log:
    """Six records; the first four and all six are anchored."""
    one = Log(tmp_path, key=key)
    one.add(4)
    one.anchor()
    one.add(2)
    one.anchor()
    return one


def restamp(lines: Sequence[bytes]) -> list[bytes]:
    """The same records chained anew, as by somebody who knows how that is done."""
    end, out = End(), []
    for line in lines:
        record = records.parse(line.rstrip(b"\n"))
        end = End(
            log=end.log or record.log, sequence=end.sequence, digest=end.digest, time=end.time
        )
        text, end = records.make(record.entry, end)
        out.append(text + b"\n")
    return out


def forge(line: bytes) -> bytes:
    return line.replace(b'"root"', b'"eve"').replace(b'"n":2', b'"n":9')


def problems(result: Check) -> set[str]:
    return {one.problem for one in result.findings}


def test_a_whole_log_passes(made: Log) -> None:
    result = made.check()
    assert (result.outcome, result.findings) == ("pass", ())
    assert (result.records, result.anchored, len(result.checkpoints)) == (6, 6, 2)


def test_what_no_checkpoint_reaches_is_not_proven(made: Log) -> None:
    made.add(2)
    result = made.check()
    assert (result.outcome, problems(result)) == ("inconclusive", {"not-anchored"})
    assert result.findings[0].text.startswith("records 7 to 8 are chained")
    for file in made.kept.iterdir():
        file.unlink()
    assert (made.check().outcome, problems(made.check())) == ("inconclusive", {"no-checkpoint"})


def _edited(made: Log) -> None:
    made.put([forge(line) for line in made.lines])


def _last_edited(made: Log) -> None:
    made.put([*made.lines[:-1], made.lines[-1].replace(b'"n":6', b'"n":7')])


def _spelt_anew(made: Log) -> None:
    first, *rest = made.lines
    made.put([json.dumps(json.loads(first)).encode() + b"\n", *rest])


def _deleted(made: Log) -> None:
    lines = made.lines
    made.put([*lines[:2], *lines[3:]])


def _beginning_deleted(made: Log) -> None:
    made.put(made.lines[2:])


def _reordered(made: Log) -> None:
    a, b, c, *rest = made.lines
    made.put([a, c, b, *rest])


def _doubled(made: Log) -> None:
    made.put([*made.lines, made.lines[-1]])


def _truncated(made: Log) -> None:
    made.put(made.lines[:5])


def _truncated_then_extended(made: Log) -> None:
    made.put(made.lines[:5])
    made.minute = 20
    made.add(4)


def _truncated_to_a_checkpoint_then_extended(made: Log) -> None:
    made.put(made.lines[:4])
    made.minute = 20
    made.add(2)


def _restamped(made: Log) -> None:
    made.put(restamp([forge(line) for line in made.lines]))


def _extended_in_the_middle(made: Log) -> None:
    lines = made.lines
    made.put(restamp([*lines[:3], lines[2], *lines[3:]]))


def _begun_anew(made: Log) -> None:
    made.file.unlink()
    made.minute = 0
    made.add(6)


def _garbage(made: Log) -> None:
    first, *rest = made.lines
    made.put([first, b"not a record}\n", *rest])


def _torn_in_the_middle(made: Log) -> None:
    lines = made.lines
    made.put([*lines[:2], lines[2][:40] + b"\n", *lines[3:]])


def _unmarked_time(made: Log) -> None:
    lines = made.lines
    data = json.loads(lines[3])
    data["time"] = at(1)
    made.put([*lines[:3], records.canonical(data) + b"\n", *lines[4:]])


@pytest.mark.parametrize(
    ("attack", "problem", "text"),
    [
        (_edited, "edited", "record 3 names another record before it"),
        (_last_edited, "truncated", "records 5 to 6 are not those that were signed on"),
        (_spelt_anew, "edited", "log.jsonl:1 is no record: it is not spelt as it was written"),
        (_deleted, "deleted", "record 3 is missing"),
        (_beginning_deleted, "deleted", "records 1 to 2 are missing"),
        (_reordered, "reordered", "record 3 stands after record 1"),
        (_doubled, "reordered", "record 6 stands after record 6"),
        (_truncated, "truncated", "speaks of 6 records, and 5 are there: the end was cut off"),
        (_truncated_then_extended, "truncated", "the log was cut, and continued with others"),
        (_truncated_to_a_checkpoint_then_extended, "truncated", "records 5 to 6 are not those"),
        (_restamped, "restamped", "the first 4 records are not those that were signed"),
        (_extended_in_the_middle, "restamped", "they were written anew"),
        (_begun_anew, "begun-anew", "the log was removed or begun anew"),
        (_garbage, "edited", "log.jsonl:2 is no record"),
        (_torn_in_the_middle, "edited", "is no record, and none was lost there"),
        (_unmarked_time, "edited", "record 4 is older than the one before it, and was not marked so"),
    ],
)  # fmt: skip
def test_each_attack_is_found(
    made: Log, attack: Callable[[Log], None], problem: str, text: str
) -> None:
    attack(made)
    result = made.check()
    assert result.outcome == "fail"
    told = [one for one in result.findings if one.problem == problem]
    assert any(text in one.text for one in told), result.findings


def test_without_checkpoints_a_restamped_log_is_never_clean(made: Log) -> None:
    _restamped(made)
    for file in made.kept.iterdir():
        file.unlink()
    assert made.check().outcome == "inconclusive"


def test_a_wrong_key_is_not_a_missing_one(made: Log, stranger: PrivateKey) -> None:
    assert problems(made.check(trust=False)) == {"no-key"}
    assert made.check(trust=False).outcome == "inconclusive"
    _restamped(made)
    for file in made.kept.iterdir():
        file.unlink()
    made.anchor(key=stranger)
    result = made.check()
    assert result.outcome == "fail"
    assert stranger.public.id[:12] in result.findings[0].text
    assert problems(result) == {"wrong-key"}


def test_a_signature_under_a_borrowed_name_does_not_hold(made: Log, stranger: PrivateKey) -> None:
    path = made.anchor(key=stranger)
    data = json.loads(path.read_text())
    data["signatures"][0]["keyid"] = made.key.public.id
    path.write_text(json.dumps(data))
    assert problems(made.check()) == {"wrong-signature"}
    data["payload"] = data["payload"][::-1]
    path.write_text(json.dumps(data))
    assert problems(made.check()) == {"not-a-checkpoint"}
    assert made.check().outcome == "fail"


def test_an_older_checkpoint_is_not_taken_for_the_latest(made: Log) -> None:
    four, six = sorted(made.kept.iterdir())
    # its content under the later one's name
    six.write_bytes(four.read_bytes())
    assert problems(made.check()) == {"replayed"}
    # the later one gone, and the log cut to fit: only who has seen more can tell
    six.unlink()
    seen = {made.check().log: Seen(size=6, head=made.check().head, time=at(6))}
    _truncated(made)
    made.put(made.lines[:4])
    assert made.check().outcome == "pass"
    result = made.check(seen=seen)
    assert (result.outcome, problems(result)) == ("fail", {"replayed"})
    assert "this machine has seen 6 records" in result.findings[0].text


def test_a_cut_log_that_is_signed_again_is_dated_wrongly(made: Log) -> None:
    whole = made.lines
    made.put(whole[:5])
    made.anchor(time=at(30))  # by somebody who has the key, after the fact
    made.put(whole)
    result = made.check()
    assert (result.outcome, problems(result)) == ("fail", {"replayed"})


def test_a_checkpoint_that_the_log_speaks_of_is_missed(made: Log) -> None:
    made.add(kind="checkpoint")
    path = made.anchor()
    made.add(kind="checkpoint")
    made.anchor()
    assert made.check().outcome == "pass"
    path.unlink()
    result = made.check()
    assert (result.outcome, problems(result)) == ("inconclusive", {"missing-checkpoint"})


def test_another_checkout_has_another_log_and_that_is_no_attack(
    made: Log, tmp_path: Path, key: PrivateKey
) -> None:
    other = Log(tmp_path / "other", key=key)
    other.add(2)
    theirs = other.anchor()
    (made.kept / theirs.name).write_bytes(theirs.read_bytes())
    assert made.check(place="there").outcome == "pass"
    assert problems(made.check()) == {"begun-anew"}  # the same place: one of the two is not the log


def test_what_is_wrong_with_another_log_s_checkpoint_is_not_ours(made: Log) -> None:
    (made.kept / f"{'0' * 32}-00000003.json").write_text("{")
    assert made.check().outcome == "pass"
    (made.kept / f"{made.check().log}-00000003.json").write_text("{")
    assert problems(made.check()) == {"not-a-checkpoint"}


def test_who_else_has_signed_the_same_does_not_matter(made: Log, stranger: PrivateKey) -> None:
    made.add()
    made.anchor(key=stranger)
    made.add()
    made.anchor()
    assert made.check().outcome == "pass"
    _last_edited_seventh(made)
    assert "wrong-key" in problems(made.check())


def _last_edited_seventh(made: Log) -> None:
    lines = made.lines
    made.put([*lines[:6], *restamp_from(lines[6:], records.parse(lines[5].rstrip()))])


def restamp_from(lines: Sequence[bytes], before: records.Record) -> list[bytes]:
    end = End(
        log=before.log, sequence=before.sequence, digest=before.digest, time=before.entry.time
    )
    out = []
    for line in lines:
        entry = replace(records.parse(line.rstrip()).entry, command="forged")
        text, end = records.make(entry, end)
        out.append(text + b"\n")
    return out


def test_checkpoints_of_another_log_say_nothing_of_this_one(
    made: Log, tmp_path: Path, stranger: PrivateKey
) -> None:
    other = Log(tmp_path / "other", key=stranger)
    other.add(6)
    theirs = other.anchor()
    for file in made.kept.iterdir():
        file.unlink()
    (made.kept / theirs.name).write_bytes(theirs.read_bytes())
    result = made.check()
    assert (result.outcome, problems(result)) == ("inconclusive", {"other-log", "no-checkpoint"})
    (made.kept / theirs.name).rename(made.kept / f"{result.log}-00000006.json")
    assert "replayed" in problems(made.check())


def test_a_clock_that_was_set_back_is_named_and_never_clean(made: Log) -> None:
    made.add(minute=2)
    made.anchor()
    result = made.check()
    assert (result.outcome, problems(result)) == ("inconclusive", {"clock"})
    assert result.findings[0].sequence == 7
    assert made.check(accepted=[7]).outcome == "pass"
    assert result.marks == ((7, "clock"),)


def test_a_record_that_is_to_come_is_never_clean(made: Log) -> None:
    assert problems(made.check(now=at(5))) == {"clock"}
    assert made.check(now=at(6)).outcome == "pass"


def test_an_older_checkpoint_than_this_machine_knows(made: Log) -> None:
    seen = {made.check().log: Seen(size=6, head=made.check().head, time=at(6))}
    max(made.kept.iterdir()).unlink()
    result = made.check(seen=seen)
    assert result.outcome == "inconclusive"
    assert problems(result) == {"older-checkpoint", "not-anchored"}


def test_a_generation_that_nobody_recorded(made: Log) -> None:
    subject = {"environment": "prod", "generation": 1, "tree": "t"}
    made.append(Entry(kind="sync", time=at(7), subject=subject))
    made.anchor()
    one = Made(environment="prod", number=1, tree="t", created=at(7))
    early = Made(environment="prod", number=2, tree="t", created=at(1))
    assert made.check(made=[one, early]).outcome == "pass"
    for other in (replace(one, number=2), replace(one, tree="x"), replace(one, environment="dev")):
        result = made.check(made=[other])
        assert (result.outcome, problems(result)) == ("inconclusive", {"unrecorded"})


def test_a_log_that_is_gone_is_remembered(made: Log) -> None:
    seen = {made.check().log: Seen(size=6, head=made.check().head, time=at(6), place="here")}
    for file in made.kept.iterdir():
        file.unlink()
    made.file.unlink()
    assert problems(made.check(seen=seen, place="here")) >= {"begun-anew"}
    made.add(9)
    assert made.check(seen=seen, place="here").outcome == "fail"
    assert made.check(seen=seen, place="there").outcome == "inconclusive"


def test_a_line_made_to_stop_whoever_reads_it(made: Log) -> None:
    lines = made.lines
    huge = lines[2].replace(b'"sequence":3', b'"sequence":9007199254740991')
    made.put([*lines[:2], huge, b"[" * 200_000 + b"\n", *lines[3:]])
    assert made.check().outcome == "fail"


def test_a_torn_line_is_said_and_stays(made: Log) -> None:
    whole = made.file.read_bytes()
    made.file.write_bytes(whole + made.lines[-1][:50])
    result = made.check()
    assert (result.outcome, problems(result)) == ("inconclusive", {"torn", "not-anchored"})
    made.add()
    assert made.file.read_bytes().startswith(whole + made.lines[-3][:50] + b"\n")
    made.anchor()
    result = made.check()
    assert (result.outcome, result.records) == ("pass", 8)
    assert result.marks == ((8, "torn"),)


def test_a_record_without_its_end_gets_one(made: Log) -> None:
    made.file.write_bytes(made.file.read_bytes()[:-1])
    assert problems(made.check()) == {"torn"}
    made.add()
    assert [records.parse(line.rstrip()).sequence for line in made.lines] == [1, 2, 3, 4, 5, 6, 7]


def test_a_disk_that_fills_up_leaves_no_half_of_a_record(
    made: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = made.file.read_bytes()
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: real(fd, data[: len(data) // 2]))
        with pytest.raises(DiskError):
            made.add()
    assert made.file.read_bytes() == before
    assert made.check().outcome == "pass"


def test_what_is_no_log_is_not_written_into(made: Log) -> None:
    made.file.write_text("one\ntwo\nthree\n")
    with pytest.raises(Exception, match="is no evidence log"):
        made.add()
    assert made.file.read_text() == "one\ntwo\nthree\n"


def sealed(made: Log, minute: int) -> log.Sealed | None:
    return log.seal(
        str(made.folder),
        at(minute),
        lambda part: Entry(
            kind="seal",
            time=at(made.minute),
            details={"file": Path(part.file).name, "sha256": part.sha256},
        ),
    )


def test_sealed_records_are_checked_as_all_others(made: Log) -> None:
    part = sealed(made, 4)
    assert part is not None
    assert (part.first, part.last) == (1, 3)
    assert len(made.lines) == 4
    made.add()
    made.anchor()
    assert made.check().outcome == "pass"
    assert sealed(made, 4) is None
    second = sealed(made, 6)
    assert second is not None
    assert (second.first, second.last) == (4, 5)
    made.anchor()
    assert made.check().outcome == "pass"
    assert [r.sequence for r in log.newest(str(made.folder))] == list(range(9, 0, -1))
    file = Path(part.file)
    data = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(data[:-20])
    assert (
        next(log.newest(str(made.folder))).sequence == 9
    )  # sealed parts are read when they are reached
    with pytest.raises(Exception, match="cannot be unpacked"):
        made.check()
    file.unlink()
    result = made.check()
    assert {"deleted", "seal"} <= problems(result)
    assert result.outcome == "fail"


def test_an_interrupted_sealing_loses_and_doubles_nothing(
    made: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = made.file.read_bytes()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(log, "_append", stop)  # after the file, before the record that names it
        with pytest.raises(KeyboardInterrupt):
            sealed(made, 4)
    assert made.file.read_bytes() == before
    assert made.check().outcome == "pass"
    real = files.write_atomic
    with monkeypatch.context() as patch:
        patch.setattr(
            log,
            "write_atomic",
            lambda p, d, **m: stop() if p == str(made.file) else real(p, d, **m),
        )
        with pytest.raises(KeyboardInterrupt):  # after the record, before the lines go
            sealed(made, 4)
    made.anchor()
    assert (made.check().outcome, made.check().records) == ("pass", 7)
    assert sealed(made, 4) is None  # it is finished by that
    assert len(made.lines) == 4
    assert made.check().outcome == "pass"


def test_a_file_put_among_the_sealed_ones_is_found(made: Log) -> None:
    part = sealed(made, 4)
    assert part is not None
    made.anchor()
    Path(part.file).with_name("00000090-00000099.jsonl.gz").write_bytes(
        Path(part.file).read_bytes()
    )
    assert made.check().outcome == "fail"
