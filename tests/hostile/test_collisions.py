"""Wheels that claim what belongs to the environment, or to each other; stores that vanish; gc at work."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from support import Index, Project, make_wheel
from support.many import few, publish_many, snapshot, versions_seen

OWN = [
    "pyvenv.cfg", "bin/python", "bin/python3", "bin/activate", "lib64", ".provenv/contents.json",
    ".provenv/recipe", "lib", "bin", "bin/python/evil",
]  # fmt: skip


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    index.add(make_wheel(tmp_path / "w", "alpha", "1"))
    project.depends("alpha")
    project.ok("sync")
    return project


def attempt(shop: Project, *names: str) -> str:
    """Sync with ``names`` besides; either it works and is whole, or it is refused and nothing changes."""
    shop.depends("alpha", *names)
    shop.ok("lock")
    before = snapshot(shop.folder)
    result = shop.run("sync")
    assert "failed where it should not" not in result.stderr, str(result)
    assert "Traceback" not in result.stderr
    assert shop.python("import alpha, sys; print(sys.prefix)") == str(shop.folder / ".venv")
    if result.code == 0:
        shop.ok("verify")
        shop.ok("sync")
        return ""
    assert result.code in (1, 2), str(result)
    assert snapshot(shop.folder) == before
    return " ".join(result.stderr.split())


@pytest.mark.parametrize("path", few(OWN, 3))
def test_data_that_claims_the_environments_own_files(
    shop: Project, index: Index, tmp_path: Path, path: str
) -> None:
    index.add(make_wheel(tmp_path / "w", "evil", "1", data={path: "evil\n"}))
    assert "evil" in attempt(shop, "evil")


@pytest.mark.parametrize(
    "name", few(["activate", "python", "python3", "activate.fish", "activate_this.py"], 1)
)
def test_scripts_that_claim_the_environments_own(
    shop: Project, index: Index, tmp_path: Path, name: str
) -> None:
    entry_points = {"console_scripts": {name: "evil:main"}}
    index.add(make_wheel(tmp_path / "w", "evil", "1", entry_points=entry_points))
    assert "evil" in attempt(shop, "evil")


def test_a_module_that_claims_the_start_up_hook(
    shop: Project, index: Index, tmp_path: Path
) -> None:
    files = {"00_provenv.pth": "import evil\n", "evil.py": ""}
    index.add(make_wheel(tmp_path / "w", "evil", "1", files=files))
    assert "evil" in attempt(shop, "evil")


@pytest.mark.parametrize("scheme", ["files", "data"])
def test_a_file_where_another_has_a_folder(
    shop: Project, index: Index, tmp_path: Path, scheme: str
) -> None:
    index.add(make_wheel(tmp_path / "w", "one", "1", **{scheme: {"thing": "a file\n"}}))  # type: ignore[arg-type]
    index.add(make_wheel(tmp_path / "w", "two", "1", **{scheme: {"thing/x.py": ""}}))  # type: ignore[arg-type]
    said = attempt(shop, "one", "two")
    assert "one" in said
    assert "two" in said


@pytest.mark.parametrize(
    "name",
    few(["a\nb.py", "ünï.txt", "日本/x.py", "x" * 240 + ".py", "trailing ", "-", "%2F", "a\x7f"], 2),
)  # fmt: skip
def test_odd_names_in_a_wheel(shop: Project, index: Index, tmp_path: Path, name: str) -> None:
    files = {"odd/__init__.py": "", f"odd/{name}": "x = 1\n", name: "x = 1\n"}
    index.add(make_wheel(tmp_path / "w", "odd", "1", files=files))
    said = attempt(shop, "odd")
    if said:
        assert "odd-1-py3-none-any.whl" in said
    else:
        assert (next((shop.folder / ".venv/lib").glob("python*/site-packages")) / name).exists()


@pytest.mark.parametrize(
    "what", few(["provenv/store", "provenv", "provenv/store/wheels", "provenv/plans"], 1)
)
def test_a_home_that_vanished_is_made_again(shop: Project, what: str) -> None:
    subprocess.run(["rm", "-rf", str(shop.home / what)], check=True)
    assert shop.ok("run", "python", "-c", "import alpha; print(alpha.__version__)").stdout == "1\n"
    shop.ok("sync")
    shop.ok("verify", "--all")
    assert shop.ok("status", "--json").json["agrees"]


def test_an_interpreter_that_vanished_is_replaced(shop: Project, tmp_path: Path) -> None:
    copy = tmp_path / "python"
    base = shop.python("import sys; print(sys._base_executable)")
    copy.symlink_to(base)
    shop.ok("sync", "--python", str(copy))
    copy.unlink()
    assert shop.ok("run", "python", "-c", "import alpha; print(1)").stdout == "1\n"


@pytest.mark.parametrize("start", few(["path", "script", "relative", "run"], 2))
def test_gc_keeps_what_a_process_uses(
    shop: Project, index: Index, tmp_path: Path, start: str
) -> None:
    index.add(
        make_wheel(
            tmp_path / "w", "late", "1",
            files={"late/__init__.py": "", "late/inner.py": "print('in time')\n",
            "late/main.py": "import sys\ndef main():\n    print('up', flush=True); sys.stdin.readline()\n"
                            "    import late.inner\n"},
            entry_points={"console_scripts": {"late": "late.main:main"}},
        )
    )  # fmt: skip
    shop.depends("alpha", "late")
    shop.ok("sync")
    code = "from late.main import main; main()"
    bin_folder = shop.folder / ".venv/bin"
    env = {key: value for key, value in shop.env.items() if key != "VIRTUAL_ENV"}
    words = {
        "path": ["python", "-c", code],
        "relative": [".venv/bin/python", "-c", code],
        "script": [".venv/bin/late"],
        "run": [str(bin_folder / "python"), "-c", code],
    }[start]
    env["PATH"] = f"{bin_folder}:{env['PATH']}" if start == "path" else env["PATH"]
    with subprocess.Popen(
        words, cwd=shop.folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        shop.ok("remove", "late")
        shop.ok("store", "gc", "--keep", "0")
        out, _ = process.communicate("go on\n", timeout=30)
    assert out == "in time\n"
    assert process.returncode == 0
    shop.ok("store", "gc", "--keep", "0")
    assert len(list((shop.folder / ".venv/generations").iterdir())) == 1
    shop.ok("verify", "--all")


def cold_kills(project: Project, index: Index, tmp_path: Path, rounds: int, seed: int) -> None:
    dice = random.Random(seed)
    count = 20
    publish_many(index, tmp_path / "wheels", "1", count)
    index.add(
        make_wheel(tmp_path / "wheels", "large", "1", files={"large.bin": os.urandom(6_000_000)})
    )
    project.depends(*(f"many-{number}" for number in range(count)), "large")
    project.ok("lock")
    started = time.monotonic()
    project.ok("sync")
    took = time.monotonic() - started
    for _ in range(rounds):
        shutil.rmtree(project.folder / ".venv", ignore_errors=True)
        subprocess.run(["rm", "-rf", str(project.home / "provenv/store")], check=True)
        process = project.popen("sync")
        time.sleep(dice.uniform(0.2, 1.0) * took)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if (project.folder / ".venv/current").exists():
            assert versions_seen(project, count) == "1"
        project.ok("sync")
        assert versions_seen(project, count) == "1"
        project.ok("verify", "--all")
        if list((project.home / "provenv/store/tmp").iterdir()):
            # a worker that outlives the killed command may hold the lock while the next one sweeps
            project.ok("store", "gc")  # waits for it
        assert not list((project.home / "provenv/store/tmp").iterdir())


@pytest.mark.slow
def test_killed_while_it_downloads(project: Project, index: Index, tmp_path: Path) -> None:
    cold_kills(project, index, tmp_path, 2, 5)


@pytest.mark.slow
def test_killed_forty_times_while_it_downloads(
    project: Project, index: Index, tmp_path: Path
) -> None:
    cold_kills(project, index, tmp_path, 40, 6)


@pytest.mark.slow
def test_killed_forty_times_while_it_collects(shop: Project, index: Index, tmp_path: Path) -> None:
    dice = random.Random(7)
    for version in ("1", "2"):
        publish_many(index, tmp_path / "wheels", version, 20)
    for number in range(40):
        shop.depends("alpha", *(f"many-{n}=={1 + number % 2}" for n in range(20)))
        shop.ok("sync")
        process = shop.popen("store", "gc", "--keep", "0")
        time.sleep(dice.uniform(0.1, 0.5))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert versions_seen(shop, 20) == str(1 + number % 2)
        shop.ok("verify")
    shop.ok("sync")
    shop.ok("verify", "--all")
