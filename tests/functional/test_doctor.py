"""``provenv doctor`` as one calls it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import provenv
from support import Index, Project, make_wheel

EXAMPLE = Path(provenv.__file__).parents[2] / "examples/shop"


def codes(project: Project, *words: str, code: int) -> list[str]:
    return [f["code"] for f in project.fails(code, "doctor", "--json", *words).json["findings"]]


@pytest.fixture
def healthy(project: Project, shelf: Index) -> Project:
    """A project with nothing to complain about."""
    project.depends("web", groups={"dev": ["tool"]})
    project.write("src/shop/__init__.py", "import web\n")
    project.ok("sync")
    return project


def quiet_shell(project: Project, tmp_path: Path) -> None:
    """A PATH on which nothing of this machine is."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("git", "sh"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    project.env["PATH"] = str(tools)


def test_a_healthy_project(healthy: Project, tmp_path: Path) -> None:
    quiet_shell(healthy, tmp_path)
    told = healthy.ok("doctor", "--ignore", "PV5")
    assert told.stdout.startswith("nothing found in ")
    assert told.stderr == ""


def test_what_is_wrong_where_it_is_and_what_mends_it(healthy: Project, tmp_path: Path) -> None:
    quiet_shell(healthy, tmp_path)
    healthy.write("requirements.txt", "flask\n")
    healthy.depends("web", "core", groups={"dev": ["tool"]})
    (next(healthy.folder.glob(".venv/current/lib/python3*/site-packages")) / "own.py").write_text(
        ""
    )
    told = healthy.fails(1, "doctor", "--ignore", "PV5").stdout
    assert told.index("errors\n") < told.index("PV104  A stale lock")
    assert told.index("PV104") < told.index("warnings\n") < told.index("PV121  Unpinned")
    assert "\n         requirements.txt:1\n" in told
    assert "\n       $ provenv lock\n" in told
    assert "installed own.py" in told
    last = told.splitlines()[-1]
    assert last.startswith("1 error, 2 warnings, 1 note in ")  # core is declared and not imported
    assert "`provenv doctor --fix` mends 2" in last


def test_fix_says_what_it_did_and_looks_again(healthy: Project, tmp_path: Path) -> None:
    healthy.depends("web", "core", groups={"dev": ["tool"]})
    result = healthy.ok("doctor", "--fix", "--only", "PV1,PV4", "--ignore", "PV115")
    assert "mended PV104  locked 3 packages in pylock.toml" in result.stdout
    assert codes(healthy, "--only", "PV104", code=0) == []


def test_a_fix_that_fails_is_told(healthy: Project) -> None:
    healthy.depends("nowhere-to-be-had")
    result = healthy.fails(1, "doctor", "--fix", "--only", "PV104")
    assert "not mended PV104" in result.stdout
    assert "nowhere-to-be-had" in result.stdout


def test_only_and_ignore(healthy: Project) -> None:
    healthy.write("requirements.txt", "flask\n")
    healthy.write(".python-version", "3.9\n")
    healthy.write("random.py", "")
    assert codes(healthy, "--only", "PV12", code=0) == ["PV121", "PV122"]
    assert codes(healthy, "--only", "pv121 PV117", code=0) == ["PV117", "PV121"]
    assert codes(healthy, "--only", "PV12", "--ignore", "PV121", code=0) == ["PV122"]
    refused = healthy.fails(2, "doctor", "--only", "PV9")
    assert "there is no finding 'PV9'" in refused.stderr


def test_what_the_project_leaves_out(healthy: Project) -> None:
    healthy.write("requirements.txt", "flask\n")
    healthy.write(".python-version", "3.9\n")
    text = healthy.read("pyproject.toml")
    healthy.pyproject(f'{text}\n[tool.provenv.doctor]\nignore = {{ PV121 = "for a scanner" }}\n')
    document = healthy.ok("doctor", "--json", "--only", "PV12").json
    assert [f["code"] for f in document["findings"]] == ["PV122"]
    assert document["ignored"] == [{"code": "PV121", "reason": "for a scanner"}]
    assert "left out as declared: PV121" in healthy.ok("doctor", "--only", "PV12").stdout
    healthy.pyproject(f'{text}\n[tool.provenv.doctor]\nignore = ["PV121", "PV122"]\n')
    assert codes(healthy, "--only", "PV12", code=0) == []
    healthy.pyproject(f'{text}\n[tool.provenv.doctor]\nignore = ["PV888"]\n')
    refused = healthy.fails(2, "doctor")
    assert "tool.provenv.doctor.ignore: there is no finding 'PV888'" in refused.stderr


def test_sarif_to_a_file_and_to_standard_output(healthy: Project) -> None:
    healthy.write("requirements.txt", "flask\n")
    told = healthy.ok("doctor", "--only", "PV121", "--sarif", "out.sarif")
    assert "PV121" in told.stdout
    document = json.loads(healthy.read("out.sarif"))
    printed = healthy.ok("doctor", "--only", "PV121", "--sarif", "-").json
    assert printed == document
    (result,) = document["runs"][0]["results"]
    assert result["ruleId"] == "PV121"
    healthy.fails(2, "doctor", "--sarif", "-", "--json")


