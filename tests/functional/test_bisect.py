"""`bisect`: the change, and the release, that broke a command. Real environments, a made index."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import provenv
from provenv.core.errors import CommandError, UndecidedError, UsageError
from provenv.core.events import Event, Noted
from support import Index, Project, make_wheel
from support.mirrors import Mirror, fake_python
from support.pythons import pyenv_python

CHECK = """
import importlib.metadata, os, sys, time

def new(name, than="1.5"):
    try:
        return importlib.metadata.version(name) > than
    except importlib.metadata.PackageNotFoundError:
        return False

with open("runs", "a") as stream:
    stream.write("x")
sys.exit(eval(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Generation 1 holds releases 1.0, generation 2 the newest; lib has some in between.

    `web` and `core` go only together, and the new `web` brings `helper`. The new `up` does not bear
    `low` 1.5.
    """
    base = tmp_path_factory.mktemp("bisect")
    wheels = base / "wheels"
    with Index() as index:
        for name in ("p0", "p1", "p2", "p3"):
            for version in ("1.0", "2.0"):
                index.add(make_wheel(wheels, name, version))
        for version in ("1.0", "1.1", "1.2", "1.3", "1.4", "2.0rc1", "2.0"):
            requires = ["absent"] if version == "1.3" else []
            path = make_wheel(wheels, "lib", version, requires=requires)
            index.add(path, yanked=version == "1.1")
        for version in ("1.0", "2.0"):
            index.add(make_wheel(wheels, "core", version))
        for version in ("1.0", "1.5", "2.0"):
            needs = "low!=1.5" if version == "2.0" else "low"
            index.add(make_wheel(wheels, "low", version))
            index.add(make_wheel(wheels, "up", version, requires=[needs]))
        index.add(make_wheel(wheels, "helper", "1.0"))
        index.add(make_wheel(wheels, "web", "1.0", requires=["core<2"]))
        index.add(make_wheel(wheels, "web", "2.0", requires=["core>=2", "helper"]))
        project = Project(base / "shop", home=base / "home", index_url=index.url)
        project.write("check.py", CHECK)
        names = ["p0", "p1", "p2", "p3", "lib", "web", "up", "low"]
        project.depends(*(f"{name}==1.0" for name in names))
        project.ok("sync")
        project.depends(*names)
        project.ok("lock", "--upgrade")
        project.ok("sync")
        yield project


def find(
    shop: Project, rule: str, good: str = "1", bad: str = "2", **more: Any
) -> provenv.BisectResult:
    """In this process, as a program would call it."""
    said: list[Event] = []
    task = provenv.BisectTask(
        good=good, bad=bad, command=("python", "check.py", rule), environment="dev", **more
    )
    result = provenv.bisect(*world(shop, said), task)
    lines = [event.message for event in said if isinstance(event, Noted)]
    assert len(lines) == 1 + len(result.steps)  # each step is told, after what lies between
    return result


def world(
    shop: Project, said: list[Event] | None = None
) -> tuple[provenv.Project, provenv.Context]:
    listen = said.append if said is not None else provenv.silent
    context = provenv.make_context(shop.env, emit=listen)
    return provenv.open_project(str(shop.folder)), context


def runs(shop: Project) -> int:
    """How often the command was run since this was asked last."""
    path = shop.folder / "runs"
    count = len(path.read_text()) if path.exists() else 0
    path.unlink(missing_ok=True)
    return count


def test_one_release_alone(shop: Project) -> None:
    runs(shop)
    words = ("bisect", "--good", "1", "--bad", "2", "--", "python", "check.py")
    done = shop.ok(*words, "new('lib', '1.2')")
    assert done.stdout.splitlines()[0] == "good with lib 1.2, bad from 1.3 or 1.4, alone"
    assert 'to hold it back: "lib<=1.2"' in done.stdout  # 1.3 needs what is not there
    assert "1.3: skipped: " in done.stderr
    assert "1.1" not in done.stderr  # yanked
    assert "rc1" not in done.stderr
    assert re.search(r"  3  .*: \S+, .* s; \d left, about \d more runs", done.stderr)
    assert f"{runs(shop)} runs of the command over 9 changes" in done.stdout
    again = shop.ok("bisect", "--continue", "--json").json
    assert runs(shop) == 0
    assert again["breakages"][0]["culprits"][0]["skipped"] == ["1.3"]
    log = next(step["log"] for step in again["steps"] if step["what"] == "lib 1.4")
    assert Path(log).is_file()
    assert not (shop.folder / "bisect").exists()  # nothing of it lies in the project


@pytest.mark.slow
def test_pairs_and_what_goes_together(shop: Project) -> None:
    result = find(shop, "new('p0') and new('p3')")
    assert result.told
    assert (
        result.sentence
        == "p0 from 2.0 and p3 from 2.0 are bad together; good with p0 1.0 or p3 1.0"
    )
    assert [one.constraint for one in result.breakages[0].culprits] == ["p0<2.0", "p3<2.0"]
    result = find(shop, "new('helper', '0')")
    assert result.sentence == "good with web 1.0, bad from 2.0 (with core 1.0 → 2.0)"
    assert [change.name for change in result.followers] == ["helper"]
    result = find(shop, "new('low', '1.2')")
    assert result.sentence == "good with low 1.0, bad from 1.5, alone"
    assert result.steps[-1].what == "low 1.5 with others between the ends (up)"


def test_ends_that_are_not_what_was_said(shop: Project) -> None:
    with pytest.raises(UsageError, match=r"the good end, generation 1, is bad \(exit code 1\)"):
        find(shop, "not new('p0')")
    with pytest.raises(UsageError, match=r"the bad end, generation 2, is good \(exit code 0\)"):
        find(shop, "False")
    with pytest.raises(UsageError, match="nothing lies between generation 2 and generation 2"):
        find(shop, "True", "2", "2")
    with pytest.raises(UsageError, match="there is no generation 7"):
        find(shop, "True", "7")
    with pytest.raises(UsageError, match="'nowhere' is no generation, no file, no date and no git"):
        find(shop, "True", "nowhere")
    with pytest.raises(
        UndecidedError, match=r"the good end.*the command says so \(exit code 125\)"
    ):
        find(shop, "125")


@pytest.mark.slow
def test_a_command_that_is_not_there_is_said_at_once(shop: Project) -> None:
    done = shop.fails(127, "bisect", "--good", "1", "--bad", "2", "--", "no-such-command", "-x")
    assert "command not found: no-such-command" in done.stderr
    task = provenv.BisectTask(
        good="1", bad="2", command=("sh", "-c", "no-such-command"), environment="dev"
    )
    with pytest.raises(CommandError, match="not found"):
        provenv.bisect(*world(shop), task)


@pytest.mark.slow
def test_it_goes_on_where_it_was_interrupted(shop: Project) -> None:
    whole = find(shop, "new('p1') and new('p3')")
    runs(shop)

    def stop(event: Event) -> None:
        if isinstance(event, Noted) and event.message.startswith("  4  "):
            raise KeyboardInterrupt

    project, _ = world(shop)
    task = provenv.BisectTask(
        good="1",
        bad="2",
        command=("python", "check.py", "new('p1') and new('p3')"),
        environment="dev",
    )
    with pytest.raises(KeyboardInterrupt):
        provenv.bisect(project, provenv.make_context(shop.env, emit=stop), task)
    assert runs(shop) == 4
    result = provenv.bisect_on(*world(shop))
    assert result.sentence == whole.sentence
    assert runs(shop) == whole.runs - 4
    assert [step.what for step in result.steps] == [step.what for step in whole.steps]


@pytest.mark.slow
def test_what_says_nothing_is_worked_around_or_named(shop: Project) -> None:
    """125 where p1 is new and p2 is not: as one needs the other, and nobody says so."""
    result = find(shop, "125 if new('p1') and not new('p2') else new('p3')")
    assert [one.name for one in result.breakages[0].culprits] == ["p3"]
    result = find(shop, "125 if new('p1') != new('p2') else new('p1')")
    assert not result.told
    assert {one.name for group in result.breakages[0].remaining for one in group} == {"p1", "p2"}
    assert "p1 1.0 → 2.0 or p2 1.0 → 2.0; they could not be told apart" in result.sentence


@pytest.mark.slow
def test_two_reasons_are_told_apart(shop: Project) -> None:
    """The new p0 bears no old p3, which is not what is wrong at the bad end."""
    result = find(shop, "7 if new('p0') and not new('p3') else new('p3')")
    first, second = result.breakages
    assert first.sentence == "good with p3 1.0, bad from 2.0, alone"
    assert second.sentence == "good with p0 1.0, bad from 2.0, alone"
    assert (first.alike, second.alike) == (True, False)  # exit code 1 at the bad end, and 7
    assert [one.enough for one in (*first.culprits, *second.culprits)] == [False, False]
    assert result.whole  # without both it is good
    result = find(shop, "new('p1')")
    assert [one.enough for one in result.breakages[0].culprits] == [True]


@pytest.mark.slow
@pytest.mark.network
def test_a_breakage_of_the_real_world(tmp_path: Path) -> None:
    """Flask 2.2.5 reads `werkzeug.__version__`, which Werkzeug 3.1.0 took away, as its changelog says."""
    project = Project(tmp_path / "shop", home=tmp_path / "home")
    project.write("check.py", "import flask; flask.Flask('shop').test_client().get('/')\n")
    for day in ("2023-03-01", "2025-03-01"):
        project.depends("flask>=2.2,<2.3", more=f'[tool.uv]\nexclude-newer = "{day}T00:00:00Z"\n')
        project.ok("lock", "--upgrade")
        project.ok("sync")
    words = ("--good", "1", "--bad", "2", "--", "python", "check.py")
    done = project.ok("bisect", "--json", *words).json
    assert done["sentence"] == "good with werkzeug 3.0.6, bad from 3.1.0, alone"
    (culprit,) = done["breakages"][0]["culprits"]
    assert culprit["constraint"] == "werkzeug<3.1.0"
    assert culprit["changelog"].startswith("https://werkzeug.palletsprojects.com/")


@pytest.mark.slow
def test_revisions_dates_and_files_of_other_tools(shop: Project, tmp_path: Path) -> None:
    index = shop.env["PROVENV_INDEX_URL"]
    other = Project(tmp_path / "other", home=shop.home, index_url=index)
    other.write("check.py", CHECK)

    def commit(day: str, *requirements: str) -> None:
        other.depends(*requirements)
        other.ok("lock", "--upgrade")
        dates = {"GIT_COMMITTER_DATE": f"{day}T10:00:00Z", "GIT_AUTHOR_DATE": f"{day}T10:00:00Z"}
        who = ["-c", "user.name=ana", "-c", "user.email=ana@example.org"]
        for words in (["add", "-A"], ["commit", "-q", "-m", day]):
            subprocess.run(
                ["git", *who, *words], cwd=other.folder, env={**other.env, **dates}, check=True
            )

    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=other.folder, env=other.env, check=True)
    commit("2026-01-05", "p0==1.0", "p1==1.0")
    commit("2026-02-05", "p0", "p1")
    pins = other.write("old/requirements.txt", "p0==1.0\np1==1.0\n")
    for good, bad in (
        ("HEAD~1", "HEAD"),
        ("2026-02-04", "2026-02-05"),
        (str(pins), str(other.folder / "pylock.toml")),
    ):
        result = find(other, "new('p1')", good, bad)
        assert result.sentence == "good with p1 1.0, bad from 2.0, alone"
    with pytest.raises(UsageError, match="nothing is known of 2026-01-04"):
        find(other, "new('p1')", "2026-01-04", "HEAD")
    with pytest.raises(UsageError, match="is no date"):
        find(other, "new('p1')", "2026-13-04", "HEAD")


@pytest.mark.slow
def test_times_out_and_answers_that_change(shop: Project) -> None:
    result = find(shop, "new('p2') and time.sleep(9)", timeout=0.5)
    assert result.sentence == "good with p2 1.0, bad from 2.0, alone"  # as at the bad end
    with pytest.raises(UndecidedError, match=r"the good end.*did not end within 0.3 s"):
        find(shop, "time.sleep(9)", timeout=0.3)
    odd = "len(open('runs').read()) % 2"
    with pytest.raises(
        UndecidedError, match=r"not the same each time: (good, then bad|bad, then good)"
    ):
        find(shop, odd, repeat=3)
    runs(shop)
    result = find(shop, f"{odd} if new('p1') and not new('p2') else new('p3')", repeat=2)
    assert [one.name for one in result.breakages[0].culprits] == ["p3"]


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_running_and_the_state(shop: Project) -> None:
    rule = "new('p2') or (new('p0') and time.sleep(99))"
    words = ["bisect", "--good", "1", "--bad", "2", "--", "python", "check.py", rule]
    process = shop.popen(*words)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if line.startswith("  2  "):
                break
        other = shop.fails(3, "bisect", "--continue").stderr
        assert "another bisection of this project is running" in other
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)[1]
    finally:
        process.kill()
    assert process.returncode == 130
    assert "2 steps kept; `provenv bisect --continue` goes on" in rest
    trials = f"{shop.home}/provenv/trials/"
    left = subprocess.run(["pgrep", "-f", trials], capture_output=True, check=False)
    assert left.stdout == b""
    (state,) = shop.home.glob("provenv/trials/shop-*/bisect/state.json")
    assert len(json.loads(state.read_text())["steps"]) == 2
    state.write_text("{")
    assert "Begin anew" in shop.fails(2, "bisect", "--continue").stderr
    state.unlink()
    done = shop.fails(2, "bisect", "--continue")
    assert "no bisection of this project to go on with" in done.stderr


@pytest.mark.slow
def test_over_python(tmp_path: Path, index: Index) -> None:
    """`imp` went with Python 3.12."""
    for version in ("3.10", "3.11", "3.13"):
        pyenv_python(version)
    project = Project(tmp_path / "shop", home=tmp_path / "home", index_url=index.url)
    project.env["PYENV_ROOT"] = str(Path(pyenv_python("3.13")).parents[3])
    project.pyproject('[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.8"\n')
    project.ok("lock")
    words = ("bisect", "--over", "python", "--good", "3.10", "--bad", "3.13")
    command = ("--", "python", "-W", "ignore", "-c", "import imp")
    done = project.ok(*words, "--json", *command).json
    assert re.fullmatch(r"good with Python 3\.11\.\d+, bad from 3\.1[23]\.\d+", done["sentence"])
    assert done["breakages"][0]["culprits"][0]["constraint"] in ("python<3.12", "python<3.13")
    swapped = ("bisect", "--over", "python", "--good", "3.13", "--bad", "3.10")
    assert "the good end, Python 3.13" in project.fails(2, *swapped, *command).stderr
    same = ("bisect", "--over", "python", "--good", "3.13", "--bad", "3.13")
    assert "nothing lies between" in project.fails(2, *same, *command).stderr


@pytest.mark.slow
def test_over_python_installs_what_lies_between(project: Project, tmp_path: Path) -> None:
    """Pythons that answer nothing but the probe; the command looks at the environment's version."""
    mirror = Mirror(tmp_path / "mirror")
    for minor in (21, 22, 23, 24, 25):
        if minor in (21, 25):
            path = project.home / f".pyenv/versions/3.{minor}.1/bin/python"
            fake_python(path, f"3.{minor}.1")
            path.with_name(f"python3.{minor}").symlink_to("python")
        else:
            mirror.add_fake(f"3.{minor}.1")
    project.env["PATH"] = "/usr/bin:/bin"
    project.env["PROVENV_PYTHON_MIRROR"] = str(mirror.list)
    project.env["UV_PYTHON_INSTALL_DIR"] = str(project.home / "pythons")
    project.pyproject('[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.11"\n')
    project.write("pylock.toml", 'lock-version = "1.0"\ncreated-by = "hand"\npackages = []\n')
    words = ("bisect", "--over", "python", "--good", "3.21", "--bad", "3.25")
    code = 'grep -qE "3\\.2[1-3]\\." "$VIRTUAL_ENV"/generations/1/pyvenv.cfg'
    here = project.ok(*words, "--json", "--", "sh", "-c", code).json
    assert here["sentence"] == "good with Python 3.21.1, bad from 3.25.1"
    assert here["more"] == ["3.22.1", "3.23.1", "3.24.1"]
    done = project.ok(*words, "--install", "--json", "--", "sh", "-c", code).json
    assert done["sentence"] == "good with Python 3.23.1, bad from 3.24.1"
    assert done["more"] == []
    assert (
        "--install installs Pythons"
        in project.fails(2, "bisect", "--good", "1", "--bad", "2", "--install", "--", "true").stderr
    )
