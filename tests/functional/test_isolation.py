"""``provenv isolation``: claims, with the interpreter's own words for evidence."""

from __future__ import annotations

import os
import shutil
import textwrap
from pathlib import Path
from typing import Any

import pytest

import provenv
from support import Index, Project, make_wheel, tiny_backend
from support.pythons import pyenv_python


@pytest.fixture
def made(project: Project, shelf: Index) -> Project:
    """A project with an environment."""
    project.depends("tool")
    project.ok("sync")
    return project


def claims(project: Project, *, code: int = 0, env: dict[str, str] | None = None) -> dict[str, Any]:
    document = project.fails(code, "isolation", "--json", env=env).json
    assert document["ok"] == (code == 0)
    return {claim["about"]: claim for claim in document["claims"]}


def failed(project: Project, env: dict[str, str] | None = None) -> set[str]:
    found = claims(project, code=1, env=env)
    return {about for about, claim in found.items() if claim["verdict"] == "fail"}


def test_an_environment_that_is_closed(made: Project) -> None:
    found = claims(made)
    assert {claim["verdict"] for claim in found.values()} == {"pass"}
    folder = str(made.folder / ".venv")
    assert found["interpreter"]["evidence"] == f"{folder}/bin/python"
    assert found["sys.prefix"]["evidence"] == folder
    assert found["install purelib"]["evidence"].startswith(f"{folder}/lib/python")
    assert found["scripts"]["evidence"].startswith("1 script, all by ")
    assert found["packages"]["evidence"] == "1 distribution, all of them"
    assert any(claim["claim"] == "of the standard library" for claim in found.values())
    told = made.ok("isolation").stdout
    assert told.splitlines()[0].split() == ["verdict", "what", "claim", "evidence"]
    assert told.splitlines()[-1].startswith("isolated: ")


def test_of_another_environment_and_by_exit_code(made: Project) -> None:
    missing = made.fails(2, "isolation", "-e", "prod")
    assert "`provenv sync -e prod` makes it" in missing.stderr
    made.ok("sync", "-e", "prod")
    assert made.ok("isolation", "-q", "-e", "prod").stdout == ""
    assert made.ok("isolation", "--json", "-e", "prod").json["environment"] == "prod"


def test_pythonpath_leaks(made: Project, tmp_path: Path) -> None:
    leak = tmp_path / "leak"
    (leak / "evil-1.0.dist-info").mkdir(parents=True)
    (leak / "evil-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: evil\n")
    env = {"PYTHONPATH": str(leak)}
    assert failed(made, env) == {"sys.path[0]", "sys.path with -I", "packages", "variables"}
    found = claims(made, code=1, env=env)
    assert found["sys.path[0]"]["claim"] == "from PYTHONPATH"
    assert found["packages"]["evidence"] == f"evil ({leak})"
    told = made.fails(1, "isolation", env=env)
    assert told.stdout.splitlines()[-1].startswith("not isolated: 4 claims of ")


def test_pythonhome_keeps_it_from_starting(made: Project) -> None:
    # in this process, for provenv's own Python would not start either
    context = provenv.make_context({**made.env, "PYTHONHOME": "/nowhere"})
    result = provenv.isolation(
        provenv.open_project(str(made.folder)), context, start=str(made.folder)
    )
    assert {c.about for c in result.claims if c.verdict == "fail"} == {"interpreter", "variables"}
    assert not result.ok


def test_pip_is_diverted_by_variables(made: Project) -> None:
    assert failed(made, {"PIP_TARGET": "/elsewhere"}) == {"pip"}
    assert (
        "PIP_TARGET=/elsewhere"
        in claims(made, code=1, env={"PIP_TARGET": "/elsewhere"})["pip"]["evidence"]
    )


def test_a_seeded_pip_is_the_environments_own(
    project: Project, index: Index, tmp_path: Path
) -> None:
    main = """
        import os, sys
        if sys.argv[1:] == ["--version"]:
            print("pip 1.0 from " + os.path.dirname(__file__) + " (python 3.12)")
        else:
            print("global.timeout='5'" if "QUIET" in os.environ else "global.target='/elsewhere'")
        """
    files = {"pip/__init__.py": "", "pip/__main__.py": textwrap.dedent(main)}
    index.add(make_wheel(tmp_path / "made", "pip", "1.0", files=files))
    project.depends(more='[tool.provenv.environments]\ndev = { seed = ["pip"] }\n')
    project.ok("sync")
    found = claims(project, env={"QUIET": "1"})
    assert found["pip"]["evidence"].startswith("pip 1.0 from ")
    assert failed(project) == {"pip config"}


@pytest.mark.parametrize("version", ["2.7", "3.6"])
def test_old_pythons(project: Project, version: str) -> None:
    python = pyenv_python(version)
    project.pyproject(f'[project]\nname = "old"\nversion = "1"\nrequires-python = ">={version}"\n')
    project.ok("sync", "--python", python)
    claims(project)
    assert failed(project, {"PYTHONPATH": "/somewhere"}) >= {"variables"}


def test_other_variables_of_python_do_no_harm(made: Project) -> None:
    found = claims(made, env={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"})
    assert "PYTHONUTF8" in found["variables"]["evidence"]


def test_a_script_of_another_interpreter(made: Project) -> None:
    script = made.folder / ".venv/current/bin/stranger"
    script.write_text("#!/usr/bin/python3\n")
    found = claims(made, code=1)
    assert found["scripts"]["evidence"] == "stranger by /usr/bin/python3"


def test_a_path_that_a_pth_file_adds(made: Project, tmp_path: Path) -> None:
    (site,) = made.folder.glob(".venv/current/lib/python3*/site-packages")
    outside = tmp_path / "outside"
    outside.mkdir()
    (site / "code.pth").write_text(f"import sys; sys.path.insert(0, {str(outside)!r})\n")
    found = claims(made, code=1)
    assert found["sys.path[0]"]["claim"] == "from outside"


def test_a_copied_project_leads_to_its_former_place(project: Project, tmp_path: Path) -> None:
    project.depends(
        more="""
        [build-system]
        requires = []
        build-backend = "tiny_backend"
        backend-path = ["."]
        """
    )
    shutil.copy(tiny_backend.__file__, project.folder / "tiny_backend.py")
    project.write("src/shop.py", "")
    project.ok("sync")
    assert "of the project, editable" in {c["claim"] for c in claims(project).values()}
    copy = tmp_path / "copy"
    shutil.copytree(project.folder, copy, symlinks=True)
    result = project.run("isolation", "--json", cwd=copy)
    assert result.code == 1, result
    told = {c["claim"]: c for c in result.json["claims"]}
    former = told["of the place where the project was before"]
    assert (former["verdict"], former["evidence"]) == ("fail", str(project.folder / "src"))


def test_system_site_packages_are_declared(made: Project) -> None:
    made.depends("tool", more="[tool.provenv.environments]\ndev.system-site-packages = true\n")
    made.ok("sync")
    found = claims(made, env={"PYTHONNOUSERSITE": "1"})
    assert "declared" in {claim["verdict"] for claim in found.values()}
    assert "fail" not in {claim["verdict"] for claim in found.values()}


def test_an_interpreter_that_is_gone(made: Project) -> None:
    python = made.folder / ".venv/current/bin/python"
    python.unlink()
    os.symlink("/nowhere/python", python)
    assert "interpreter" in failed(made)


def test_a_folder_of_another_tool(project: Project) -> None:
    project.depends()
    project.write(".venv/pyvenv.cfg", "home = /usr/bin\n")
    assert "was not made by provenv" in project.fails(2, "isolation").stderr
