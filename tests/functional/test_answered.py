"""The short way of `audit`: an answer is given again only while nothing that decided on it has changed."""

from __future__ import annotations

import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import provenv
from provenv.core.values import replace
from provenv.workspace import answered
from provenv.workspace.governing import answering, auditing
from support import Index, Project, make_wheel
from support.advisories import archive, record


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    """``core`` 1.0 is locked and vulnerable; it has been audited once, so that the answer is known."""
    for version in ("1.0", "2.0"):
        index.add(make_wheel(tmp_path / "w", "core", version))
    project.depends("core<2")
    project.ok("lock")
    learn(project, record("PYSEC-1", "core", versions=["1.0"]))
    project.fails(1, "audit", "--json")
    return project


def learn(project: Project, *records: Any) -> None:
    path = archive(project.home / "all.zip", records)
    project.ok("advisories", "import", str(path), "--force")


def is_known(project: Project) -> bool:
    return answered.recall(str(project.folder), str(project.home / "provenv")) is not None


def audited(project: Project, code: int) -> Any:
    told = project.fails(code, "audit", "--json").json
    told["advisories"].pop("age_seconds")
    return told


def test_the_answer_is_the_one_of_the_long_way(shop: Project) -> None:
    assert is_known(shop)
    short = audited(shop, 1)
    long = shop.fails(1, "audit", "--json", "-v").json  # an option that only the long way knows
    assert 0 <= long["advisories"].pop("age_seconds") < 3600
    assert short == long
    quiet = shop.fails(1, "audit", "-q")
    assert (quiet.stdout, quiet.stderr) == ("", "")


@pytest.mark.slow
def test_whatever_decides_is_asked_anew_when_it_changes(shop: Project) -> None:
    learn(shop, record("PYSEC-2", "core", versions=["9"]))
    assert not is_known(shop)
    assert audited(shop, 0)["findings"] == []
    learn(shop, record("PYSEC-1", "core", versions=["1.0"]))
    audited(shop, 1)
    shop.depends("core")
    shop.ok("lock", "--upgrade")
    assert audited(shop, 0)["findings"] == []
    assert is_known(shop)
    os.utime(shop.folder / "pyproject.toml")
    assert not is_known(shop)
    audited(shop, 0)
    shop.ok("sync")  # another generation may have another Python
    assert not is_known(shop)


