from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from provenv.core import watchdog
from provenv.core.errors import DiskError
from provenv.core.watchdog import Outcome, Watched, last_line, run_watched
from support.leftovers import MARK, marked, wait_for_marked

linux = pytest.mark.skipif(sys.platform != "linux", reason="found through /proc")
SOURCE = str(Path(watchdog.__file__).parents[2])


@pytest.fixture
def mark() -> Iterator[str]:
    mark = uuid.uuid4().hex
    yield mark
    for pid in marked(mark):
        os.kill(pid, signal.SIGKILL)


def watched(
    folder: Path,
    *command: str,
    mark: str = "",
    timeout: float | None = 30,
    grace: float = 5,
    until: str | None = None,
) -> Outcome:
    """What becomes of a command; it is cancelled when its log has the line ``until``."""

    def cancel(one: Watched) -> None:
        wait_for_line(folder, until or "")
        one.cancel()
        one.cancel()  # once more does no harm

    threads: list[threading.Thread] = []

    def meanwhile(one: Watched) -> None:
        if until is not None and not threads:
            threads.append(threading.Thread(target=cancel, args=(one,)))
            threads[0].start()

    got = run_watched(
        command,
        cwd=str(folder),
        environ={"PATH": os.environ["PATH"], MARK: mark},
        log=str(folder / "logs" / "cell.log"),
        timeout=timeout,
        grace=grace,
        meanwhile=meanwhile,
    )
    for thread in threads:
        thread.join()
    return got


def wait_for_line(folder: Path, line: str) -> None:
    over = time.monotonic() + 30
    while line not in log_of(folder).splitlines() and time.monotonic() < over:
        time.sleep(0.01)


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", textwrap.dedent(code)]


def log_of(folder: Path) -> str:
    log = folder / "logs" / "cell.log"
    return log.read_text() if log.exists() else ""


def test_a_command_runs_where_it_should_with_what_it_should_and_is_logged(tmp_path: Path) -> None:
    code = """
        import os, sys
        print(os.getcwd(), sorted(os.environ), sys.stdin.read() == "", flush=True)
        print("aside", file=sys.stderr)
        sys.exit(7)
    """
    got = watched(tmp_path, *python(code))
    assert (got.how, got.code, got.good, got.ended, got.alive) == ("exited", 7, False, 0, 0)
    names = sorted([MARK, "PATH", *(["LC_CTYPE"] if "LC_CTYPE" in log_of(tmp_path) else [])])
    assert log_of(tmp_path) == f"{tmp_path} {names} True\naside\n"
    assert last_line(str(tmp_path / "logs" / "cell.log")) == "aside"


def test_arguments_and_variables_arrive_as_they_are(tmp_path: Path) -> None:
    words = ["", "two\nlines", "ä", "\udcff", "$HOME", "x" * 100_000]
    environ = {"EMPTY": "", "EQUALS": "a=b", "ODD": "\udcff\n"}
    code = "import os, sys; print([*map(ascii, sys.argv[1:])], ascii(dict(os.environ)))"
    log = str(tmp_path / "log")
    command = [sys.executable, "-I", "-S", "-c", code, *words]
    assert run_watched(command, cwd=str(tmp_path), environ=environ, log=log).good
    text = Path(log).read_text()
    assert str([*map(ascii, words)]) in text
    assert all(f"{name!r}: {value!a}" in text for name, value in environ.items())


def test_a_log_that_is_written_anew_has_nothing_of_what_stood_there(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("of another command\n")
    for text in ("first", "second"):
        words = ["/bin/echo", text]
        assert run_watched(words, cwd=str(tmp_path), environ={}, log=str(log), anew=True).good
        assert log.read_text() == f"{text}\n"


def test_a_signal_that_ends_a_command_is_told(tmp_path: Path) -> None:
    got = watched(tmp_path, "sh", "-c", "kill -SEGV $$")
    assert (got.how, got.signal, got.code) == ("signalled", signal.SIGSEGV, None)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("there-is-no-such-command", "command not found: there-is-no-such-command"),
        ("./plain", "cannot execute ./plain: Permission denied"),
        ("a\0b", "there is a NUL in it"),
    ],
)
def test_a_command_that_cannot_be_started_says_why(tmp_path: Path, word: str, reason: str) -> None:
    (tmp_path / "plain").write_text("not executable")
    got = watched(tmp_path, word)
    assert (got.how, got.code, got.reason) == ("unstarted", None, reason)


def test_a_folder_that_is_not_there_and_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    got = run_watched(["true"], cwd=str(tmp_path / "gone"), environ={"PATH": "/bin"}, log=log)
    assert got.reason == f"cannot enter {tmp_path}/gone: No such file or directory"
    with pytest.raises(DiskError):
        run_watched(["true"], cwd=str(tmp_path), environ={}, log=f"{log}/below/a/file")


