"""`test --on`: cells on the workers of a real Dask scheduler, on loopback."""

from __future__ import annotations

import importlib.util
import json
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provenv import __version__
from support import Index, Project
from support.cluster import Cluster
from support.pythons import pyenv_python
from support.wheels import make_wheel

if importlib.util.find_spec("distributed") is None:  # importing it would take a second
    pytest.skip("distributed is not installed (provenv[dask])", allow_module_level=True)
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
# Says that it began; hides a child in a session of its own; and, where there is a file `hold`
# (or one for this cell), waits.
CELL = """
import os, pathlib, subprocess, sys, time
shared = pathlib.Path(sys.argv[1])
label = os.environ["PROVENV_CELL"]
with open(shared / "begun", "a") as log:
    log.write(label + "\\n")
subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"], start_new_session=True)
print("begun", label, flush=True)
while any((shared / name).exists() for name in ("hold", f"hold {label}")):
    time.sleep(0.02)
print("done", label, flush=True)
"""


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


@pytest.fixture
def shop(project: Project, index: Index, shared: Path, tmp_path: Path) -> Project:
    """A project with a matrix of four cells, which differ in the version that they hold."""
    for version in ("1.0", "2.0", "3.0", "4.0"):
        index.add(make_wheel(tmp_path, "lib", version))
    variants = ", ".join(f'{{ name = "lib{n}", packages = ["lib=={n}.0"] }}' for n in range(1, 5))
    project.pyproject(
        f"""
        [project]
        name = "shop"
        version = "1.0"
        requires-python = ">=3.9"
        dependencies = ["lib"]

        [tool.provenv.matrix]
        python = ["{HERE}"]
        environment = "dev"
        with = [{variants}]
        command = ["python", "cell.py", "{shared}"]
        """
    )
    project.write("cell.py", CELL)
    return project


@pytest.fixture
def cluster(tmp_path: Path, index: Index) -> Iterator[Cluster]:
    with Cluster(tmp_path / "cluster", index_url=index.url) as cluster:
        yield cluster


def states(answer: Any) -> dict[str, str]:
    return {cell["label"]: cell["state"] for cell in answer["cells"]}


def begun(shared: Path) -> Counter[str]:
    log = shared / "begun"
    return Counter(log.read_text().splitlines()) if log.exists() else Counter()


def wait_for_begun(shared: Path, count: int) -> None:
    over = time.monotonic() + 60
    while begun(shared).total() < count:
        assert time.monotonic() < over, f"only {begun(shared)} began"
        time.sleep(0.02)


def ended(process: subprocess.Popen[str]) -> tuple[int, Any, str]:
    stdout, stderr = process.communicate(timeout=90)
    assert "Traceback" not in stderr, stderr
    return process.returncode, json.loads(stdout) if stdout else None, stderr


LABELS = [f"{HERE} lib{n}" for n in range(1, 5)]


@pytest.mark.slow
def test_a_worker_is_killed_and_no_cell_is_lost_or_reported_twice(
    shop: Project, cluster: Cluster, shared: Path
) -> None:
    cluster.start_worker("one")
    cluster.start_worker("two")
    (shared / "hold").touch()
    running = shop.popen("test", "--on", cluster.address, "--json")
    wait_for_begun(shared, 2)
    cluster.kill("one")
    # the command of the dead worker is gone with its hidden child; that of the other is not
    assert cluster.wait_for("cell.py", 1) == 1
    assert cluster.wait_for("time.sleep(600)", 1) == 1
    (shared / "hold").unlink()
    code, answer, said = ended(running)
    assert code == 0
    assert states(answer) == dict.fromkeys(LABELS, "passed")
    assert said.count("the worker died; the cell is begun again") == 1
    assert Counter(cell["attempts"] for cell in answer["cells"]) == {1: 3, 2: 1}
    twice = [cell["label"] for cell in answer["cells"] if cell["attempts"] == 2]
    assert begun(shared) == {label: 2 if label in twice else 1 for label in LABELS}
    assert [cell["label"] for cell in answer["cells"]] == LABELS
    for cell in answer["cells"]:
        log = Path(cell["log"]).read_text().splitlines()
        assert log == [f"begun {cell['label']}", f"done {cell['label']}"]
        assert cell["left"] == 1
    assert cluster.strays() == []


