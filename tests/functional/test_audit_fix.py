"""``audit --fix``: the least upgrade that clears the findings, resolved, shown, and locked on yes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from support import Index, Project, make_wheel
from support.advisories import GRAVE, archive, record


def learn(project: Project, *records: Any) -> None:
    path = archive(project.home / "all.zip", records)
    project.ok("advisories", "import", str(path), "--force")


def serve(index: Index, folder: Path, shelf: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
    """Wheels by name and version, with what they require."""
    for name, versions in shelf.items():
        for version, requires in versions.items():
            index.add(make_wheel(folder / "w", name, version, requires=list(requires)))


def lock_at(project: Project, *pins: str, then: Sequence[str]) -> None:
    """Lock at these versions, and loosen the manifest again: the versions stay."""
    project.depends(*pins)
    project.ok("lock")
    project.depends(*then)
    project.ok("lock")


def below(version: str) -> list[list[tuple[str, str]]]:
    return [[("introduced", "0"), ("fixed", version)]]


def locked(project: Project) -> dict[str, str]:
    import tomllib

    rows = tomllib.loads(project.read("pylock.toml"))["packages"]
    return {row["name"]: row["version"] for row in rows}


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    """``core`` 1.0 is locked, and there are 1.1 to 3.0; ``other`` could move as well."""
    versions = ("1.0", "1.1", "1.2", "2.0", "3.0", "3.1rc1")
    index.add(make_wheel(tmp_path / "y", "core", "3.2"), yanked="broken")
    core: dict[str, Sequence[str]] = dict.fromkeys(versions, ())
    serve(index, tmp_path, {"core": core, "other": {"1.0": (), "2.0": ()}})
    lock_at(project, "core==1.0", "other==1.0", then=("core", "other"))
    return project


def test_the_least_version_that_nothing_hits_is_locked_and_nothing_else_moves(
    shop: Project,
) -> None:
    learn(
        shop,
        record("PYSEC-1", "core", ranges=below("1.1"), cvss=GRAVE),
        record("PYSEC-2", "core", versions=["1.1"]),
    )
    before = shop.read("pylock.toml")
    said = shop.fails(1, "audit", "--fix", "--dry-run")
    assert "core 1.0 → 1.2" in said.stdout
    assert "nothing was changed" in said.stderr
    assert shop.read("pylock.toml") == before
    assert "--yes says so" in shop.fails(2, "audit", "--fix").stderr
    assert shop.read("pylock.toml") == before
    told = shop.ok("audit", "--fix", "--yes", "--json").json
    assert told["changes"] == [{"name": "core", "before": "1.0", "after": "1.2"}]
    assert [row["id"] for row in told["cleared"]] == ["PYSEC-1"]
    assert (told["verdict"], told["written"], told["before"]["verdict"]) == ("pass", True, "fail")
    assert locked(shop) == {"core": "1.2", "other": "1.0"}
    # … and the next plain lock, check and sync keep it
    shop.ok("lock", "--check")
    shop.depends("core", "other", "core!=9")
    shop.ok("lock")
    assert locked(shop) == {"core": "1.2", "other": "1.0"}
    assert "nothing to mend" in shop.ok("audit", "--fix").stderr
    assert [row["operation"] for row in shop.ok("log", "--json").json["operations"]][:2] == [
        "lock", "audit-fix",
    ]  # fmt: skip


@pytest.mark.slow
def test_what_needs_the_package_moves_with_it_and_no_further(
    project: Project, index: Index, tmp_path: Path
) -> None:
    web = {"1.0": ["core<2"], "1.1": ["core<2"]}
    web |= {version: ["core>=2"] for version in ("1.2", "1.3", "9.0")}
    serve(index, tmp_path, {"core": {"1.0": (), "2.0": (), "2.1": ()}, "web": web})
    lock_at(project, "web==1.0", then=["web"])
    learn(project, record("PYSEC-1", "core", ranges=below("2.0")))
    project.ok("audit", "--fix", "--yes")
    assert locked(project) == {"core": "2.0", "web": "1.2"}


@pytest.mark.slow
def test_what_an_upgrade_brings_in_is_audited_as_well(
    project: Project, index: Index, tmp_path: Path
) -> None:
    core = {"1.0": (), "2.0": ["extra<1.2"]}
    serve(index, tmp_path, {"core": core, "extra": {"1.0": (), "1.1": (), "1.2": ()}})
    lock_at(project, "core==1.0", then=["core"])
    learn(
        project,
        record("PYSEC-1", "core", ranges=below("2.0")),
        record("PYSEC-2", "extra", versions=["1.1"]),
    )
    told = project.fails(1, "audit", "--fix", "--yes", "--json").json
    assert locked(project) == {"core": "2.0", "extra": "1.1"}
    (left,) = told["left"]
    assert (left["package"], left["version"]) == ("extra", "1.1")
    assert "extra<1.2" in left["reason"]


@pytest.mark.slow
def test_a_bound_in_the_way_is_named_and_changed_only_where_asked(
    project: Project, index: Index, tmp_path: Path
) -> None:
    serve(index, tmp_path, {"core": {"1.0": (), "1.4": (), "2.0": (), "3.0": ()}})
    project.depends("core>=1,<2")
    project.ok("lock")
    learn(project, record("PYSEC-1", "core", ranges=below("2.0")))
    text, lock = project.read("pyproject.toml"), project.read("pylock.toml")
    said = project.fails(1, "audit", "--fix", "--yes").stdout
    assert "2.0 is held back by 'core>=1,<2'" in said
    assert "pyproject.toml: project.dependencies: core>=1,<2 → core<3,>=1" in said
    assert (project.read("pyproject.toml"), project.read("pylock.toml")) == (text, lock)
    shown = project.fails(1, "audit", "--fix", "--beyond-bounds", "--dry-run").stdout
    assert "core 1.4 → 2.0" in shown
    assert (project.read("pyproject.toml"), project.read("pylock.toml")) == (text, lock)
    project.ok("audit", "--fix", "--beyond-bounds", "--yes")
    assert "core<3,>=1" in project.read("pyproject.toml")
    assert locked(project) == {"core": "2.0"}
    project.ok("lock", "--check")


@pytest.mark.slow
def test_a_bound_on_what_brings_it_in_is_found(
    project: Project, index: Index, tmp_path: Path
) -> None:
    web = {"1.0": ["core<2"], "1.5": ["core"], "4.0": ["core"]}
    serve(index, tmp_path, {"core": {"1.0": (), "2.0": ()}, "web": web})
    project.depends("web==1.0")
    project.ok("lock")
    learn(project, record("PYSEC-1", "core", ranges=below("2.0")))
    told = project.fails(1, "audit", "--fix", "--dry-run", "--json").json
    (left,) = told["left"]
    (bound,) = left["bounds"]
    assert (bound["requirement"], bound["wanted"]) == ("web==1.0", "web==1.5")
    project.ok("audit", "--fix", "--beyond-bounds", "--yes")
    assert locked(project) == {"core": "2.0", "web": "1.5"}


@pytest.mark.slow
def test_what_has_no_fix_is_named_and_does_not_stop_the_rest(shop: Project) -> None:
    learn(
        shop,
        record("PYSEC-1", "core", ranges=below("1.1")),
        record("PYSEC-2", "other", ranges=[[("introduced", "0")]]),
    )
    told = shop.fails(1, "audit", "--fix", "--yes", "--json").json
    assert locked(shop) == {"core": "1.1", "other": "1.0"}
    assert [(row["package"], row["reason"]) for row in told["left"]] == [
        ("other", "no fixed version is known")
    ]
    assert told["verdict"] == "fail"


@pytest.mark.slow
def test_it_writes_nothing_from_doubtful_ground(shop: Project) -> None:
    assert "there are no advisories" in shop.fails(3, "audit", "--fix", "--yes").stderr
    learn(shop, record("PYSEC-1", "core", ranges=below("1.1")))
    before = shop.read("pylock.toml")
    shop.depends("core", "other", "core!=7")
    assert "Run `provenv lock` first" in shop.fails(1, "audit", "--fix", "--yes").stderr
    shop.depends("core", "other")
    at = before.index('sha256 = "') + len('sha256 = "')
    shop.write("pylock.toml", before[:at] + "0" * 8 + before[at + 8 :])
    assert "edited by hand" in shop.fails(1, "audit", "--fix", "--yes").stderr
    shop.fails(2, "audit", "--yes")
    shop.fails(2, "audit", "--fix", "--installed")


@pytest.mark.slow
def test_yanked_versions_and_prereleases_are_no_remedy(shop: Project) -> None:
    learn(shop, record("PYSEC-1", "core", ranges=[[("introduced", "0"), ("fixed", "3.1rc1")]]))
    told = shop.fails(1, "audit", "--fix", "--dry-run", "--json").json
    (left,) = told["left"]
    assert "nothing is known to be sound that its index has" in left["reason"]


@pytest.mark.slow
def test_a_fix_is_recorded_where_a_project_keeps_evidence(shop: Project) -> None:
    learn(shop, record("PYSEC-1", "core", ranges=below("1.1")))
    shop.depends("core", "other", more="[tool.provenv.evidence]\n")
    shop.ok("lock")
    shop.ok("audit", "--fix", "--yes")
    newest = shop.ok("evidence", "show", "--json").json["records"][0]
    assert newest["kind"] == "lock"
    assert "audit --fix" in newest["command"]