def test_a_command_ends_when_its_time_is_over(tmp_path: Path, mark: str) -> None:
    got = watched(tmp_path, "sleep", "600", mark=mark, timeout=0.1)
    assert (got.how, got.code, got.ended, got.alive) == ("late", None, 1, 0)
    assert marked(mark) == []


def test_cancelled_is_even_what_ignores_sigterm(tmp_path: Path, mark: str) -> None:
    code = """
        import signal, subprocess, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen(["sleep", "600"])
        print("up", flush=True)
        time.sleep(600)
    """
    got = watched(tmp_path, *python(code), mark=mark, until="up", grace=0.2)
    assert (got.how, got.code, got.ended, got.alive) == ("cancelled", None, 2, 0)
    assert marked(mark) == []
    assert log_of(tmp_path) == "up\n"


def test_there_is_time_to_clean_up(tmp_path: Path) -> None:
    code = "trap 'echo cleaned; exit 1' TERM; echo up; while :; do sleep 0.05; done"
    got = watched(tmp_path, "sh", "-c", code, until="up")
    assert got.how == "cancelled"
    assert log_of(tmp_path).endswith("cleaned\n")


DAEMON = """
    import os, signal, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            print("hidden", flush=True)
            time.sleep(600)
        os._exit(0)
    os.wait()
    time.sleep(float(sys.argv[1]))
"""


@linux
@pytest.mark.parametrize(("stays", "how"), [("0", "exited"), ("600", "cancelled")])
def test_who_hides_in_another_session_is_found(
    tmp_path: Path, mark: str, stays: str, how: str
) -> None:
    until = "hidden" if how == "cancelled" else None
    got = watched(tmp_path, *python(DAEMON), stays, mark=mark, until=until, grace=0.1)
    assert (got.how, got.alive) == (how, 0)
    assert got.ended == (1 if how == "exited" else 2)
    assert marked(mark) == []
    assert log_of(tmp_path) == "hidden\n"


@linux
def test_what_forks_as_fast_as_it_is_killed_ends(tmp_path: Path, mark: str) -> None:
    code = """
        import os, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        print("up", flush=True)
        while True:  # always somewhere else
            if os.fork():
                os._exit(0)
            os.setsid()
            time.sleep(0.001)
    """
    got = watched(tmp_path, *python(code), mark=mark, until="up", grace=0.1)
    assert got.alive == 0
    assert marked(mark) == []


PARENT = """
    import os, sys
    from provenv.core.watchdog import forked, run_watched
    supervisor = forked() if sys.argv[1] == "forked" else None
    run_watched(
        sys.argv[2:], cwd="/", environ=os.environ, log="logs/cell.log", grace=0.2,
        supervisor=supervisor,
    )
"""


@linux
@pytest.mark.parametrize("kind", ["forked", "started"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_the_process_that_asked_for_it(
    tmp_path: Path, mark: str, number: signal.Signals, kind: str
) -> None:
    environ = {**os.environ, MARK: mark, "PYTHONPATH": SOURCE}
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(PARENT),
            kind,
            *python(DAEMON),
            "600",
        ],
        env=environ,
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for_line(tmp_path, "hidden")
        # the parent, its supervisor, the command and the daemon
        assert len(wait_for_marked(mark, 4)) == 4
        parent.send_signal(number)
        parent.wait(30)
        assert wait_for_marked(mark, 0) == []
    finally:
        parent.kill()
        parent.wait()


@linux
def test_a_fork_that_holds_the_pipe_does_not_hide_the_death_of_the_parent(
    tmp_path: Path, mark: str
) -> None:
    code = """
        import os, sys, time
        from provenv.core.watchdog import watch
        watch(["sleep", "600"], cwd="/", environ=os.environ, log=sys.argv[1])
        if os.fork() == 0:
            time.sleep(600)
        time.sleep(600)
    """
    environ = {**os.environ, MARK: mark, "PYTHONPATH": SOURCE}
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "log")], env=environ
    )
    assert len(wait_for_marked(mark, 4)) == 4  # parent, supervisor, sleep, fork
    parent.kill()
    parent.wait()
    (fork,) = wait_for_marked(mark, 1)
    os.kill(fork, signal.SIGKILL)


@linux
def test_where_the_supervisor_is_killed_that_is_told(tmp_path: Path, mark: str) -> None:
    def meanwhile(one: Watched) -> None:
        assert len(wait_for_marked(mark, 2)) == 2  # a shell, and what it waits for
        os.kill(one._supervisor.pid, signal.SIGKILL)

    got = run_watched(
        ["sh", "-c", "sleep 600; true"],
        cwd=str(tmp_path),
        environ={"PATH": os.environ["PATH"], MARK: mark},
        log=str(tmp_path / "log"),
        meanwhile=meanwhile,
    )
    assert (got.how, got.good) == ("lost", False)
    assert wait_for_marked(mark, 0) == []


