"""``upgrade``: steps that are resolved, audited, judged and tested; one lock, or none."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from support import Index, Project, make_wheel
from support.advisories import archive, now, record

DAY = "2026-01-01T00:00:00Z"


def learn(project: Project, *records: Any) -> None:
    path = archive(project.home / "all.zip", records)
    project.ok("advisories", "import", str(path), "--force")


def serve(index: Index, folder: Path, shelf: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
    """Wheels by name and version, with what they require."""
    for name, versions in shelf.items():
        for version, requires in versions.items():
            made = make_wheel(folder / "w", name, version, requires=list(requires))
            index.add(made, upload_time=DAY)


def lock_at(project: Project, *pins: str, then: Sequence[str]) -> None:
    """Lock at these versions, and loosen the manifest again: the versions stay."""
    project.depends(*pins)
    project.ok("lock")
    project.depends(*then)
    project.ok("lock")


def locked(project: Project) -> dict[str, str]:
    rows = tomllib.loads(project.read("pylock.toml"))["packages"]
    return {row["name"]: row["version"] for row in rows}


def moves(told: Any) -> dict[str, list[tuple[str, str, str]]]:
    return {
        step["step"]: [(m["package"], m["before"], m["after"]) for m in step["moves"]]
        for step in told["steps"]
    }


def nothing(*versions: str) -> dict[str, Sequence[str]]:
    return dict.fromkeys(versions, ())


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    """``core`` is vulnerable below 1.0.1; ``other`` and ``tool`` have newer versions of every sort."""
    serve(
        index,
        tmp_path,
        {
            "core": nothing("1.0.0", "1.0.1", "1.0.2"),
            "other": nothing("1.0.0", "1.0.5", "1.3.0", "2.0.0"),
            "tool": nothing("1.0.0", "1.0.1", "3.0.0"),
        },
    )
    text = "Metadata-Version: 2.1\nName: tool\nVersion: 1.0.1\n"
    text += "Project-URL: Changelog, https://tool.example/changes\n"
    index.add(make_wheel(tmp_path / "t", "tool", "1.0.1", metadata=text), upload_time=DAY)
    lock_at(
        project,
        "core==1.0.0", "other==1.0.0", "tool==1.0.0",
        then=("core", "other", "tool<2"),
    )  # fmt: skip
    learn(
        project,
        record("PYSEC-1", "core", ranges=[[("introduced", "0"), ("fixed", "1.0.1")]]),
        record("PYSEC-2", "other", versions=["1.3.0"]),
    )
    return project


def test_steps_go_from_what_must_to_what_may_and_end_in_one_lock(shop: Project) -> None:
    before = shop.read("pylock.toml")
    told = shop.ok("upgrade", "--dry-run", "--json", "--report", "report.md").json
    assert shop.read("pylock.toml") == before
    assert moves(told) == {
        "security": [("core", "1.0.0", "1.0.1")],
        "patch": [
            ("core", "1.0.1", "1.0.2"),
            ("other", "1.0.0", "1.0.5"),
            ("tool", "1.0.0", "1.0.1"),
        ],
        "minor": [],  # other 1.3.0 is known to be vulnerable
        "major": [("other", "1.0.5", "2.0.0")],
    }
    assert told["steps"][0]["moves"][0]["cleared"] == ["PYSEC-1"]
    assert told["steps"][0]["moves"][0]["uploaded"] == DAY
    assert [(row["package"], row["reason"]) for row in told["stayed"]] == [
        ("tool", "held by 'tool<2' (project.dependencies)")
    ]
    links = {m["package"]: m["changelog"] for m in told["steps"][1]["moves"]}
    assert links == {"core": None, "other": None, "tool": "https://tool.example/changes"}
    page = shop.read("report.md")
    assert "| patch release | 2026-01-01 (" in page
    assert "| [changes](https://tool.example/changes) |" in page
    assert (
        "| core | 1.0.0 | 1.0.1 | clears what is known against it: `PYSEC-1` | 2026-01-01 (" in page
    )
    assert "- Not tested: no command was given." in page
    shop.ok("upgrade")
    assert locked(shop) == {"core": "1.0.2", "other": "2.0.0", "tool": "1.0.1"}
    shop.ok("lock", "--check")
    assert "nothing moves" in shop.ok("upgrade").stdout


@pytest.mark.slow
def test_one_step_alone(shop: Project) -> None:
    shop.ok("upgrade", "--only", "security")
    assert locked(shop) == {"core": "1.0.1", "other": "1.0.0", "tool": "1.0.0"}
    told = shop.ok("upgrade", "--only", "patch", "--json").json
    assert {"package": "other", "locked": "1.0.5", "newest": "2.0.0",
            "reason": "major releases were not asked for"} in told["stayed"]  # fmt: skip
    assert locked(shop)["other"] == "1.0.5"


@pytest.mark.slow
def test_bounds_are_lifted_only_where_asked(shop: Project) -> None:
    told = shop.ok("upgrade", "--beyond-bounds", "--json").json
    assert [(row["requirement"], row["wanted"]) for row in told["edits"]] == [("tool<2", "tool<4")]
    assert "tool<4" in shop.read("pyproject.toml")
    assert locked(shop)["tool"] == "3.0.0"
    shop.ok("lock", "--check")


TEST = """\
import pathlib, sys
import other, tool
pathlib.Path("ran").open("a").write(f"{other.__version__} {tool.__version__}\\n")
print("looking at other", other.__version__)
sys.exit(other.__version__ == "1.0.5")
"""


@pytest.mark.slow
def test_what_fails_the_test_is_left_out_alone(shop: Project) -> None:
    shop.write("check.py", TEST)
    told = shop.fails(1, "upgrade", "--only", "patch", "--test", "check.py", "--json").json
    (step,) = told["steps"]
    (one,) = step["rejected"]
    assert (one["package"], one["before"], one["after"]) == ("other", "1.0.0", "1.0.5")
    assert "looking at other 1.0.5" in one["reason"]
    assert "looking at other 1.0.5" in Path(one["log"]).read_text()
    assert locked(shop) == {"core": "1.0.2", "other": "1.0.0", "tool": "1.0.1"}
    assert not (shop.folder / ".venv").exists()
    assert not (shop.folder / ".venvs").exists()
    assert shop.read("ran").splitlines()[0] == "1.0.0 1.0.0"  # first of all what is locked


@pytest.mark.slow
def test_a_test_that_cannot_tell_anything_is_said_to_before_anything_moves(shop: Project) -> None:
    before = shop.read("pylock.toml")
    shop.write("check.py", "raise SystemExit(7)")
    said = shop.fails(1, "upgrade", "--test", "check.py").stderr
    assert "with the lock as it is, `check.py` ended with exit code 7" in said
    assert "cannot be tested" in shop.fails(3, "upgrade", "--test", "no-such-command").stderr
    shop.fails(2, "upgrade", "--test", "")
    shop.fails(2, "upgrade", "--test", "'")
    shop.fails(2, "upgrade", "--timeout", "3")
    shop.fails(2, "upgrade", "-e", "prod")
    assert "no folder for --report" in shop.fails(2, "upgrade", "--report", "no/r.md").stderr
    assert shop.read("pylock.toml") == before


@pytest.mark.slow
def test_a_test_that_does_not_end_is_ended(shop: Project) -> None:
    shop.write("check.py", "import other, time\ntime.sleep(60 * (other.__version__ != '1.0.0'))\n")
    told = shop.fails(
        1, "upgrade", "--only", "patch", "--test", "check.py", "--timeout", "4", "--json"
    ).json
    assert [row["package"] for row in told["steps"][0]["rejected"]] == ["other"]
    assert "did not end within 4" in told["steps"][0]["rejected"][0]["reason"]


@pytest.mark.slow
def test_an_upgrade_that_brings_in_something_vulnerable_is_left_out(
    project: Project, index: Index, tmp_path: Path
) -> None:
    shelf = {
        "web": {"1.0": (), "1.1": ["bad"]},
        "bad": nothing("1.0"),
        "other": nothing("1.0", "1.1"),
    }
    serve(index, tmp_path, shelf)
    lock_at(project, "web==1.0", "other==1.0", then=("web", "other"))
    learn(project, record("PYSEC-1", "bad", versions=["1.0"]))
    told = project.fails(1, "upgrade", "--json").json
    assert locked(project) == {"other": "1.1", "web": "1.0"}
    (one,) = told["steps"][2]["rejected"]
    assert (one["package"], one["reason"]) == ("web", "it brings in PYSEC-1 of bad")


@pytest.mark.slow
def test_what_another_package_holds_back_is_said(
    project: Project, index: Index, tmp_path: Path
) -> None:
    serve(index, tmp_path, {"web": {"1.0": ["core<2"]}, "core": nothing("1.0", "2.0")})
    project.depends("web")
    project.ok("lock")
    learn(project, record("PYSEC-1", "other", versions=["1.0"]))
    told = project.ok("upgrade", "--json").json
    assert [(row["package"], row["newest"], row["reason"]) for row in told["stayed"]] == [
        ("core", "2.0", "web needs core<2")
    ]


@pytest.mark.slow
def test_nothing_is_moved_without_advisories_or_from_a_stale_lock(
    project: Project, index: Index, tmp_path: Path
) -> None:
    serve(index, tmp_path, {"core": nothing("1.0", "2.0")})
    lock_at(project, "core==1.0", then=["core"])
    before = project.read("pylock.toml")
    assert "there are no advisories" in project.fails(3, "upgrade").stderr
    learn(project, record("PYSEC-1", "other", versions=["1.0"]))
    index.fault("*/simple/core/", status=404)
    told = project.ok("upgrade", "--json").json
    assert "404" in told["stayed"][0]["reason"]
    assert told["stayed"][0]["newest"] is None
    project.depends("core", "core!=3")
    assert "Run `provenv lock` first" in project.fails(1, "upgrade").stderr
    assert project.read("pylock.toml") == before


def test_the_report_is_text_whatever_stands_in_it() -> None:
    from provenv.workspace.assuring.pull_request import _code, _plain

    assert _plain("a|b\n@team <img> [x](y)") == "a\\|b @\u200bteam \\<img\\> \\[x\\](y)"
    assert _code("`|x") == "`'¦x`"


@pytest.mark.slow
def test_what_the_policy_excludes_is_not_proposed(
    project: Project, index: Index, tmp_path: Path
) -> None:
    serve(index, tmp_path, {"core": nothing("1.0", "1.1", "2.0"), "other": nothing("1.0")})
    index.add(make_wheel(tmp_path / "w", "other", "1.1"), upload_time=now())
    lock_at(project, "core==1.0", "other==1.0", then=("core", "other"))
    learn(project, record("PYSEC-1", "another", versions=["1.0"]))
    project.write(
        "provenv-policy.toml",
        """
        schema = 1
        [[rule]]
        id = "approved"
        kind = "package"
        deny = ["core>=2"]
        [[rule]]
        id = "cooldown"
        kind = "release-age"
        min = "7d"
        """,
    )
    told = project.ok("upgrade", "--json").json
    assert locked(project) == {"core": "1.1", "other": "1.0"}
    reasons = {row["package"]: row["reason"] for row in told["stayed"]}
    assert "approved" in reasons["core"]
    assert "cooldown" in reasons["other"]
    project.ok("policy", "check")
