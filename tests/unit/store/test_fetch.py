"""From a server or a disk into the store, through every fault that a network has."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import provenv
from provenv.core.errors import (
    DiskError,
    InputError,
    IntegrityError,
    NetworkError,
    ProvenvError,
    UndecidedError,
)
from provenv.core.events import (
    Event,
    ItemAdvanced,
    ItemFinished,
    ItemStarted,
    PhaseFinished,
    PhaseStarted,
    Retrying,
)
from provenv.core.http import HttpSettings
from provenv.model.layout import HomeLayout
from provenv.model.plan import Artifact
from provenv.store import crew
from provenv.store.download import download
from provenv.store.fetch import ahead, fetch
from provenv.store.fetching import _Arrivals, _Arrived
from provenv.store.objects import read_object, require_object
from provenv.store.worker import decode_error, encode_error
from unit.store import server as faults
from unit.store.server import Server
from unit.store.wheelmaker import Made, Wheel

HTTP = HttpSettings(attempts=3, backoff=0.01, timeout=5)
CREWS = pytest.mark.parametrize("workers", [0, 2])


def publish(server: Server, folder: Path, *wheels: Wheel, index: str = "") -> list[Artifact]:
    artifacts = []
    for wheel in wheels:
        made = wheel.save(folder / "published")
        server.files[made.filename] = made.path.read_bytes()
        artifacts.append(artifact(made, wheel, url=f"{server.url}/{made.filename}", index=index))
    return artifacts


def artifact(
    made: Made, wheel: Wheel, *, url: str = "", path: str = "", index: str = ""
) -> Artifact:
    return Artifact(
        name=wheel.name,
        version=wheel.version,
        kind="wheel",
        filename=made.filename,
        sha256=made.sha256,
        size=made.size,
        url=url,
        path=path,
        index=index,
    )


def some_wheels(count: int) -> list[Wheel]:
    return [
        Wheel(name=f"p{n}", files={f"p{n}/__init__.py": b"x = 1\n" * n, f"p{n}/d": bytes(n * 999)})
        for n in range(count)
    ]


def assert_clean(layout: HomeLayout, present: Sequence[Artifact] = ()) -> None:
    assert os.listdir(layout.tmp) == []
    there = {name for _, names, _ in os.walk(layout.wheels) for name in names if len(name) == 64}
    assert there >= {item.sha256 for item in present}
    for sha256 in there:
        require_object(layout, sha256)


@CREWS
def test_every_wheel_that_is_missing_is_brought(
    server: Server, layout: HomeLayout, tmp_path: Path, workers: int
) -> None:
    artifacts = publish(server, tmp_path, *some_wheels(12))
    wanted = {item.sha256: item.sha256 for item in artifacts}
    fetch(layout, artifacts[:3], base="", http=HTTP, workers=workers)
    assert fetch(layout, artifacts, base="", http=HTTP, workers=workers) == wanted
    assert fetch(layout, artifacts, base="", http=HTTP) == wanted
    assert set(server.asked.values()) == {1}
    assert_clean(layout, artifacts)


def test_without_work_nothing_is_said_and_nothing_started(layout: HomeLayout) -> None:
    events: list[Event] = []
    assert fetch(layout, [], base="", http=HTTP, emit=events.append) == {}
    assert events == []


@CREWS
def test_events_tell_what_arrives(
    server: Server, layout: HomeLayout, tmp_path: Path, workers: int
) -> None:
    big = Wheel(name="big", files={"big.bin": os.urandom(3 << 20)})
    artifacts = publish(server, tmp_path, big, Wheel())
    server.faults[artifacts[0].filename] = [faults.cut]
    events: list[Event] = []
    fetch(layout, artifacts, base="", http=HTTP, emit=events.append, workers=workers)
    total = sum(item.size or 0 for item in artifacts)
    assert events[0] == PhaseStarted(phase="fetch", total=2, size=total)
    assert isinstance(events[-1], PhaseFinished)
    assert events[-1].count == 2
    for item in artifacts:
        assert ItemStarted(phase="fetch", name=item.label, size=item.size) in events
        assert ItemFinished(phase="fetch", name=item.label) in events
        moved = [e.amount for e in events if isinstance(e, ItemAdvanced) and e.name == item.label]
        assert sum(moved) == item.size
    assert 4 < sum(isinstance(event, ItemAdvanced) for event in events) < 20
    assert sum(isinstance(event, Retrying) for event in events) == 1


def test_files_beside_the_lock_and_file_addresses(layout: HomeLayout, tmp_path: Path) -> None:
    one, other = Wheel(name="one"), Wheel(name="other")
    artifacts = [
        artifact(one.save(tmp_path / "with space"), one, path=f"with space/{one.filename}"),
        artifact(
            other.save(tmp_path / "with space"),
            other,
            url=f"file://{tmp_path}/with%20space/{other.filename}",
        ),
    ]
    offline = HttpSettings(offline=True)
    fetch(layout, artifacts, base=str(tmp_path), http=offline)
    assert_clean(layout, artifacts)
    (tmp_path / "with space" / one.filename).unlink()
    gone = Artifact(name="one", version="1", kind="wheel", filename="o", sha256="0", path="gone")
    with pytest.raises(DiskError, match="gone"):
        fetch(layout, [gone], base=str(tmp_path), http=offline)


def test_what_is_not_a_wheel_is_refused(layout: HomeLayout) -> None:
    sdist = Artifact(name="a", version="1", kind="sdist", filename="a-1.tar.gz", sha256="0" * 64)
    with pytest.raises(ValueError, match="not a wheel"):
        fetch(layout, [sdist], base="", http=HTTP)


@CREWS
@pytest.mark.parametrize("fault", [faults.cut, faults.short, faults.long, faults.status(503)])
def test_a_fault_that_passes_is_survived(
    server: Server, layout: HomeLayout, tmp_path: Path, fault: faults.Fault, workers: int
) -> None:
    artifacts = publish(server, tmp_path, Wheel(), Wheel(name="other"))
    server.faults[artifacts[0].filename] = [fault, fault]
    fetch(layout, artifacts, base="", http=HTTP, workers=workers)
    assert server.asked[artifacts[0].filename] == 3
    assert_clean(layout, artifacts)


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        (faults.cut, NetworkError, "the connection broke"),
        (faults.short, IntegrityError, "size mismatch"),
        (faults.long, IntegrityError, "or more bytes"),
        (faults.status(500), NetworkError, "500"),
    ],
)
def test_a_fault_that_stays_is_an_error(
    server: Server,
    layout: HomeLayout,
    tmp_path: Path,
    fault: faults.Fault,
    kind: type[ProvenvError],
    reason: str,
) -> None:
    artifacts = publish(server, tmp_path, Wheel())
    server.faults[artifacts[0].filename] = [fault] * 9
    with pytest.raises(kind, match=reason) as caught:
        fetch(layout, artifacts, base="", http=HTTP)
    assert "demo" in caught.value.message
    assert server.asked[artifacts[0].filename] == HTTP.attempts
    assert_clean(layout)


def test_wrong_bytes_are_asked_for_once_more(
    server: Server, layout: HomeLayout, tmp_path: Path
) -> None:
    artifacts = publish(server, tmp_path, Wheel())
    name = artifacts[0].filename
    server.faults[name] = [faults.wrong]
    fetch(layout, artifacts, base="", http=HTTP)
    assert server.asked[name] == 2


@CREWS
def test_wrong_bytes_twice_are_an_error(
    server: Server, layout: HomeLayout, tmp_path: Path, workers: int
) -> None:
    artifacts = publish(server, tmp_path, Wheel(), *some_wheels(3))
    name = artifacts[0].filename
    server.faults[name] = [faults.wrong] * 9
    with pytest.raises(IntegrityError) as caught:
        fetch(layout, artifacts, base="", http=HTTP, workers=workers)
    assert server.asked[name] == 2
    for part in (name, artifacts[0].sha256, f"{server.url}/{name}"):
        assert part in caught.value.message
    assert caught.value.details["wanted"] == artifacts[0].sha256
    assert_clean(layout)


@pytest.mark.parametrize("code", [401, 403, 404])
def test_a_refusal_names_the_index_and_the_package(
    server: Server, layout: HomeLayout, tmp_path: Path, code: int
) -> None:
    index = "https://me:secret@index.example/simple"
    artifacts = publish(server, tmp_path, Wheel(), index=index)
    server.faults[artifacts[0].filename] = [faults.status(code)] * 9
    with pytest.raises(NetworkError, match=str(code)) as caught:
        fetch(layout, artifacts, base="", http=HTTP)
    assert "demo 1.0 (index https://****@index.example/simple)" in caught.value.message
    assert "secret" not in f"{caught.value.message}{caught.value.details}"
    assert caught.value.details["status"] == code
    assert caught.value.hint
    assert server.asked[artifacts[0].filename] == 1


def test_offline_is_an_error_that_names_the_package(
    server: Server, layout: HomeLayout, tmp_path: Path
) -> None:
    artifacts = publish(server, tmp_path, Wheel())
    with pytest.raises(NetworkError, match=r"demo 1\.0.*offline"):
        fetch(layout, artifacts, base="", http=HttpSettings(offline=True))


@CREWS
def test_one_bad_wheel_stops_the_rest_with_its_own_error(
    server: Server, layout: HomeLayout, tmp_path: Path, workers: int
) -> None:
    bad = Wheel(name="bad", files={"bad/link": b"x" * 99999}, modes={"bad/link": 0o120777})
    artifacts = publish(server, tmp_path, bad, *some_wheels(4))
    with pytest.raises(InputError) as caught:
        fetch(layout, artifacts, base="", http=HTTP, workers=workers)
    assert "bad/link" in caught.value.message
    assert "a symlink" in caught.value.message
    assert caught.value.details["member"] == "bad/link"
    assert caught.value.hint
    assert read_object(layout, artifacts[0].sha256) is None
    assert_clean(layout)


def test_a_failure_does_not_wait_for_a_download_that_hangs(
    server: Server, layout: HomeLayout, tmp_path: Path
) -> None:
    artifacts = publish(server, tmp_path, *some_wheels(2))
    server.faults[artifacts[0].filename] = [faults.hang]
    server.faults[artifacts[1].filename] = [faults.status(404)]
    begin = time.monotonic()
    with pytest.raises(NetworkError, match="404"):
        fetch(layout, artifacts, base="", http=HTTP)
    assert time.monotonic() - begin < 3
    assert_clean(layout)


def test_errors_cross_processes_as_they_were() -> None:
    error = InputError("no", file="a.whl", key="b", line=3, hint="do", details={"x": [1]})
    again = decode_error(encode_error(error))
    assert type(again) is InputError
    assert (again.message, again.hint, again.details) == (error.message, "do", error.details)
    assert str(again) == str(error)


def test_a_worker_that_is_killed_is_an_error_and_leaves_nothing(
    server: Server, layout: HomeLayout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts = publish(server, tmp_path, *some_wheels(4))
    started: list[crew.Worker] = []
    original = crew.Worker._send

    def send_and_kill(self: crew.Worker, message: dict[str, str]) -> None:
        if "wheel" in message:
            self._process.kill()
            self._process.wait()
            started.append(self)
        original(self, message)

    monkeypatch.setattr(crew.Worker, "_send", send_and_kill)
    with pytest.raises(UndecidedError, match="killed by signal 9"):
        fetch(layout, artifacts, base="", http=HTTP, workers=2)
    assert started
    assert_clean(layout)
    monkeypatch.undo()
    fetch(layout, artifacts, base="", http=HTTP, workers=2)
    assert_clean(layout, artifacts)


def test_a_crew_that_was_started_ahead_unpacks_and_is_ended(
    server: Server, layout: HomeLayout, tmp_path: Path
) -> None:
    artifacts = publish(server, tmp_path, *some_wheels(6))
    with ahead(layout, [4 << 20]) as early:
        assert early is not None
        processes = [worker._process for worker in early.workers]
        fetch(layout, artifacts, base="", http=HTTP, crew=early)
        assert processes
        assert all(process.poll() is not None for process in processes)
        more = publish(server, tmp_path, Wheel(name="more"))
        fetch(layout, more, base="", http=HTTP, crew=early)  # as after damage: it is gone by now
    assert_clean(layout, [*artifacts, *more])


def test_a_crew_for_which_nothing_was_left_to_do_leaves_nothing(layout: HomeLayout) -> None:
    with ahead(layout, [4 << 20]) as early:
        assert early is not None
        processes = [worker._process for worker in early.workers]
    assert processes
    assert all(process.poll() is not None for process in processes)
    assert_clean(layout)


def test_no_crew_starts_ahead_for_little_or_where_the_store_may_have_it_all(
    layout: HomeLayout,
) -> None:
    with ahead(layout, [1000, 2000]) as early:
        assert early is None
    os.makedirs(layout.wheels)
    with ahead(layout, [4 << 20]) as early:
        assert early is None


def test_what_arrived_is_unpacked_biggest_first_and_an_error_goes_before_all(
    tmp_path: Path,
) -> None:
    items = [
        _Arrived(artifact(wheel.save(tmp_path), wheel), wheel.name) for wheel in some_wheels(4)
    ]
    arrivals = _Arrivals()
    for item in [items[1], items[3], items[0], items[2]]:
        arrivals.put(item)
    error = InputError("no", file="a.whl")
    arrivals.put(error)
    assert arrivals.get() is error
    assert [arrivals.get() for _ in items] == sorted(items, key=lambda i: -(i.artifact.size or 0))


PROGRAM = """
import sys
from provenv.core.http import HttpSettings
from provenv.model.layout import HomeLayout
from provenv.model.plan import Artifact
from provenv.store.fetch import fetch
home, workers, *rows = sys.argv[1:]
artifacts = []
for row in rows:
    filename, sha256, size, url = row.split("|")
    artifacts.append(Artifact(name=filename.split("-")[0], version="1.0", kind="wheel",
                              filename=filename, sha256=sha256, size=int(size), url=url))
