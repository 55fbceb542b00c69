"""What the log says of operations that are done, fail, are killed, or are part of others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provenv.core.errors import DiskError, InputError, NetworkError, UsageError, safe_of
from provenv.core.events import ChangeBegun, Event, PhaseStarted, Warned
from provenv.core.values import replace
from provenv.model.layout import HomeLayout
from provenv.workspace import logged
from provenv.workspace.operations import reading, recording
from provenv.workspace.operations.reading import LoggedOperation
from provenv.workspace.projects.context import Context


@pytest.fixture
def heard() -> list[Event]:
    return []


@pytest.fixture
def context(tmp_path: Path, heard: list[Event]) -> Context:
    return Context(
        home=HomeLayout(str(tmp_path / "home")),
        environ={"LOGNAME": "ada"},
        user_home=str(tmp_path),
        emit=heard.append,
        cause="provenv add six",
    )


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "pyproject.toml").write_text("")
    return folder


def make_generation(folder: Path, number: int) -> None:
    """A generation as far as the log looks at it."""
    own = folder / f"generations/{number}/.provenv"
    own.mkdir(parents=True)
    contents = {"format": 1, "environment": "dev", "lock-digest": str(number) * 64}
    (own / "contents.json").write_text(json.dumps(contents, indent=1))
    (folder / "current").unlink(missing_ok=True)
    (folder / "current").symlink_to(f"generations/{number}")


def only(context: Context) -> LoggedOperation:
    (one,) = reading.log(context).operations
    return one


def raw(context: Context) -> list[dict[str, Any]]:
    path = Path(logged.path(context.home.root))
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_what_is_done_has_both_sides(context: Context, shop: Path) -> None:
    folder = shop / ".venv"
    make_generation(folder, 1)
    with recording.recorded(
        context, "add", root=str(shop), environment="dev", folder=str(folder),
        paths=[str(shop / "pyproject.toml"), str(shop / "pylock.toml")],
    ) as operation:  # fmt: skip
        (shop / "pylock.toml").write_text("lock")
        make_generation(folder, 2)
        operation.facts["more"] = 3
    one = only(context)
    assert (one.outcome, one.operation, one.command) == ("done", "add", "provenv add six")
    assert (one.project, one.environment, one.folder) == (str(shop), "dev", str(folder))
    assert (one.before["generation"], one.before["lock"]) == (1, "1" * 64)
    assert one.before["files"]["pylock.toml"] is None
    assert one.after is not None
    assert (one.after["generation"], one.after["lock"], one.after["more"]) == (2, "2" * 64, 3)
    assert len(one.after["files"]["pylock.toml"]) == 64
    assert one.actor["user"] == "ada"
    assert one.actor["uid"] == os.getuid()
    assert one.ended is not None
    assert one.started <= one.ended


@pytest.mark.parametrize(
    ("environ", "system", "actor"),
    [
        ({"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "octocat", "CI": "true"}, "github", "octocat"),
        ({"GITLAB_CI": "true", "GITLAB_USER_LOGIN": "ada"}, "gitlab", "ada"),
        ({"JENKINS_URL": "http://j/", "BUILD_URL": "http://j/1"}, "jenkins", None),
        ({"CI": "1"}, "ci", None),
    ],
)
def test_a_ci_system_says_for_whom_it_works(
    context: Context, environ: dict[str, str], system: str, actor: str | None
) -> None:
    with recording.recorded(replace(context, environ=environ), "store-gc"):
        pass
    assert only(context).actor["ci"]["system"] == system
    assert only(context).actor["ci"]["actor"] == actor


def test_what_is_part_of_an_operation_is_not_another_one(context: Context) -> None:
    with recording.recorded(context, "add") as outer:
        with recording.recorded(outer.context, "lock") as inner:
            inner.facts["lost"] = True
        with recording.recorded(inner.context, "sync", at_once=False):
            pass
    assert only(context).operation == "add"
    assert "lost" not in (only(context).after or {})


@pytest.mark.parametrize(
    "event", [ChangeBegun(), *(PhaseStarted(phase=p) for p in ("fetch", "link"))]
)
def test_it_begins_with_the_first_change(
    context: Context, heard: list[Event], event: Event
) -> None:
    with recording.recorded(context, "sync", at_once=False) as operation:
        operation.context.emit(PhaseStarted(phase="resolve"))
        assert raw(context) == []
        operation.context.emit(event)
        assert [row["event"] for row in raw(context)] == ["begin"]
        operation.context.emit(event)
    assert [row["event"] for row in raw(context)] == ["begin", "end"]
    assert heard.count(event) == 2  # and whoever listens hears of it as before


def test_what_changes_nothing_leaves_nothing(context: Context) -> None:
    with recording.recorded(context, "sync", at_once=False):
        pass
    assert not os.path.lexists(context.home.root)


def test_a_failure_is_logged_also_where_nothing_had_begun(context: Context) -> None:
    error = NetworkError("the index does not answer")
    with pytest.raises(NetworkError), recording.recorded(context, "sync", at_once=False):
        raise error
    one = only(context)
    assert one.outcome == "failed"
    assert one.error == {"kind": "network", "message": "the index does not answer"}


@pytest.mark.parametrize("error", [UsageError("no such group"), InputError("no TOML")])
def test_what_is_refused_before_anything_was_tried_is_not(
    context: Context, error: UsageError | InputError
) -> None:
    with pytest.raises(type(error)), recording.recorded(context, "sync", at_once=False):
        raise error
    assert raw(context) == []


@pytest.mark.parametrize(
    "make", [lambda: NetworkError("no"), lambda: OSError(28, "full"), KeyboardInterrupt, ZeroDivisionError]
)  # fmt: skip
def test_whatever_fails_says_what_is_safe(
    context: Context, shop: Path, make: Callable[[], BaseException]
) -> None:
    make_generation(shop / ".venv", 4)
    error = make()
    with (
        pytest.raises(type(error)),
        recording.recorded(
            context, "add", root=str(shop), folder=str(shop / ".venv"),
            paths=[str(shop / "pyproject.toml"), str(shop / "pylock.toml")],
        ),
    ):  # fmt: skip
        fail(shop / "pylock.toml", error)
    assert safe_of(error) == (
        "generation 4 is current and untouched; pyproject.toml is as it was; pylock.toml was written"
    )
    outcome = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    assert only(context).outcome == outcome


def test_files_that_the_work_names_are_watched_from_then_on(context: Context, shop: Path) -> None:
    with (
        pytest.raises(NetworkError) as failed,
        recording.recorded(context, "sync", root=str(shop), at_once=False) as operation,
        recording.recorded(
            operation.context, "lock", root=str(shop), paths=[str(shop / "pyproject.toml")]
        ),
    ):
        raise NetworkError("no")
    assert failed.value.details["safe"] == "pyproject.toml is as it was"
    assert only(context).before["files"].keys() == {"pyproject.toml"}


def test_a_log_that_cannot_be_written_is_said_and_stops_nothing(
    context: Context, heard: list[Event]
) -> None:
    os.makedirs(context.home.root)
    Path(context.home.root, "log").write_text("a file, where a folder should be")
    with recording.recorded(context, "store-gc") as operation:
        operation.facts["done"] = True
    warned = [event for event in heard if isinstance(event, Warned)]
    assert len(warned) == 1
    assert "operations.jsonl cannot be written" in warned[0].message
    assert Path(context.home.root, "log").is_file()


def fail(path: Path, error: BaseException) -> None:
    path.write_text("half of it")
    raise error


@pytest.mark.parametrize("where", ["log", "log/operations.jsonl"])
def test_a_log_that_cannot_be_read_is_an_error_for_those_who_ask_for_it(
    context: Context, where: str
) -> None:
    place = Path(context.home.root, where)
    place.parent.mkdir(parents=True)
    place.symlink_to(place.name)  # it leads to itself
    with pytest.raises(DiskError, match="cannot read"):
        reading.log(context)
    with pytest.raises(DiskError, match="cannot read"):
        reading.check(context)
    assert reading.unresolved(context, "/shop", "/shop/.venv") is None
    assert reading.interrupted(context, "/shop", "/shop/.venv") == []


CHILD = """
import os, sys
from provenv.core.events import silent
from provenv.model.layout import HomeLayout
from provenv.workspace.operations.recording import recorded
from provenv.workspace.projects.context import Context
home, root = sys.argv[1:]
context = Context(home=HomeLayout(home), environ={}, user_home=root, cause="provenv sync")
with recorded(context, "sync", root=root, environment="dev", folder=f"{root}/.venv"):
    print("begun", flush=True)
    sys.stdin.read()
