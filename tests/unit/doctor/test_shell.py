"""Variables and PATH: PV3xx."""

from __future__ import annotations

from pathlib import Path

import pytest

from provenv.doctor.facts_shell import interpreter_of
from unit.doctor.helpers import Patient, executable, fake_environment


def path(*folders: Path) -> dict[str, str]:
    return {"PATH": ":".join(map(str, folders))}


def test_python_and_pip_of_different_environments(patient: Patient, tmp_path: Path) -> None:
    first = fake_environment(tmp_path / "first")
    second = fake_environment(tmp_path / "second")
    (first / "bin/pip").unlink()
    finding = patient.one("PV301", path(first / "bin", second / "bin"))
    assert str(first / "bin/python") in finding.seen
    assert str(second) in finding.seen
    assert finding.mend == "python -m pip"
    assert patient.seen("PV301", path(second / "bin", first / "bin")) == []


def test_two_environments_at_once(patient: Patient, tmp_path: Path) -> None:
    first = fake_environment(tmp_path / "first")
    second = fake_environment(tmp_path / "second")
    nested = {**path(second / "bin", first / "bin"), "VIRTUAL_ENV": str(second)}
    assert f"{second} answers first" in patient.one("PV302", nested).seen
    assert patient.seen("PV302", {**path(second / "bin"), "VIRTUAL_ENV": str(second)}) == []


def test_conda_and_a_virtual_environment(patient: Patient, tmp_path: Path) -> None:
    first = fake_environment(tmp_path / "first")
    conda = tmp_path / "conda"
    (conda / "conda-meta").mkdir(parents=True)
    (conda / "bin").mkdir()
    both = {"VIRTUAL_ENV": str(first), "CONDA_PREFIX": str(conda)}
    finding = patient.one("PV302", {**path(first / "bin", conda / "bin"), **both})
    assert finding.mend == "conda deactivate"


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"PYTHONPATH": "/somewhere"}, "PV303"),
        ({"PYTHONHOME": "/somewhere"}, "PV304"),
        ({"PIP_TARGET": "/somewhere"}, "PV305"),
        ({"PIP_USER": "1"}, "PV305"),
        ({"VIRTUAL_ENV": "/nowhere/at/all"}, "PV306"),
        ({"LC_ALL": "de_DE.ISO-8859-1"}, "PV310"),
        ({"LC_ALL": "", "LANG": "ja_JP.eucJP"}, "PV310"),
        ({"LC_ALL": "C", "PYTHONUTF8": "0"}, "PV310"),
    ],
    ids=str,
)
def test_variables_that_hurt(patient: Patient, variables: dict[str, str], code: str) -> None:
    assert [f.code for f in patient.look(only=("PV3",), variables=variables).findings] == [code]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"PYTHONPATH": "", "PIP_USER": "0", "PYTHONDONTWRITEBYTECODE": "1"},
        {"LC_ALL": ""},
        {"LC_ALL": "C"},
        {"LC_ALL": "en_GB.utf8"},
        {"LC_ALL": "de_DE.ISO-8859-1", "PYTHONUTF8": "1"},
    ],
    ids=str,
)
def test_variables_that_do_not(patient: Patient, variables: dict[str, str]) -> None:
    assert patient.look(only=("PV3",), variables=variables).findings == ()


def test_another_projects_environment(patient: Patient, tmp_path: Path) -> None:
    patient.project.depends()
    other = fake_environment(tmp_path / "other/.venv")
    own = fake_environment(patient.folder / ".venv")
    assert str(other) in patient.one("PV307", {"VIRTUAL_ENV": str(other)}).seen
    assert patient.seen("PV307", {"VIRTUAL_ENV": str(own)}) == []


def test_activation_forgotten(patient: Patient, tmp_path: Path) -> None:
    patient.project.depends()
    patient.sync()
    other = fake_environment(tmp_path / "other")
    finding = patient.one("PV308", path(other / "bin"))
    assert finding.weight == "note"
    assert finding.mend == "provenv run python"
    own = patient.folder / ".venv"
    assert patient.seen("PV308", path(own / "bin")) == []
    assert patient.seen("PV308", path(own / "generations/1/bin")) == []  # as `run` has it


class Pyenv:
    """A pyenv root with shims and versions."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "versions").mkdir(parents=True)
        for name in ("python", "pip"):
            executable(
                root / "shims" / name, f'#!/bin/sh\nexec "{root}/libexec/pyenv" exec "{name}"\n'
            )

    def install(self, version: str) -> None:
        executable(self.root / f"versions/{version}/bin/python")

    def shell(self, **more: str) -> dict[str, str]:
        return {"PATH": f"{self.root}/shims", "PYENV_ROOT": str(self.root), **more}


def test_a_shim_that_leads_nowhere(patient: Patient, tmp_path: Path) -> None:
    pyenv = Pyenv(tmp_path / "pyenv")
    pyenv.install("3.12.4")
    found = patient.one("PV309", pyenv.shell(PYENV_VERSION="3.11.9"))
    assert "3.11.9 (PYENV_VERSION)" in found.seen
    assert found.mend == "pyenv install 3.11.9"
    patient.project.write(".python-version", "3.10\n")
    assert "3.10 (.python-version)" in patient.one("PV309", pyenv.shell()).seen
    (patient.folder / ".python-version").unlink()
    (pyenv.root / "version").write_text("3.9.1\n")
    assert str(pyenv.root / "version") in patient.one("PV309", pyenv.shell()).seen


@pytest.mark.parametrize("selected", ["3.12.4", "3.12", "9.9.9:3.12.4"])
def test_a_shim_that_works(patient: Patient, tmp_path: Path, selected: str) -> None:
    pyenv = Pyenv(tmp_path / "pyenv")
    pyenv.install("3.12.4")
    assert patient.look(only=("PV3",), variables=pyenv.shell(PYENV_VERSION=selected)).findings == ()


def test_shims_that_leave_it_to_the_system(patient: Patient, tmp_path: Path) -> None:
    pyenv = Pyenv(tmp_path / "pyenv")
    executable(tmp_path / "usr/bin/python3")
    shell = pyenv.shell(PYENV_VERSION="system")
    assert patient.one("PV309", shell).mend == "pyenv global system"
    shell["PATH"] += f":{tmp_path}/usr/bin"
    assert patient.seen("PV309", shell) == []


@pytest.mark.parametrize(
    ("head", "interpreter"),
    [
        ("#!/opt/python3.12\n", "/opt/python3.12"),
        ("#!/opt/python -I\n", "/opt/python"),
        ("#!/bin/sh\n'''exec' \"/a b/bin/python\" \"$0\" \"$@\"\n' '''\n", "/a b/bin/python"),
        ("#!/bin/sh\n'''exec' /long/bin/python3.12 \"$0\" \"$@\"\n' '''\n", "/long/bin/python3.12"),
        ('#!/bin/sh\n\'\'\'\':\nd=x\nexec "$d/python" "$0" "$@"\n', "HERE/python"),
        ("#!/bin/sh\necho python\n", None),
        ("\x7fELF python", None),
        ("", None),
    ],
    ids=str,
)
def test_which_interpreter_a_script_is_for(
    tmp_path: Path, head: str, interpreter: str | None
) -> None:
    script = executable(tmp_path / "script", head)
    expected = interpreter.replace("HERE", str(tmp_path)) if interpreter else None
    assert interpreter_of(str(script)) == expected
