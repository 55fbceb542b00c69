"""Many jobs in worker processes: results, failures, and workers that are gone."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from provenv.core.errors import InputError, NetworkError, ProvenvError, UndecidedError
from provenv.core.events import Emit, Event, Noted
from provenv.workspace.host.parallel import Job, run_all


def run(
    jobs: list[Job], workers: int | None = None
) -> tuple[list[Any], list[tuple[str, int, Any]]]:
    heard: list[tuple[str, int, Any]] = []

    def hear(number: int, event: Event) -> None:
        heard.append(("event", number, event))

    found = run_all(
        jobs, hear=hear, workers=workers,
        begun=lambda number: heard.append(("begun", number, None)),
        done=lambda number, result: heard.append(("done", number, result)),
    )  # fmt: skip
    return found, heard


def test_each_job_is_done_once_and_in_another_process() -> None:
    def job(number: int) -> Job:
        return lambda emit: (number, os.getpid(), threading.active_count())

    found, heard = run([job(n) for n in range(7)], workers=3)
    assert [number for number, _, _ in found] == list(range(7))
    assert {threads for _, _, threads in found} == {1}
    pids = {pid for _, pid, _ in found}
    assert os.getpid() not in pids
    assert 1 <= len(pids) <= 3
    assert sorted(n for kind, n, _ in heard if kind == "done") == list(range(7))
    assert run([]) == ([], [])


def test_events_come_back_with_the_number_of_their_job() -> None:
    def speak(emit: Emit) -> None:
        emit(Noted(message="at work"))

    _, heard = run([speak, speak], workers=2)
    for number in (0, 1):
        assert [(kind, what) for kind, n, what in heard if n == number] == [
            ("begun", None), ("event", Noted(message="at work")), ("done", None),
        ]  # fmt: skip


def test_errors_come_back_as_they_are_and_stop_nothing() -> None:
    def bad(emit: Emit) -> None:
        raise InputError("is wrong", file="a.toml", key="x", hint="Mend it.")

    def disk(emit: Emit) -> None:
        os.listdir("/no/such/folder")

    def defect(emit: Emit) -> None:
        raise ZeroDivisionError("oops")

    found, _ = run([bad, disk, lambda emit: NetworkError("x").exit_code, defect], workers=2)
    assert isinstance(found[0], InputError)
    assert found[0].message == "a.toml: x: is wrong"
    assert found[0].hint == "Mend it."
    assert found[0].details == {"file": "a.toml", "key": "x"}
    assert "/no/such/folder" in found[1].message
    assert found[2] == 3
    assert "ZeroDivisionError: oops" in found[3].message


def test_a_worker_that_is_killed_fails_its_job_alone() -> None:
    def die(emit: Emit) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    found, _ = run([die, lambda emit: "a", lambda emit: "b", lambda emit: "c"], workers=2)
    assert isinstance(found[0], UndecidedError)
    assert "killed by signal 9" in found[0].message
    assert found[1:] == ["a", "b", "c"]
    found, _ = run([die, lambda emit: "never"], workers=1)
    assert all(isinstance(result, ProvenvError) for result in found)


def test_an_interrupt_here_ends_what_works_there(tmp_path: Path) -> None:
    def wait(emit: Emit) -> None:
        (tmp_path / str(os.getpid())).touch()
        emit(Noted(message="waiting"))
        signal.pause()

    def interrupt(number: int, event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all(
            [wait, wait], hear=interrupt, begun=lambda n: None, done=lambda n, r: None, workers=2
        )
    for marker in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(marker.name), 0)
