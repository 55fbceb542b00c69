"""``ci``: pipelines that the systems' own schemas accept, and that leave people's changes alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from provenv.templates.pipelines import SYSTEMS
from support import Project

# The options with which check-jsonschema holds a file against the schema that the system publishes.
SCHEMAS = {
    "github": ["--builtin-schema", "vendor.github-workflows"],
    "gitlab": ["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
    "azure": [
        "--builtin-schema", "vendor.azure-pipelines",
        "--data-transform", "azure-pipelines", "--regex-variant", "nonunicode",
    ],
    "circleci": ["--builtin-schema", "vendor.circle-ci"],
}  # fmt: skip
MANY = '[tool.provenv.environments]\ntest = { groups = ["test"], python = ["3.11", "3.12"] }\n'


def accepted(system: str, path: Path) -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *SCHEMAS[system], str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def loaded(path: Path) -> Any:
    yaml = pytest.importorskip("ruamel.yaml", reason="it comes with check-jsonschema")
    return yaml.YAML(typ="safe").load(path)


@pytest.mark.parametrize("system", SCHEMAS)
@pytest.mark.parametrize("more", ["", MANY], ids=["one", "many"])
def test_the_schema_of_the_system_accepts_it(project: Project, system: str, more: str) -> None:
    project.depends(groups={"test": ["pytest"]}, more=more)
    result = project.ok("ci", system, "--json").json
    path = Path(result["path"])
    assert path == project.folder / SYSTEMS[system].path
    assert result["done"] == "made"
    accepted(system, path)


def test_a_wrong_pipeline_is_not_accepted(project: Project) -> None:
    project.depends()
    project.ok("ci", "github")
    path = project.folder / SYSTEMS["github"].path
    path.write_text(path.read_text().replace("runs-on:", "runs-off:"))
    with pytest.raises(AssertionError):
        accepted("github", path)


def test_github_tests_every_declared_python_in_its_own_environment(project: Project) -> None:
    project.depends(groups={"test": ["pytest"]}, more=MANY)
    project.ok("ci", "github")
    jobs = loaded(project.folder / SYSTEMS["github"].path)["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12"]
    lines = [step.get("run", "") for step in jobs["test"]["steps"]]
    assert "provenv sync --locked -e test@${{ matrix.python }}" in lines
    assert "provenv run -e test@${{ matrix.python }} pytest" in lines
    cache = next(step["with"] for step in jobs["test"]["steps"] if "cache" in step.get("uses", ""))
    assert "matrix.python" in cache["key"]
    assert "pylock" in cache["key"]


def test_without_declared_pythons_all_that_live_are_tested(project: Project) -> None:
    project.depends(more="\n")
    manifest = project.read("pyproject.toml").replace(">=3.11", ">=3.6,<3.14")
    project.pyproject(manifest)
    project.ok("ci", "gitlab")
    job = loaded(project.folder / SYSTEMS["gitlab"].path)["test"]
    (matrix,) = job["parallel"]["matrix"]
    assert matrix["PYTHON"][-1] == "3.13"
    assert "3.6" not in matrix["PYTHON"]
    assert any("python -V" in line for line in job["script"])  # there is no pytest


def test_the_lock_of_a_conflicting_environment_is_part_of_the_key(project: Project) -> None:
    project.depends(
        groups={"test": ["pytest"], "old": ["alpha<2"], "new": ["alpha>=2"]},
        more="""
        [tool.provenv]
        conflicts = [["old", "new"]]
        [tool.provenv.environments]
        legacy = { groups = ["old"] }
        """,
    )
    project.ok("ci", "gitlab")
    job = loaded(project.folder / SYSTEMS["gitlab"].path)["test"]
    assert job["cache"]["key"]["files"] == ["pylock.toml", "pylock.legacy.toml"]


def test_jenkins_has_its_stages(project: Project) -> None:
    project.depends(groups={"test": ["pytest"]}, more=MANY)
    text = project.ok("ci", "jenkins", "--stdout").stdout
    assert text.count("{") == text.count("}")
    assert "values '3.11', '3.12'" in text
    assert """sh 'provenv run -e test@"$PYTHON" pytest'""" in text
    assert not (project.folder / "Jenkinsfile").exists()


def test_a_second_run_changes_nothing_and_an_edit_is_kept(project: Project) -> None:
    project.depends()
    project.ok("ci", "circleci")
    path = project.folder / SYSTEMS["circleci"].path
    assert "nothing to do" in project.ok("ci", "circleci").stderr
    project.depends(groups={"test": ["pytest"]})
    assert "renewed" in project.ok("ci", "circleci").stderr  # nobody had touched it
    edited = path.read_text() + "# mine\n"
    path.write_text(edited)
    refused = project.fails(2, "ci", "circleci")
    assert "--force" in refused.stderr
    assert path.read_text() == edited
    forced = project.ok("ci", "circleci", "--force", "--json").json
    assert Path(forced["aside"]).read_text() == edited
    accepted("circleci", path)


def test_another_system_is_named(project: Project) -> None:
    project.depends()
    assert "github" in project.fails(2, "ci", "travis").stderr
