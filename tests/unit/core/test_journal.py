"""An append-only file whose lines name the hash of the line before them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import multiprocessing
import os
import resource
import signal
from pathlib import Path

import pytest

from provenv.core import journal


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "log" / "operations.jsonl")


def lines(*files: str) -> list[bytes]:
    return [line for file in files for line in Path(file).read_bytes().splitlines()]


def is_chained(found: list[bytes]) -> bool:
    """Whether each line names the one before it, torn ones included."""
    previous = "0" * 64
    for line in found:
        try:
            if json.loads(line)["previous"] != previous:
                return False
        except ValueError:  # a torn one
            pass
        previous = hashlib.sha256(line).hexdigest()
    return True


def test_a_line_names_the_one_before_it(path: str) -> None:
    journal.append(path, ['{"a": 1}'])
    journal.append(path, ['{"b": 2}', '{"c": 3}'])
    found = lines(path)
    assert [next(iter(json.loads(line))) for line in found] == ["a", "b", "c"]
    assert json.loads(found[0])["previous"] == journal.START
    assert is_chained(found)


def test_many_processes_write_one_chain(path: str) -> None:
    def write(number: int) -> None:
        for count in range(20):
            journal.append(path, [f'{{"n": {number * 100 + count}}}'], limit=4000)

    context = multiprocessing.get_context("fork")
    team = [context.Process(target=write, args=(number,)) for number in range(6)]
    for process in team:
        process.start()
    for process in team:
        process.join(30)
    found = lines(*journal.files(path))
    assert sorted(json.loads(line)["n"] for line in found) == sorted(
        number * 100 + count for number in range(6) for count in range(20)
    )
    assert is_chained(found)


def test_a_large_file_is_set_aside_and_kept(path: str) -> None:
    for number in range(30):
        journal.append(path, [f'{{"n": {number}}}'], limit=500)
    files = journal.files(path)
    assert len(files) > 3
    assert files[-1] == path
    assert all(os.path.getsize(file) < 700 for file in files)
    found = lines(*files)
    assert [json.loads(line)["n"] for line in found] == list(range(30))
    assert is_chained(found)


def test_the_number_of_a_file_is_never_used_twice(path: str) -> None:
    for number in range(12):
        journal.append(path, [f'{{"n": {number}}}'], limit=1)
    names = [os.path.basename(file) for file in journal.files(path)]
    assert names[-2:] == ["operations-000011.jsonl", "operations.jsonl"]


@pytest.mark.parametrize("cut", [1, 2, 40, 70, 75])
def test_a_torn_line_stays_and_the_next_begins_below_it(path: str, cut: int) -> None:
    journal.append(path, ['{"a": 1}'])
    journal.append(path, ['{"b": 2}'])
    whole = Path(path).read_bytes()
    os.truncate(path, len(whole) - cut)
    torn = Path(path).read_bytes()
    journal.append(path, ['{"c": 3}'])
    assert Path(path).read_bytes().startswith(torn + b"\n")
    assert json.loads(lines(path)[-1])["c"] == 3
    assert is_chained(lines(path))


def test_zeros_at_the_end_are_a_torn_line(path: str) -> None:
    journal.append(path, ['{"a": 1}'])
    with open(path, "ab") as stream:
        stream.write(b"\0" * 300)
    journal.append(path, ['{"b": 2}'])
    found = lines(path)
    assert len(found) == 3
    assert is_chained(found)


def test_a_line_longer_than_what_is_read_at_once(path: str) -> None:
    journal.append(path, [json.dumps({"a": "x" * 100_000})])
    journal.append(path, ['{"b": 2}'])
    assert is_chained(lines(path))


def test_whoever_holds_the_lock_for_too_long_is_not_waited_for(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_PATIENCE", 0.05)
    journal.append(path, ['{"a": 1}'])
    with open(path, "rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)  # as a process does that was stopped
        journal.append(path, ['{"b": 2}'])
    journal.append(path, ['{"c": 3}'])
    found = [json.loads(line) for line in lines(path)]
    assert [line["previous"] is None for line in found] == [False, True, False]
    assert found[2]["previous"] == hashlib.sha256(lines(path)[1]).hexdigest()


def test_a_full_disk_leaves_no_half_of_a_line(path: str) -> None:
    journal.append(path, ['{"a": 1}'])
    before = Path(path).read_bytes()
    pid = os.fork()
    if pid == 0:
        code = 1
        usual = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, usual[1]))
            journal.append(path, ['{"b": 2}'])
        except OSError:
            code = 0
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)  # `coverage` writes in the end, too
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert Path(path).read_bytes() == before


def test_what_is_no_file_of_the_journal_is_left_alone(path: str) -> None:
    journal.append(path, ['{"a": 1}'])
    other = Path(path).with_name("operations-old.jsonl")
    other.write_text("mine\n")
    journal.append(path, ['{"b": 2}'], limit=1)
    assert [os.path.basename(file) for file in journal.files(path)] == [
        "operations-000001.jsonl", "operations.jsonl",
    ]  # fmt: skip
    assert other.read_text() == "mine\n"