def test_the_last_line_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_line(str(log)) == ""
    log.write_bytes(b"x" * 10_000 + b"\nthe\x1b[31m last\xff\n \n\n")
    assert last_line(str(log)) == "the[31m last\ufffd"


def test_who_looks_on_and_fails_leaves_nothing(tmp_path: Path, mark: str) -> None:
    looks: list[Watched] = []

    def meanwhile(one: Watched) -> None:
        looks.append(one)
        if len(looks) == 3:
            raise ValueError("of its own")

    environ = {"PATH": os.environ["PATH"], MARK: mark}
    with pytest.raises(ValueError, match="of its own"):
        run_watched(
            ["sleep", "600"],
            cwd=str(tmp_path),
            environ=environ,
            log=str(tmp_path / "log"),
            meanwhile=meanwhile,
        )
    assert len({*map(id, looks)}) == 1
    assert marked(mark) == []


ASKING = """
    import json, os, signal, sys
    from provenv.core.values import as_dict
    from provenv.core.watchdog import forked, run_watched

    asked = json.loads(sys.argv[1])
    os.set_inheritable(os.open("/", os.O_RDONLY), True)  # not the command's
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    sent = []

    def meanwhile(one):
        if asked["number"] and one.pid and not sent and "up" in open(asked["log"]).read():
            sent.append(os.kill(one._supervisor.pid, asked["number"]))

    got = run_watched(
        asked["command"],
        cwd=asked["cwd"],
        environ=asked["environ"],
        log=asked["log"],
        timeout=asked["timeout"],
        grace=0.2,
        meanwhile=meanwhile,
        supervisor=forked() if asked["forked"] else None,
    )
    print(json.dumps(as_dict(got)))
"""


def asked(
    folder: Path,
    *command: str,
    forked: bool = True,
    mark: str = "",
    timeout: float | None = 30,
    number: int = 0,
    cwd: str | None = None,
) -> Outcome:
    """What becomes of a command for which a process of one thread asks.

    ``number`` is a signal that its supervisor gets when its log has the word ``up``.
    """
    environ = {"PATH": os.environ["PATH"], MARK: mark}
    words = {
        "command": command,
        "cwd": cwd or str(folder),
        "environ": environ,
        "log": str(folder / "logs" / "cell.log"),
        "timeout": timeout,
        "number": number,
        "forked": forked,
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ASKING), json.dumps(words)],
        env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return Outcome(**json.loads(done.stdout))


both = pytest.mark.parametrize(
    "forked",
    [pytest.param(True, id="forked"), pytest.param(False, id="started", marks=pytest.mark.slow)],
)


@both
def test_output_and_exit_status_are_those_of_the_command(tmp_path: Path, forked: bool) -> None:
    code = """
        import sys
        print(sys.stdin.read() == "", flush=True)
        sys.stderr.write("aside, without an end of line")
        sys.exit(200)
    """
    got = asked(tmp_path, *python(code), forked=forked)
    assert (got.how, got.code, got.signal, got.ended, got.alive) == ("exited", 200, None, 0, 0)
    assert log_of(tmp_path) == "True\naside, without an end of line"
    asked(tmp_path, "sh", "-c", "echo; echo more", forked=forked)
    assert log_of(tmp_path).endswith("line\nmore\n")  # added to what was there
    got = asked(tmp_path, "sh", "-c", "kill -ABRT $$", forked=forked)
    assert (got.how, got.code, got.signal) == ("signalled", None, signal.SIGABRT)
    got = asked(tmp_path, "there-is-no-such-command", forked=forked)
    assert (got.how, got.reason) == (
        "unstarted",
        "command not found: there-is-no-such-command",
    )
    got = asked(tmp_path, "true", forked=forked, cwd=f"{tmp_path}/gone")
    assert got.reason == f"cannot enter {tmp_path}/gone: No such file or directory"


@linux
@both
def test_a_command_gets_nothing_of_who_asked_for_it(tmp_path: Path, forked: bool) -> None:
    """No open file, no signal that is ignored or blocked, not its session, and not its group."""
    code = """
        import os
        status = dict(line.split(":", 1) for line in open("/proc/self/status"))
        own = 1 << 12 | 1 << 24 | 3 << 31  # of Python, and the two that the C library keeps for itself
        masks = [int(status[key], 16) & ~own for key in ("SigBlk", "SigIgn")]
        print(sorted(os.listdir("/proc/self/fd"))[:-1], masks)  # the last is the listing itself
        print(os.getsid(0) == os.getpid() == os.getpgid(0))
    """
    assert asked(tmp_path, *python(code), forked=forked).good
    assert log_of(tmp_path) == "['0', '1', '2'] [0, 0]\nTrue\n"