def test_explain(project: Project) -> None:
    told = project.ok("doctor", "--explain", "pv104").stdout
    assert "PV104  A stale lock" in told
    assert "`sync --locked`" in told
    assert project.ok("doctor", "--explain", "PV104", "--json").json["fixable"] is True
    assert "Did you mean PV104?" in project.fails(2, "doctor", "--explain", "PV1044").stderr


def test_outside_of_a_project_shell_and_machine_are_looked_at(
    project: Project, tmp_path: Path
) -> None:
    quiet_shell(project, tmp_path)
    told = project.ok("doctor", env={"PYTHONPATH": "/somewhere"})
    assert "PV303" in told.stdout
    assert "no project here" in project.ok("doctor", "--only", "PV3").stdout
    assert "unknown environment 'dev'" in project.fails(2, "doctor", "-e", "dev").stderr


def test_environments_by_name(healthy: Project) -> None:
    healthy.ok("sync", "-e", "prod")
    (next(healthy.folder.glob(".venvs/prod/current/lib/python3*/site-packages")) / "own.py").touch()
    assert codes(healthy, "--only", "PV404", code=0) == ["PV404"]
    assert codes(healthy, "--only", "PV404", "-e", "dev", code=0) == []
    document = healthy.ok("doctor", "--json", "--only", "PV404", "-e", "dev", "-e", "prod").json
    assert [f["mend"] for f in document["findings"]] == ["provenv sync -e prod"]


def test_an_environment_outside_of_projects(healthy: Project, tmp_path: Path) -> None:
    healthy.ok("env", "create", "ml", "--global")
    (folder,) = healthy.home.glob("provenv/environments/ml/.venv")
    (next(folder.glob("current/lib/python3*/site-packages")) / "own.py").touch()
    document = healthy.ok("doctor", "--json", "--only", "PV404", "-e", "ml").json
    assert [f["mend"] for f in document["findings"]] == ["provenv sync -e ml"]
    refused = healthy.fails(2, "doctor", "-e", "ml", "-e", "dev")
    assert "these environments lie in 2 projects" in refused.stderr


def test_a_project_without_anything(project: Project) -> None:
    project.pyproject('[project]\nname = "new"\nversion = "1"\n')
    found = codes(project, "--only", "PV1,PV4", code=1)
    assert found == ["PV103", "PV123", "PV401"]
    project.pyproject("[project\n")
    assert codes(project, "--only", "PV1,PV4", code=1) == ["PV101"]


def test_a_project_of_former_days(project: Project, tmp_path: Path) -> None:
    quiet_shell(project, tmp_path)
    project.write("requirements.txt", "flask\n")
    project.write("app.py", "import flask\n")
    project.write("env/pyvenv.cfg", "home = /usr/bin\n")
    project.write("below/notes.txt", "")
    result = project.run("doctor", "--json", "--ignore", "PV5", cwd=project.folder / "below")
    document = result.json
    assert document["root"] == str(project.folder)
    assert [f["code"] for f in document["findings"]] == ["PV121", "PV105", "PV409"]
    assert document["findings"][0]["mend"] == "provenv init"


def test_the_home_folder_is_no_project(project: Project, tmp_path: Path) -> None:
    quiet_shell(project, tmp_path)
    (project.home / "requirements.txt").write_text("flask\n")
    assert project.run("doctor", "--json", cwd=project.home).json["root"] is None


def test_quiet_answers_by_exit_code(project: Project) -> None:
    project.depends()
    told = project.fails(1, "doctor", "-q")
    assert (told.stdout, told.stderr) == ("", "")


def test_a_large_project_is_looked_at_whole(project: Project, index: Index, tmp_path: Path) -> None:
    names = [f"lib-{number}" for number in range(20)]
    for name in names:
        index.add(make_wheel(tmp_path / "made", name, "1.0"))
    project.depends(*names)
    for number in range(60):
        lines = "".join(f"import {name.replace('-', '_')}\n" for name in names)
        project.write(f"src/shop/part_{number}.py", f"{lines}import missing_{number}\n")
    project.ok("sync")
    document = project.fails(1, "doctor", "--json", "--only", "PV11").json
    assert len([f for f in document["findings"] if f["code"] == "PV111"]) == 60


@pytest.mark.network
@pytest.mark.slow
def test_the_example_is_free_of_errors_and_warnings(tmp_path: Path) -> None:
    if not EXAMPLE.is_dir():
        pytest.skip("no examples: not run from a checkout")
    shop = Project(tmp_path / "shop", home=tmp_path / "home")
    for name in ("pyproject.toml", "pylock.toml", ".gitignore"):
        shutil.copy(EXAMPLE / name, shop.folder)
    for name in ("src", "tests"):
        shutil.copytree(EXAMPLE / name, shop.folder / name)
    shop.ok("sync")
    document = shop.ok("doctor", "--json", "--ignore", "PV3,PV5").json
    assert [f for f in document["findings"] if f["weight"] != "note"] == []
