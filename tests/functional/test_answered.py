"""The short way of `audit`: an answer is given again only while nothing that decided on it has changed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from provenv.workspace import answered
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