@linux
@both
def test_a_time_out_takes_all_with_it(tmp_path: Path, mark: str, forked: bool) -> None:
    got = asked(tmp_path, *python(DAEMON), "600", forked=forked, mark=mark, timeout=0.6)
    assert (got.how, got.code, got.ended, got.alive) == ("late", None, 2, 0)
    assert got.seconds >= 0.6
    assert marked(mark) == []
    stopped = asked(tmp_path, "sh", "-c", "kill -STOP $$", forked=forked, mark=mark, timeout=0.3)
    assert (stopped.how, stopped.ended, stopped.alive) == ("late", 1, 0)
    assert marked(mark) == []


@linux
def test_what_a_command_leaves_behind_is_ended_by_a_fork_too(tmp_path: Path, mark: str) -> None:
    got = asked(tmp_path, *python(DAEMON), "0", mark=mark)
    assert (got.how, got.code, got.ended, got.alive) == ("exited", 0, 1, 0)
    assert marked(mark) == []


@linux
@both
@pytest.mark.parametrize(
    ("number", "how"),
    [
        (signal.SIGTERM, "cancelled"),
        (signal.SIGINT, "cancelled"),
        (signal.SIGHUP, "cancelled"),
        (signal.SIGKILL, "lost"),
    ],
)
def test_a_signal_to_the_supervisor_ends_the_command(
    tmp_path: Path, mark: str, forked: bool, number: signal.Signals, how: str
) -> None:
    code = "echo up; setsid sleep 600 & sleep 600" if how == "cancelled" else "echo up; sleep 600"
    got = asked(tmp_path, "sh", "-c", code, forked=forked, mark=mark, number=number)
    assert (got.how, got.code, got.good, got.alive) == (how, None, False, 0)
    assert wait_for_marked(mark, 0) == []


@linux
def test_a_supervisor_that_is_ended_before_it_begins_is_no_answer(
    tmp_path: Path, mark: str
) -> None:
    for delay in range(0, 60, 6):
        one = watchdog.watch(
            ["sleep", "600"],
            cwd=str(tmp_path),
            environ={"PATH": os.environ["PATH"], MARK: mark},
            log=str(tmp_path / "log"),
            grace=0.2,
        )
        time.sleep(delay / 1000)
        os.kill(one._supervisor.pid, signal.SIGTERM)
        got = one.wait(30)
        assert got is not None
        assert got.how in ("lost", "cancelled")
        assert wait_for_marked(mark, 0) == []


# the code of one process with one thread: what a test starts beside it would be forked, too
MANY = """
    import os, signal, sys, time
    from provenv.core.watchdog import Watched, forked, run_watched, watch

    def run(*command, log="log", timeout=30.0, meanwhile=None):
        got = run_watched(command, cwd="/", environ=dict(os.environ, WORD=log), log=log,
                          timeout=timeout, grace=0.2, supervisor=one, meanwhile=meanwhile)
        print(got.how, got.code, got.ended, open(log).read().split(), flush=True)

    one = forked()
    first = one.pid
    run("sh", "-c", "echo $WORD", log="a")
    run("there-is-no-such-command", log="b")
    run("sh", "-c", "echo $WORD; exit 3", log="c")
    run("sh", "-c", "setsid sleep 600 & exit 4", log="d")
    run("sleep", "600", log="e", timeout=0.1)
    run("sleep", "600", log="f", meanwhile=Watched.cancel)
    watched = watch(["true"], cwd="/", environ=os.environ, log="g", supervisor=one)
    time.sleep(0.2)
    watched.cancel()  # it has ended by itself, which nobody has heard yet
    print(watched.wait().how)
    run("sh", "-c", "echo $WORD", log="h")
    run("sleep", "600", log="i", meanwhile=lambda _: os.kill(one.pid, signal.SIGKILL))
    print(one.life, one.result)
    one = forked()
    os.kill(one.pid, signal.SIGTERM)  # while it has nothing to do
    os.waitpid(one.pid, 0)
    run("sh", "-c", "echo $WORD", log="j")
"""


@linux
def test_a_supervisor_serves_one_command_after_another(tmp_path: Path, mark: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MANY)],
        env={**os.environ, MARK: mark, "PYTHONPATH": SOURCE}, cwd=tmp_path,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "exited 0 0 ['a']",
        "unstarted None 0 []",
        "exited 3 0 ['c']",
        "exited 4 1 []",
        "late None 1 []",
        "cancelled None 1 []",
        "exited",
        "exited 0 0 ['h']",
        "lost None 0 []",
        "-1 -1",
        "lost None 0 []",
    ]
    assert wait_for_marked(mark, 0) == []
