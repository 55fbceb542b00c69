"""``audit --all``: every project of this machine; what cannot be asked is named, and never clean."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from support import Index, Project, make_wheel
from support.advisories import GRAVE, archive, record


@pytest.fixture
def street(tmp_path: Path, index: Index) -> dict[str, Project]:
    """Three projects with one home: ``clean``, ``hurt`` and ``worse``, all synced."""
    for name in ("alpha", "beta", "gamma"):
        index.add(make_wheel(tmp_path / "w", name, "1.0"))
    made = {}
    for name, asked in (("clean", "alpha"), ("hurt", "beta"), ("worse", "gamma")):
        project = Project(tmp_path / name, home=tmp_path / "home", index_url=index.url)
        project.depends(asked)
        project.ok("sync")
        made[name] = project
    rows = [
        record("PYSEC-1", "beta", versions=["1.0"]),
        record("PYSEC-2", "gamma", versions=["1.0"], cvss=GRAVE),
    ]
    path = archive(tmp_path / "all.zip", rows)
    made["clean"].ok("advisories", "import", str(path))
    return made


def verdicts(told: Any) -> list[tuple[str, int]]:
    return [(Path(row["root"]).name, row["exit_code"]) for row in told["results"]]


@pytest.mark.slow
def test_all_projects_come_in_one_table_and_the_worst_first(street: dict[str, Project]) -> None:
    result = street["clean"].fails(1, "audit", "--all")
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["fail", "fail", "pass", "fail:"]
    assert [line.split()[-1].rpartition("/")[2] for line in lines[:3]] == ["worse", "hurt", "clean"]
    assert lines[-1] == "fail: 3 projects on this machine"
    told = street["clean"].fails(1, "audit", "--all", "--json").json
    assert verdicts(told) == [("worse", 1), ("hurt", 1), ("clean", 0)]
    assert told["results"][0]["result"]["findings"][0]["id"] == "PYSEC-2"
    street["clean"].fails(2, "audit", "--all", "--fix")
    street["clean"].fails(2, "audit", "--all", "-e", "dev")


@pytest.mark.slow
def test_what_is_gone_or_unreadable_is_named_and_not_clean(street: dict[str, Project]) -> None:
    clean, hurt, worse = (street[name] for name in ("clean", "hurt", "worse"))
    shutil.rmtree(hurt.folder)
    (worse.folder / "pylock.toml").write_text("lock-version = 'x'")
    told = clean.fails(3, "audit", "--all", "--json").json
    assert verdicts(told) == [("hurt", 3), ("worse", 3), ("clean", 0)]
    assert "its project was moved or removed" in told["results"][0]["error"]["message"]
    assert told["results"][1]["error"]["kind"] == "input"
    said = clean.fails(3, "audit", "--all").stdout
    assert "inconclusive" in said.splitlines()[0]
    (clean.folder / "pyproject.toml").write_text("[project")
    told = clean.fails(3, "audit", "--all", "--json", "--directory", "/").json
    assert [code for _, code in verdicts(told)] == [3, 3, 3]


@pytest.mark.slow
def test_what_another_tools_lock_decides_on_is_audited_as_it_is(
    street: dict[str, Project], tmp_path: Path
) -> None:
    clean = street["clean"]
    other = Project(
        tmp_path / "other", home=tmp_path / "home", index_url=clean.env["PROVENV_INDEX_URL"]
    )
    other.write("requirements.txt", "beta==1.0\n")
    other.ok("sync", "--from", "requirements.txt")
    told = clean.fails(1, "audit", "--all", "--json").json
    assert ("other", 1) in verdicts(told)


def test_without_advisories_no_project_is_clean(tmp_path: Path, index: Index) -> None:
    project = Project(tmp_path / "shop", home=tmp_path / "home", index_url=index.url)
    assert "there are no advisories" in project.fails(3, "audit", "--all").stderr
