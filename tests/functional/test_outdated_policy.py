"""``outdated --policy``: newer versions against the rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import Index, Project, make_wheel
from support.advisories import archive, now, record

DENIED = """
schema = 1
[[rule]]
id = "approved"
kind = "package"
deny = ["core>=3"]
"""
POLICY = f"""
{DENIED}
[[rule]]
id = "cooldown"
kind = "release-age"
min = "7d"
[[rule]]
id = "vulns"
kind = "vulnerability"
"""


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    """``core`` 1.0 is locked; 2.0 is yanked, 3.0 denied; ``other`` 1.1 is of today."""
    for version in ("1.0", "1.5", "3.0"):
        index.add(make_wheel(tmp_path / "w", "core", version))
    index.add(make_wheel(tmp_path / "w", "core", "2.0"), yanked="broken")
    index.add(make_wheel(tmp_path / "w", "other", "1.0"))
    index.add(make_wheel(tmp_path / "w", "other", "1.1"), upload_time=now())
    index.add(make_wheel(tmp_path / "w", "fine", "1.0"))
    project.depends("core==1.0", "other==1.0", "fine")
    project.ok("lock")
    project.ok(
        "advisories",
        "import",
        str(archive(tmp_path / "all.zip", [record("PYSEC-1", "fine", versions=["9"])])),
    )
    return project


@pytest.mark.slow
def test_newer_versions_are_held_against_the_rules(shop: Project) -> None:
    assert "no policy holds" in shop.fails(2, "outdated", "--policy").stderr
    shop.write("provenv-policy.toml", POLICY)
    told = shop.ok("outdated", "--policy", "--json").json
    rows = {row["name"]: row for row in told["packages"]}
    assert (rows["core"]["latest"], rows["core"]["permitted"]) == ("3.0", "1.5")
    assert rows["core"]["excluded"]["rule"] == "approved"
    assert (rows["other"]["latest"], rows["other"]["permitted"]) == ("1.1", None)
    assert rows["other"]["excluded"]["rule"] == "cooldown"
    assert (rows["fine"]["permitted"], rows["fine"]["excluded"]) == (None, None)
    said = shop.ok("outdated", "--policy").stdout
    assert "3.0 is excluded by approved" in said
    assert said.splitlines()[-1] == "pass: 3 packages against the rules"


@pytest.mark.slow
def test_each_page_is_asked_for_once(shop: Project, index: Index) -> None:
    shop.write("provenv-policy.toml", DENIED)
    shop.ok("outdated")  # the resolver keeps what it read
    before = len(index.requests)
    (row, *_) = shop.ok("outdated", "--policy", "--json").json["packages"]
    assert (row["latest"], row["permitted"]) == ("3.0", "1.5")
    asked = sorted(request.path for request in index.requests[before:])
    assert asked == [f"/main/simple/{name}/" for name in ("core", "fine", "other")]


@pytest.mark.slow
def test_what_is_locked_and_breaks_a_rule_is_told(shop: Project, tmp_path: Path) -> None:
    shop.write("provenv-policy.toml", POLICY)
    path = archive(tmp_path / "new.zip", [record("PYSEC-2", "core", versions=["1.0"])])
    shop.ok("advisories", "import", str(path), "--force")
    told = shop.fails(1, "outdated", "--policy", "--json").json
    (row,) = (row for row in told["packages"] if row["name"] == "core")
    assert [(one["rule"], one["state"], one["counts"]) for one in row["decisions"]] == [
        ("vulns", "broken", True)
    ]
    assert "broken vulns: PYSEC-2" in shop.fails(1, "outdated", "--policy").stdout
