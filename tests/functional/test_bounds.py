"""``test --bounds`` and ``test --ahead``: which versions a project really works with."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from support import Index, Project, make_wheel
from support.pythons import pyenv_python

MATRIX = """
[tool.provenv.matrix]
command = ["python", "check.py"]
"""
# Works with core from 1.3 up to and with 2.0, whatever `web` is; and with `web` below 3.
CHECK = """
import core, web
numbers = tuple(map(int, core.__version__.split(".")[:2]))
print(core.__version__, web.__version__)
assert (1, 3) <= numbers < (3, 0), "core is not what it was"
assert int(web.__version__[0]) < 3
"""


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    made = tmp_path / "made"
    made.mkdir()
    for version in ("1.0", "1.1", "1.2", "1.3", "1.4", "2.0"):
        index.add(make_wheel(made, "core", version))
    for version in ("1.0", "2.0"):
        index.add(make_wheel(made, "web", version))
    project.write("check.py", CHECK)
    return project


def declare(project: Project, *requirements: str, more: str = "") -> None:
    project.depends(*requirements, more=MATRIX + more)


def forget(project: Project) -> None:
    """Forget the pages of the index, which count for ten minutes."""
    shutil.rmtree(project.home / "provenv/cache")


def told(project: Project, what: str, code: int, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = project.fails(code, "test", what, "--json", *words).json
    return found


@pytest.mark.slow
def test_the_oldest_versions_are_found_and_the_bounds_offered(shop: Project) -> None:
    declare(shop, "core>=1.1,<3", "web>=2.0")
    shop.ok("lock")
    document = told(shop, "--bounds", 1)
    core, web = document["bounds"]
    assert (core["oldest"], core["below"], core["judgement"]) == ("1.3", "1.2", "too-low")
    assert core["offered"] == ["core<3,>=1.3"]
    assert "core is not what it was" in core["why"]
    assert core["tried"] <= 3
    assert (web["oldest"], web["below"], web["judgement"]) == ("1.0", None, "could-be-lower")
    assert [one["state"] for one in document["together"]] == ["passed"]
    declare(shop, "core>=1.3,<3", "web>=1.0")
    again = told(shop, "--bounds", 0)
    assert [one["judgement"] for one in again["bounds"]] == ["right", "right"]
    text = shop.ok("test", "--bounds").stdout
    assert "no bound is too low" in text


@pytest.mark.slow
def test_bounds_need_tests_that_pass_as_things_are(shop: Project) -> None:
    declare(shop, "core", "web==2.0")
    shop.write("check.py", "raise SystemExit(1)\n")
    refused = shop.fails(3, "test", "--bounds")
    assert "do not pass with the versions of the lock" in refused.stderr
    shop.write("check.py", CHECK)
    core, web = told(shop, "--bounds", 0)["bounds"]
    assert (core["judgement"], core["offered"]) == ("missing", ["core>=1.3"])
    assert (web["judgement"], web["why"]) == ("right", "one version alone is allowed")


@pytest.mark.slow
def test_an_index_that_fails_is_no_answer(shop: Project, index: Index) -> None:
    declare(shop, "core>=1.0", "web")
    shop.ok("lock")
    shop.ok("test")
    index.fault("*core-1*", status=500)
    shop.env["UV_HTTP_RETRIES"] = "1"  # what fails here fails again
    refused = shop.fails(3, "test", "--bounds")
    assert "inconclusive" not in refused.stdout
    assert "500" in refused.stderr


@pytest.mark.slow
def test_newer_versions_are_tried_within_the_bounds_and_beyond(
    shop: Project, index: Index, tmp_path: Path
) -> None:
    declare(shop, "core>=1.3,<3", "web<2.5")
    shop.ok("lock")
    nothing = told(shop, "--ahead", 0)
    assert nothing["tried"] == []
    more = tmp_path / "more"
    more.mkdir()
    for name, version in (("core", "2.1"), ("core", "4.0"), ("web", "2.6"), ("web", "3.0rc1")):
        index.add(make_wheel(more, name, version))
    forget(shop)
    document = told(shop, "--ahead", 1, "--fresh")
    found = {(one["kind"], one["name"]): one for one in document["tried"]}
    assert found["highest", None]["passed"] is True
    assert found["beyond", "core"]["after"] == "4.0"
    assert found["beyond", "core"]["passed"] is False
    assert "core is not what it was" in found["beyond", "core"]["results"][0]["reason"]
    assert (found["beyond", "web"]["after"], found["beyond", "web"]["passed"]) == ("2.6", True)
    assert (found["pre-release", "web"]["after"], found["pre-release", "web"]["passed"]) == (
        "3.0rc1",
        False,
    )
    assert found["everything", None]["passed"] is False
    text = shop.fails(1, "test", "--ahead").stdout
    assert "upper bounds that could be lifted: web <2.5" in text
    assert "breaks the tests: core 4.0 from 2.0" in text


@pytest.mark.slow
def test_which_of_several_upgrades_breaks_the_tests(
    shop: Project, index: Index, tmp_path: Path
) -> None:
    declare(shop, "core", "web")
    shop.ok("lock")
    more = tmp_path / "more"
    more.mkdir()
    for name, version in (("core", "3.0"), ("web", "2.6")):
        index.add(make_wheel(more, name, version))
    forget(shop)
    found = {
        (one["kind"], one["name"]): one["passed"]
        for one in told(shop, "--ahead", 1, "--fresh")["tried"]
    }
    assert found == {
        ("highest", None): False, ("upgrade", "core"): False, ("upgrade", "web"): True,
    }  # fmt: skip


@pytest.mark.slow
def test_a_newer_python_is_tried_where_one_is_here(shop: Project, tmp_path: Path) -> None:
    root = tmp_path / "pyenv/versions"
    root.mkdir(parents=True)
    for minor in ("3.12", "3.13"):
        home = Path(pyenv_python(minor)).resolve().parents[1]
        (root / home.name).symlink_to(home)
    shop.env["PYENV_ROOT"] = str(root.parent)
    shop.env["PATH"] = "/usr/bin:/bin"
    declare(shop, "core", "web")
    manifest = shop.read("pyproject.toml").replace('">=3.11"', '">=3.11,<3.13"')
    shop.pyproject(
        manifest.replace("[tool.provenv.matrix]", '[tool.provenv.matrix]\npython = "3.12"')
    )
    (one,) = told(shop, "--ahead", 0)["tried"]
    assert (one["kind"], one["name"], one["passed"]) == ("python", "3.13", True)
    assert one["bound"] == ">=3.11,<3.13"
    assert "Python 3.13 could be allowed by requires-python" in shop.ok("test", "--ahead").stdout
    manifest = shop.read("pyproject.toml")
    shop.pyproject(manifest.replace(",<3.13", ""))
    assert "could be allowed" not in shop.ok("test", "--ahead").stdout


def test_calls_that_exclude_each_other(shop: Project) -> None:
    declare(shop, "core", "web")
    assert "not with" in shop.fails(2, "test", "--ahead", "--bounds").stderr
    assert "no --junit" in shop.fails(2, "test", "--ahead", "--junit", "a.xml").stderr