@pytest.mark.slow
def test_in_doubt_it_is_no_answer(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = (shop.home / "provenv/plans/audits").iterdir()
    whole = path.read_bytes()
    for bad in (whole[:-2], b"", whole.replace(b"PYSEC-1", b"PYSEC-0")):
        path.write_bytes(bad)
        assert not is_known(shop)
    path.write_bytes(whole)
    assert is_known(shop)
    with monkeypatch.context() as patch:
        later = time.time() + 86_400
        patch.setattr("time.time", lambda: later)
        assert not is_known(shop)
    with monkeypatch.context() as patch:
        patch.setattr("provenv.__version__", "0")
        assert not is_known(shop)
    (data,) = (shop.home / "provenv/advisories").glob("advisories-*.sqlite")
    data.chmod(0o644)
    data.write_bytes(data.read_bytes()[:-1] + b"x")
    assert "its bytes are not those that were written" in shop.fails(3, "audit", "--json").stdout


@pytest.mark.slow
def test_what_is_doubtful_or_of_one_environment_is_not_kept(shop: Project) -> None:
    folder = shop.home / "provenv/plans/audits"
    for path in folder.iterdir():
        path.unlink()
    shop.fails(1, "audit", "-e", "prod", "--json")
    shop.fails(1, "audit", "--tolerate", "yanked", "--json")
    assert list(folder.iterdir()) == []
    learn(shop, record("PYSEC-1", "core", versions=["9"], modified="2020-01-01T00:00:00Z"))
    audited(shop, 3)
    assert list(folder.iterdir()) == []


def forget(project: Project) -> None:
    shutil.rmtree(project.home / "provenv/plans/audits", ignore_errors=True)


@pytest.mark.slow
def test_the_short_way_says_what_the_long_way_would_say(shop: Project) -> None:
    """Whatever is asked besides, and whatever stands in the environment or beside the project."""
    shop.write("policy.toml", 'schema = 1\n[[rule]]\nid = "v"\nkind = "vulnerability"\n')
    elsewhere = {"PROVENV_HOME": str(shop.home / "elsewhere")}
    policy = {"PROVENV_POLICY": str(shop.folder / "policy.toml")}
    asked: list[tuple[list[str], dict[str, str]]] = [
        (["--json"], {}),
        (["--json", "--offline"], {}),
        (["--json", "-q"], {}),
        (["-q"], {}),
        (["--json", "-e", "prod"], {}),
        (["--json", "--tolerate", "yanked"], {}),
        (["--json", "--installed"], {}),
        (["--json", "."], {}),
        (["--json"], elsewhere),
        (["--json"], {"PROVENV_HOME": "", "XDG_DATA_HOME": str(shop.home / "elsewhere")}),
        (["--json"], policy),
        (["--json"], {"LANG": "C", "NO_COLOR": "1", "COLUMNS": "20"}),
    ]
    for words, more in asked:
        shop.fails(1, "audit", "--json")
        assert is_known(shop)
        short = shop.run("audit", *words, env=more)
        forget(shop)
        long = shop.run("audit", *words, env=more)
        assert short.code == long.code, (words, more)
        assert without_age(short.stdout) == without_age(long.stdout), (words, more)


def without_age(text: str) -> list[str]:
    return [line for line in text.splitlines() if '"age_seconds"' not in line]


@pytest.mark.slow
def test_what_is_changed_in_its_place_with_its_old_time_is_seen(shop: Project) -> None:
    """As by a copy that brings times along: same inode, same size, same time of the last change."""
    (data,) = (shop.home / "provenv/advisories").glob("advisories-*.sqlite")
    for path in (shop.folder / "pylock.toml", shop.folder / "pyproject.toml", data):
        shop.fails(1, "audit", "--json")
        assert is_known(shop)
        before, whole = path.stat(), path.read_bytes()
        path.chmod(0o644)
        with path.open("r+b") as stream:
            stream.write(whole[:-1] + b" ")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        after = path.stat()
        assert (after.st_ino, after.st_size, after.st_mtime_ns) == (
            before.st_ino,
            before.st_size,
            before.st_mtime_ns,
        )
        assert not is_known(shop), path.name
        with path.open("r+b") as stream:
            stream.write(whole)
        time.sleep(0.05)  # longer than the clock of a file system takes for a step


@pytest.mark.slow
def test_what_appears_above_a_project_or_is_said_by_an_index_is_seen(
    shop: Project, index: Index, tmp_path: Path
) -> None:
    above = shop.folder.parent / "pyproject.toml"
    shop.fails(1, "audit", "--json")
    above.write_text('[tool.provenv.workspace]\nmembers = ["other"]\n')
    assert not is_known(shop)
    above.unlink()
    shop.fails(1, "audit", "--json")
    assert is_known(shop)
    index.add(make_wheel(tmp_path / "w", "core", "1.0"), yanked="it hurts")
    told = shop.fails(1, "audit", "--refresh", "--json").json
    assert [one["kind"] for one in told["notices"]] == ["yanked"]
    assert not is_known(shop)
    assert audited(shop, 1)["notices"] == told["notices"]  # made anew, and kept
    assert is_known(shop)
    assert audited(shop, 1)["notices"] == told["notices"]


def looked(project: Project, begun: datetime | None = None) -> Any:
    """The project opened, and what an audit of it looks at before it reads anything."""
    begun = begun or datetime.now(UTC)
    opened = provenv.open_project(str(project.folder))
    context = provenv.make_context(project.env)
    return opened, context, lambda: answering.look(opened, context, begun)


@pytest.mark.slow
def test_what_changes_while_it_is_audited_is_no_answer(shop: Project) -> None:
    forget(shop)
    lock = shop.folder / "pylock.toml"
    opened, context, look = looked(shop)
    before = look()
    assert before is not None
    result = auditing.audit(opened, context)
    whole = lock.read_bytes()
    lock.unlink()
    lock.write_bytes(whole.replace(b"1.0", b"2.0"))
    answering.remember(opened, context, result, 1, "{}", before)
    assert not is_known(shop)
    time.sleep(0.05)
    opened, context, look = looked(shop)
    os.utime(lock)  # after the project was opened, before it is looked at
    assert look() is None
    lock.write_bytes(whole)
    assert looked(shop)[2]() is None  # in the same step of the clock another change would not show
    time.sleep(0.05)
    assert looked(shop)[2]() is not None


@pytest.mark.slow
def test_an_answer_holds_for_the_day_on_which_the_audit_began(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, context, look = looked(shop)
    before = look()
    result = auditing.audit(opened, context)

    def kept(begun: datetime, at: datetime) -> bool:
        forget(shop)
        known = replace(before, begun=begun)
        answering.remember(opened, context, result, 1, "{}", known)
        with monkeypatch.context() as patch:
            patch.setattr("time.time", at.timestamp)
            return is_known(shop)

    now = datetime.now(UTC)
    evening = now.replace(hour=23, minute=59, second=59)
    assert kept(evening, evening)
    assert not kept(evening, evening + timedelta(seconds=2))  # as an interpreter may end with it
    assert not kept(now, now - timedelta(seconds=5))  # the clock was set back
    old = datetime.fromisoformat(result.facts.imported) + auditing.MAX_AGE
    assert kept(old - timedelta(minutes=1), old - timedelta(minutes=1))
    assert not kept(old - timedelta(minutes=1), old + timedelta(seconds=1))


def test_where_times_are_whole_seconds_more_has_to_have_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    changed = path.stat().st_ctime_ns
    assert answered.look([str(path)], changed) is None
    assert answered.look([str(path)], changed + 20_000_000) is not None
    real = path.stat()

    class Coarse:
        st_ctime_ns = real.st_ctime_ns // 10**9 * 10**9
        st_mtime_ns, st_size, st_ino, st_dev = st_ctime_ns, real.st_size, real.st_ino, real.st_dev

    monkeypatch.setattr("os.stat", lambda _: Coarse)
    assert answered.look([str(path)], Coarse.st_ctime_ns + 1_500_000_000) is None
    assert answered.look([str(path)], Coarse.st_ctime_ns + 2_500_000_000) is not None