print("begin", flush=True)
fetch(HomeLayout(home), artifacts, base="", http=HttpSettings(timeout=9), workers=int(workers))
print("end", flush=True)
"""


def start(
    layout: HomeLayout, artifacts: Sequence[Artifact], workers: int
) -> "subprocess.Popen[str]":
    rows = [f"{a.filename}|{a.sha256}|{a.size}|{a.url}" for a in artifacts]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, layout.root, str(workers), *rows],
        env={"PYTHONPATH": os.path.dirname(provenv.__path__[0])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    _, errors = process.communicate(timeout=30)
    return process.returncode, errors


def test_several_processes_bring_the_same_wheels_at_once(
    server: Server, layout: HomeLayout, tmp_path: Path
) -> None:
    artifacts = publish(server, tmp_path, *some_wheels(6))
    for code, errors in [finish(p) for p in [start(layout, artifacts, n % 3) for n in range(4)]]:
        assert code == 0, errors
    assert_clean(layout, artifacts)


@CREWS
def test_ctrl_c_ends_at_once_and_leaves_nothing(
    server: Server, layout: HomeLayout, tmp_path: Path, workers: int
) -> None:
    artifacts = publish(server, tmp_path, *some_wheels(4))
    server.faults[artifacts[3].filename] = [faults.hang]
    process = start(layout, artifacts, workers)
    wait_for(lambda: len(list_objects(layout)) == 3)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = finish(process)
    assert time.monotonic() - begin < 3
    assert "KeyboardInterrupt" in errors
    assert_clean(layout, artifacts[:3])


@CREWS
def test_a_killed_process_leaves_whole_objects_and_the_next_one_works(
    server: Server, layout: HomeLayout, tmp_path: Path, workers: int
) -> None:
    wheels = [
        Wheel(name=f"w{n}", files={f"w{n}/f{i}.py": b"x" * i for i in range(150)}) for n in range(6)
    ]
    artifacts = publish(server, tmp_path, *wheels)
    for delay in (0.0, 0.02, 0.05):
        process = start(layout, artifacts, workers)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.kill()
        process.communicate()
        for sha256 in list_objects(layout):
            require_object(layout, sha256)
    fetch(layout, artifacts, base="", http=HTTP, workers=workers)
    assert set(list_objects(layout)) == {item.sha256 for item in artifacts}


def list_objects(layout: HomeLayout) -> list[str]:
    return [name for _, names, _ in os.walk(layout.wheels) for name in names if len(name) == 64]


def wait_for(condition: object, seconds: float = 10) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_credentials_are_looked_up_in_this_process(
    server: Server, layout: HomeLayout, tmp_path: Path
) -> None:
    artifacts = publish(server, tmp_path, Wheel())
    server.faults[artifacts[0].filename] = [faults.status(401)]
    asked: list[tuple[str, int]] = []

    def look_up(url: str) -> None:
        asked.append((url, threading.get_native_id()))

    with pytest.raises(NetworkError, match="401"):
        fetch(layout, artifacts, base="", http=HTTP, look_up=look_up, workers=1)
    assert [url for url, _ in asked] == [artifacts[0].url]


def sdist(server: Server, content: bytes) -> Artifact:
    import hashlib

    server.files["demo-1.0.tar.gz"] = content
    return Artifact(
        name="demo",
        version="1.0",
        kind="sdist",
        filename="demo-1.0.tar.gz",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        url=f"{server.url}/demo-1.0.tar.gz",
    )


def test_download_gives_a_verified_file_and_keeps_it(server: Server, tmp_path: Path) -> None:
    item = sdist(server, b"source" * 1000)
    folder = tmp_path / "new" / "folder"
    path = download(item, str(folder), base="", http=HTTP)
    assert path == str(folder / "demo-1.0.tar.gz")
    assert Path(path).read_bytes() == b"source" * 1000
    assert download(item, str(folder), base="", http=HTTP) == path
    assert server.asked[item.filename] == 1
    Path(path).write_bytes(b"changed")
    assert Path(download(item, str(folder), base="", http=HTTP)).read_bytes()[:6] == b"source"
    assert os.listdir(folder) == ["demo-1.0.tar.gz"]


def test_a_download_that_fails_leaves_nothing(server: Server, tmp_path: Path) -> None:
    item = sdist(server, b"source")
    server.faults[item.filename] = [faults.wrong] * 9
    with pytest.raises(IntegrityError):
        download(item, str(tmp_path / "d"), base="", http=HTTP)
    assert os.listdir(tmp_path / "d") == []
    folder = Artifact(name="a", version="1", kind="directory", path="a")
    with pytest.raises(ValueError, match="no file"):
        download(folder, str(tmp_path), base="", http=HTTP)
