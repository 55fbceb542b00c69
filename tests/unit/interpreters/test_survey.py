from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from provenv.core.errors import UndecidedError, UnsatisfiableError
from provenv.interpreters import find, probe
from provenv.interpreters.survey import survey
from unit.interpreters.helpers import Heard, fake_python, nowhere, script


def test_one_that_hangs_is_named_and_others_are_not_lost(tmp_path: Path, cache: str) -> None:
    slow = script(tmp_path / "a/python3", "sleep 30")
    good = fake_python(tmp_path / "b/python3", "3.12.1")
    search = nowhere(path=(str(tmp_path / "a"), str(tmp_path / "b")))
    found = survey(search, cache=cache, time_limit=0.3)
    assert [(one.path, one.kind) for one in found] == [(good, "interpreter"), (slow, "broken")]
    assert "did not end within 0.3 seconds" in (found[1].reason or "")


@pytest.mark.skipif(not os.path.exists("/proc/self/cmdline"), reason="there is no /proc")
def test_what_a_hanging_wrapper_started_ends_with_it(tmp_path: Path, cache: str) -> None:
    number = f"30.{os.getpid()}"  # a name that no other process has
    path = script(tmp_path / "python3", f"sleep {number}; echo done")
    with pytest.raises(UndecidedError, match="did not end"):
        probe(path, source="path", cache=cache, time_limit=0.3)
    for _ in range(50):
        if f"sleep\0{number}\0".encode() not in map(_command, os.listdir("/proc")):
            return
        time.sleep(0.1)
    raise AssertionError("it still runs")


def _command(process: str) -> bytes:
    try:
        return Path("/proc", process, "cmdline").read_bytes()
    except OSError:
        return b""


def test_what_did_not_answer_is_not_waited_for_again(
    tmp_path: Path, cache: str, heard: Heard
) -> None:
    log = tmp_path / "log"
    bad = script(tmp_path / "a/python3", f"echo ran >> '{log}'; exit 3")
    fake_python(tmp_path / "b/python3", "3.12.1")
    search = nowhere(path=(str(tmp_path / "a"), str(tmp_path / "b")))
    for _ in range(2):
        assert find((), None, search, cache=cache, emit=heard).version == "3.12.1"
    assert log.read_text().split() == ["ran"]
    assert len(heard.warnings) == 2
    assert all(bad in warning for warning in heard.warnings)
    assert "min ago" in heard.warnings[1]


def test_it_is_asked_again_where_nothing_else_fits(tmp_path: Path, cache: str) -> None:
    flag = tmp_path / "well"
    inner = fake_python(tmp_path / "inner", "3.12.1")
    script(tmp_path / "a/python3", f"test -e '{flag}' && exec '{inner}'; exit 3")
    search = nowhere(path=(str(tmp_path / "a"),))
    with pytest.raises(UnsatisfiableError, match="none was found at all"):
        find((), None, search, cache=cache)
    flag.touch()
    assert find((), None, search, cache=cache).version == "3.12.1"


def test_it_is_asked_again_by_its_path_after_a_change_and_after_an_hour(
    tmp_path: Path, cache: str
) -> None:
    log = tmp_path / "log"
    path = script(tmp_path / "a/python3", f"echo ran >> '{log}'; exit 3")
    search = nowhere(path=(str(tmp_path / "a"),))

    def asked() -> int:
        return len(log.read_text().split()) if log.exists() else 0

    survey(search, cache=cache)
    survey(search, cache=cache)
    assert asked() == 1
    with pytest.raises(UnsatisfiableError, match="exit code 3"):
        find([path], None, search, cache=cache)
    assert asked() == 2
    os.utime(path, ns=(0, 12345))
    survey(search, cache=cache)
    assert asked() == 3
    content = json.loads(Path(cache).read_bytes())
    content["interpreters"][path]["problem"]["time"] -= 3601
    Path(cache).write_text(json.dumps(content))
    survey(search, cache=cache)
    assert asked() == 4


def test_an_environment_on_path_whose_base_is_gone_is_named(tmp_path: Path, cache: str) -> None:
    path = script(tmp_path / "env/bin/python", "exit 0")
    (tmp_path / "env/pyvenv.cfg").write_text("home = /nowhere/bin\n")
    (one,) = survey(nowhere(path=(str(tmp_path / "env/bin"),)), cache=cache)
    assert (one.path, one.kind) == (path, "missing")
    assert "base interpreter is gone" in (one.reason or "")