"""


def test_what_was_killed_is_interrupted_and_what_is_at_work_runs(
    context: Context, shop: Path
) -> None:
    make_generation(shop / ".venv", 4)
    source = Path(recording.__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, context.home.root, str(shop)],
        env={"PYTHONPATH": str(source)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        assert only(context).outcome == "running"
        assert only(context).safe is None
        assert reading.unresolved(context, str(shop), str(shop / ".venv")) is None
        process.send_signal(signal.SIGKILL)
    one = only(context)
    assert (one.outcome, one.ended, one.after) == ("interrupted", None, None)
    assert one.safe == ("generation 4 is current and untouched; `provenv sync` does it again")
    assert reading.unresolved(context, str(shop), str(shop / ".venv")) == one
    assert reading.interrupted(context, str(shop), str(shop / ".venv")) == [one]


def begun(context: Context, shop: Path, **process: object) -> None:
    """An operation without an end, by a process that is said to be another one."""
    subject = logged.Subject("sync", project=str(shop), environment="dev", folder=f"{shop}/.venv")
    line = json.loads(
        logged.begin(subject, "provenv sync", {}, logged.state(subject.folder), at=1.0)
    )
    line["actor"]["host"] = process.pop("host", line["actor"]["host"])
    line["process"].update(process)
    logged.write(context.home.root, [json.dumps(line)])


@pytest.mark.parametrize(
    ("process", "outcome"),
    [
        ({}, "running"),
        ({"started": "1"}, "interrupted"),  # its number belongs to this process now
        ({"boot": "an earlier start of the machine"}, "interrupted"),
        ({"namespace": "pid:[1]"}, "unknown"),
        ({"host": "another machine"}, "unknown"),
    ],
    ids=str,
)
def test_the_process_tells_what_became_of_it(
    context: Context, shop: Path, process: dict[str, str], outcome: str
) -> None:
    if not os.path.exists("/proc/self/stat"):
        pytest.skip("no /proc here")
    begun(context, shop, **process)
    assert only(context).outcome == outcome


def test_what_was_done_since_is_not_asked_for_again(context: Context, shop: Path) -> None:
    folder = str(shop / ".venv")
    begun(context, shop, started="1")
    with recording.recorded(context, "lock", root=str(shop)):
        pass
    assert reading.unresolved(context, str(shop), folder) is not None  # a lock makes no environment
    with (
        pytest.raises(NetworkError),
        recording.recorded(context, "sync", root=str(shop), folder=folder),
    ):
        raise NetworkError("no")
    assert reading.unresolved(context, str(shop), folder) is not None
    with recording.recorded(context, "sync", root=str(shop), folder=folder):
        make_generation(shop / ".venv", 1)
    assert reading.unresolved(context, str(shop), folder) is None
    (one,) = reading.interrupted(context, str(shop), folder)
    assert one.safe == "there is no environment yet"  # as it was then, not as it is now


def test_an_operation_that_had_switched_says_so(context: Context, shop: Path) -> None:
    make_generation(shop / ".venv", 1)
    begun(context, shop, started="1")
    make_generation(shop / ".venv", 2)
    assert only(context).safe == (
        "generation 2 is whole and current; generation 1 is untouched; "
        "`provenv status` says whether all of it agrees"
    )


def test_other_projects_and_environments_are_left_out(context: Context, shop: Path) -> None:
    for root, name in (
        ("/a", "dev"),
        ("/b", "dev"),
        ("/a", "prod"),
        ("/a/member", "x"),
        ("/ab", "y"),
    ):
        with recording.recorded(
            context, "sync", root=root, environment=name, folder=f"{root}/{name}"
        ):
            pass
    with recording.recorded(context, "store-gc"):
        pass

    def told(**only: Any) -> list[tuple[str | None, str | None]]:
        return [(one.project, one.environment) for one in reading.log(context, **only).operations]

    assert told(project="/a") == [
        (None, None), ("/a/member", "x"), ("/a", "prod"), ("/a", "dev"),
    ]  # fmt: skip
    assert told(environment="dev") == [("/b", "dev"), ("/a", "dev")]
    assert told(limit=1) == [(None, None)]
    assert reading.log(context, limit=1).more
    assert not reading.log(context, limit=6).more
    assert told(since="2999-01-01T00:00:00.000Z") == []


def test_lines_that_are_not_whole_are_named(context: Context) -> None:
    with recording.recorded(context, "store-gc"):
        pass
    path = Path(logged.path(context.home.root))
    with path.open("ab") as stream:
        stream.write(b'{"time": "2026')
    found = reading.log(context)
    assert [one.outcome for one in found.operations] == ["done"]
    assert found.unreadable == ((str(path), 3),)
    with recording.recorded(context, "repair"):
        pass
    found = reading.log(context)
    assert [one.operation for one in found.operations] == ["repair", "store-gc"]
    assert found.unreadable == ((str(path), 3),)
    assert reading.check(context).ok


BAD_FILES = (
    b'{"time": "", "id": "", "event": "begin", "operation": "", '
    b'"actor": {}, "process": {}, "before": {"files": 1}}'
)


@pytest.mark.parametrize(
    "line",
    [
        b"[]", b"{}", b"null", b"\xff\xfe", b'{"event": "begin"}', b'{"event": "end", "id": 3}',
        b'{"time": "t", "id": "i", "event": "begin", "operation": "sync", "before": 3}',
        b'{"time": "", "id": "", "event": "begin", "operation": "", "project": 1}',
        BAD_FILES,
        b'{"time": "t", "id": "i", "event": "end", "operation": "sync", "after": {}, "outcome": "no"}',
    ],
)  # fmt: skip
def test_lines_of_others_are_named_and_skipped(context: Context, line: bytes) -> None:
    with recording.recorded(context, "sync", root="/a", folder="/a/.venv"):
        pass
    with open(logged.path(context.home.root), "ab") as stream:
        stream.write(line + b"\n")
    found = reading.log(context)
    assert [one.operation for one in found.operations] == ["sync"]
    assert [number for _, number in found.unreadable] == [3]
    assert reading.interrupted(context, "/a", "/a/.venv") == []
    reading.check(context)


def test_a_line_that_says_little_is_read(context: Context) -> None:
    """As another version may write it."""
    row = {"time": "t", "id": "i", "event": "begin", "operation": "sync"}
    logged.write(context.home.root, [json.dumps({**row, "actor": {}, "process": {}, "before": {}})])
    one = only(context)
    assert one.outcome == "unknown"
    assert one.actor["host"] is None


@pytest.mark.parametrize("attack", ["change", "remove", "insert"])
def test_who_changes_the_log_is_found(context: Context, attack: str) -> None:
    for _ in range(3):
        with recording.recorded(context, "store-gc"):
            pass
    assert reading.check(context).ok
    path = Path(logged.path(context.home.root))
    lines = path.read_text().splitlines()
    if attack == "change":
        lines[2] = lines[2].replace("provenv add six", "provenv add ten")
    elif attack == "remove":
        del lines[2:4]
    else:
        lines.insert(2, lines[0])
    path.write_text("\n".join(lines) + "\n")
    checked = reading.check(context)
    assert not checked.ok
    assert checked.broken[0][1] in (3, 4)


def test_a_clock_that_is_set_back_changes_no_order(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    for verb, now in (("sync", 2_000_000_000.0), ("rollback", 1_600_000_000.0)):
        monkeypatch.setattr("time.time", lambda now=now: now)
        with recording.recorded(context, verb):
            pass
    assert [one.operation for one in reading.log(context).operations] == ["rollback", "sync"]
    assert reading.log(context).operations[0].started == "2020-09-13T12:26:40.000Z"


def test_paths_that_are_no_text_go_in_and_come_out(context: Context) -> None:
    root = os.fsdecode(b'/tmp/\xff "quoted"\nand broken')
    with recording.recorded(context, "sync", root=root, environment="dev", folder=f"{root}/.venv"):
        pass
    assert only(context).project == root
    assert reading.log(context, project=root).operations
    assert len(raw(context)) == 2