@pytest.mark.slow
def test_a_cell_that_kills_its_workers_does_not_go_on_for_ever(
    shop: Project, cluster: Cluster, shared: Path
) -> None:
    for name in ("one", "two", "three"):
        cluster.start_worker(name)
    code = """
        import os, pathlib
        pid = os.getpid()
        for _ in range(4):  # its watchdog, what runs the cell, the watchdog of that, the worker
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
            pid = int(stat.rpartition(")")[2].split()[1])
        os.kill(pid, 9)
        """
    shop.write("poison.py", textwrap.dedent(code))
    lib1 = ["test", "--on", cluster.address, "-k", "lib1", "--attempts", "2"]
    told = shop.fails(3, *lib1, "--", "python", "poison.py").stdout
    assert "was begun 2 times, on " in told
    assert told.count("(127.0.0.1:") >= 2
    assert [worker.poll() for worker in cluster.workers.values()].count(None) == 1
    assert cluster.strays() == []
    shop.ok(*lib1, "--", "python", "-c", "pass")  # the third has not been hurt


@pytest.mark.slow
def test_what_runs_elsewhere_ends_with_who_asked_for_it_and_the_workers_live(
    shop: Project, cluster: Cluster, shared: Path
) -> None:
    cluster.start_worker("one", threads=2)
    (shared / "hold").touch()
    running = shop.popen("test", "--on", cluster.address, "--json")
    wait_for_begun(shared, 2)
    running.send_signal(signal.SIGINT)
    code, answer, _ = ended(running)
    assert code == 130
    assert set(states(answer).values()) == {"cancelled"}
    assert cluster.strays() == []  # and it was there for all of them at once
    # of what one failure ends, nothing is left either
    first = f'test "$PROVENV_CELL" != "{LABELS[0]}" || exit 1; sleep 600'
    failed = shop.fails(
        1, "test", "--on", cluster.address, "--fail-fast", "--json", "--", "sh", "-c", first
    )
    assert Counter(states(failed.json).values()) == {"failed": 1, "cancelled": 3}
    assert cluster.strays() == []

    # nor does anything outlive a client that has no time to say so
    running = shop.popen("test", "--on", cluster.address)
    wait_for_begun(shared, 4)
    running.kill()
    running.communicate()
    assert cluster.strays() == []
    (shared / "hold").unlink()
    answer = shop.ok("test", "--on", cluster.address, "--json").json
    assert states(answer) == dict.fromkeys(LABELS, "passed")


@pytest.mark.slow
def test_the_scheduler_is_killed_and_what_had_passed_is_not_run_again(
    shop: Project, cluster: Cluster, shared: Path
) -> None:
    cluster.start_worker("one")
    for label in LABELS[1:]:
        (shared / f"hold {label}").touch()
    running = shop.popen("test", "--on", cluster.address, "--json")
    wait_for_begun(shared, 2)  # the first has passed
    cluster.kill_scheduler()
    code, answer, _ = ended(running)
    assert code == 3
    told = states(answer)
    assert Counter(told.values()) == {"passed": 1, "error": 3}
    assert all(
        "the scheduler at" in cell["reason"] for cell in answer["cells"] if cell["state"] == "error"
    )
    assert cluster.strays() == []

    # another scheduler, and another client, which knows of nothing; the worker does
    for label in LABELS[1:]:
        (shared / f"hold {label}").unlink()
    before = begun(shared)
    cluster.kill_all()
    cluster.start_scheduler()
    cluster.start_worker("one")
    shutil.rmtree(shop.home / "provenv" / "trials")
    answer = shop.ok("test", "--on", cluster.address, "--json").json
    assert states(answer) == dict.fromkeys(LABELS, "passed")
    (first,) = (label for label, state in told.items() if state == "passed")
    assert [cell["label"] for cell in answer["cells"] if cell["cached"]] == [first]
    again = begun(shared) - before
    assert again == {label: 1 for label in LABELS if label != first}


