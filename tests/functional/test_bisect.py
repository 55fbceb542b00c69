"""`bisect`: the change, and the release, that broke a command. Real environments, a made index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import provenv
from provenv.core.errors import CommandError, UndecidedError, UsageError
from provenv.core.events import Event, Noted
from support import Index, Project, make_wheel

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

    `web` and `core` go only together, and the new `web` brings `helper`.
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
        index.add(make_wheel(wheels, "helper", "1.0"))
        index.add(make_wheel(wheels, "web", "1.0", requires=["core<2"]))
        index.add(make_wheel(wheels, "web", "2.0", requires=["core>=2", "helper"]))
        project = Project(base / "shop", home=base / "home", index_url=index.url)
        project.write("check.py", CHECK)
        names = ["p0", "p1", "p2", "p3", "lib", "web"]
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
    assert "; about 2 more" in done.stderr
    assert f"{runs(shop)} runs of the command over 7 changes" in done.stdout
    again = shop.ok("bisect", "--continue", "--json").json
    assert runs(shop) == 0
    assert again["culprits"][0]["skipped"] == ["1.3"]
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
    assert [one.constraint for one in result.culprits] == ["p0<2.0", "p3<2.0"]
    result = find(shop, "new('helper', '0')")
    assert result.sentence == "good with web 1.0, bad from 2.0 (with core 1.0 → 2.0)"
    assert [change.name for change in result.followers] == ["helper"]


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
    whole = find(shop, "new('p1') and new('lib')")
    runs(shop)

    def stop(event: Event) -> None:
        if isinstance(event, Noted) and event.message.startswith("  4  "):
            raise KeyboardInterrupt

    project, _ = world(shop)
    task = provenv.BisectTask(
        good="1",
        bad="2",
        command=("python", "check.py", "new('p1') and new('lib')"),
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
    result = find(shop, "125 if new('p1') and not new('p2') else new('lib')")
    assert [one.name for one in result.culprits] == ["lib"]
    result = find(shop, "125 if new('p1') != new('p2') else new('p1')")
    assert not result.told
    assert {one.name for group in result.remaining for one in group} == {"p1", "p2"}
    assert "p1 1.0 → 2.0 or p2 1.0 → 2.0; they could not be told apart" in result.sentence