@pytest.mark.slow
def test_cells_go_where_their_python_is(
    shop: Project, cluster: Cluster, shared: Path, index: Index
) -> None:
    """And what else a cluster with two unlike workers tells: one start of it for several questions."""
    pythons = {version: pyenv_python(version) for version in ("3.10", "3.12")}
    for version, python in pythons.items():
        path = f"{Path(python).parent}:/usr/bin:/bin"
        cluster.start_worker(version, env={"PATH": path})
    cluster.start_worker("old", before="import provenv; provenv.__version__ = '0.0.1'")
    manifest = shop.read("pyproject.toml").replace(f'["{HERE}"]', '["3.10", "3.12"]')
    shop.pyproject(manifest)

    done = shop.ok("test", "--on", cluster.address, "--json")
    assert f"it has provenv 0.0.1, and here is {__version__}" in done.stderr
    workers = {cell["python"]: cell["worker"] for cell in done.json["cells"]}
    assert len(set(workers.values())) == 2
    for cell in done.json["cells"]:
        assert cell["state"] == "passed"
        assert cell["version"].startswith(f"{cell['python']}.")
        assert cell["worker"] == workers[cell["python"]]

    nowhere = shop.fails(2, "test", "--on", cluster.address, "--python", "2.6", "--python", "3.12")
    assert "nowhere to be had: Python 2.6: no worker has it" in nowhere.stderr
    assert "found:" not in nowhere.stderr
    skipped = shop.ok(
        "test", "--on", cluster.address, "--skip-missing", "--json", "-k", "lib1",
        "--python", "2.6", "--python", "3.12",
    )  # fmt: skip
    assert states(skipped.json) == {"2.6 lib1": "skipped", "3.12 lib1": "passed"}

    failed = shop.fails(
        1, "test", "--on", cluster.address, "-k", "3.12 lib1", "--", "sh", "-c", "echo no; exit 7"
    )
    assert "exit code 7" in failed.stdout
    assert f"on {workers['3.12']}" in failed.stdout
    assert "| no" in failed.stdout
    assert cluster.strays() == []


@pytest.mark.slow
def test_wheels_come_from_where_they_are_said_to_be(
    shop: Project, cluster: Cluster, index: Index, tmp_path: Path
) -> None:
    cluster.start_worker("one")
    index.fault("*.whl", status=404)
    refused = shop.fails(3, "test", "--on", cluster.address, "-k", "lib1")
    assert "404" in refused.stdout
    shop.ok("test", "--on", cluster.address, "--wheels", tmp_path.as_uri(), "-k", "lib1")


@pytest.mark.slow
def test_a_cluster_that_cannot_be_used_is_told(shop: Project, cluster: Cluster) -> None:
    cluster.start_worker("bare", before="sys.modules['provenv'] = None")
    bare = shop.fails(3, "test", "--on", cluster.address)
    assert "is not used: it has no provenv" in bare.stderr
    assert "no worker of tcp://" in bare.stderr
    assert f"provenv[dask]=={__version__}" in bare.stderr
    wrong = shop.fails(2, "test", "--on", "http://nowhere:1")
    assert "http://nowhere:1 is no address of a Dask scheduler" in wrong.stderr
    tls = shop.fails(2, "test", "--on", cluster.address.replace("tcp", "tls"))
    assert "distributed.comm.tls" in tls.stderr
    nobody = shop.fails(3, "test", "--on", "tcp://127.0.0.1:1")
    assert "no Dask scheduler answers at tcp://127.0.0.1:1: Connection refused" in nobody.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--attempts", "2"], "--attempts is for --on"),
        (["--wheels", "file:///x"], "--wheels is for --on"),
        (["--on", "tcp://x:1", "--jobs", "2"], "--jobs and --on exclude each other"),
        (["--on", "tcp://x:1", "--attempts", "0"], "there must be one at least"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    shop: Project, arguments: list[str], said: str
) -> None:
    assert said in shop.fails(2, "test", *arguments).stderr
