"""Environments, ours and others': PV4xx."""

from __future__ import annotations

import os
import shutil
from datetime import date
from pathlib import Path

import pytest

import provenv
from provenv.core import seal
from provenv.workspace.examining.doctor import diagnose
from unit.doctor.helpers import TODAY, Patient, fake_environment, places

pytestmark = pytest.mark.usefixtures("shelf")


def site(patient: Patient) -> Path:
    (folder,) = patient.folder.glob(".venv/current/lib/python3*/site-packages")
    return folder


def test_none_yet(patient: Patient) -> None:
    patient.project.depends("core")
    finding = patient.one("PV401")
    assert (finding.weight, finding.mend) == ("note", "provenv sync")


def test_a_healthy_one(patient: Patient) -> None:
    patient.project.depends("core")
    patient.sync()
    patient.sync("prod")
    patient.project.python("import core")  # writes byte code
    assert patient.look(only=("PV4",)).findings == ()


def test_drift_is_named_file_by_file_and_mended(patient: Patient) -> None:
    patient.project.depends("core", "idle")
    patient.sync()
    (site(patient) / "stranger.py").write_text("x = 1\n")
    added = patient.one("PV404")
    assert added.weight == "warning"
    assert "installed stranger.py" in added.seen
    (site(patient) / "idle").unlink()
    finding = patient.one("PV404")
    assert finding.weight == "error"
    assert "deleted idle" in finding.seen
    assert sorted(p.rpartition("/")[2] for p in places(finding, patient.folder)) == [
        "idle",
        "stranger.py",
    ]
    result = patient.look(only=("PV404",), fix=True)
    assert result.findings == ()
    assert [item.text for item in result.mended] == ["synced dev: generation 2"]
    assert (patient.folder / ".venv/generations/1").is_dir()  # nothing is lost


def test_a_file_that_was_edited_in_the_store(patient: Patient) -> None:
    patient.project.depends("core")
    patient.sync()
    victim = site(patient) / "core/__init__.py"
    victim.chmod(0o644)
    victim.write_text(victim.read_text() + "evil = True\n")
    finding = patient.one("PV405")
    assert finding.seen == "dev, in core 1.0: files changed: 1"
    (place,) = places(finding, patient.folder)
    assert place.startswith(".venv/generations/1/lib/python3")
    assert place.endswith("/site-packages/core/__init__.py")
    assert finding.mend == "provenv repair"
    result = patient.look(only=("PV405",), fix=True)
    assert result.findings == ()
    assert [item.text for item in result.mended] == ["repaired dev: core"]
    assert "evil" not in (site(patient) / "core/__init__.py").read_text()


def test_files_that_came_and_went_inside_a_linked_folder(patient: Patient) -> None:
    patient.project.depends("pyyaml")
    patient.sync()
    folder = (site(patient) / "yaml").resolve()
    folder.chmod(0o755)
    (folder / "mine.py").write_text("")
    (folder / "__init__.py").unlink()
    finding = patient.one("PV405")
    assert finding.seen == "dev, in pyyaml 6.0: files deleted: 1, added: 1"
    names = sorted(p.rpartition("/site-packages/")[2] for p in places(finding, patient.folder))
    assert names == ["yaml/__init__.py", "yaml/mine.py"]


def test_a_file_of_the_environment_itself_that_was_edited(patient: Patient) -> None:
    patient.project.depends("core")
    patient.sync()
    script = patient.folder / ".venv/current/bin/activate"
    script.unlink()
    script.write_text("echo evil\n")
    finding = patient.one("PV404")
    assert "changed bin/activate" in finding.seen
    assert finding.mend == "provenv verify; provenv sync"
    assert patient.look(only=("PV404",), fix=True).findings == ()
    assert "evil" not in (patient.folder / ".venv/current/bin/activate").read_text()


def test_a_copied_project(patient: Patient, tmp_path: Path) -> None:
    patient.project.depends("core")
    patient.sync()
    copy = tmp_path / "copy"
    shutil.copytree(patient.folder, copy, symlinks=True)
    result = patient.look(only=("PV406",), start=copy)
    (finding,) = result.findings
    assert str(copy / ".venv") in finding.seen
    assert patient.seen("PV406") == []
    assert patient.look(only=("PV406",), start=copy, fix=True).findings == ()


def test_a_copied_project_whose_editable_install_points_back(
    patient: Patient, tmp_path: Path
) -> None:
    patient.project.depends(
        more="""
        [build-system]
        requires = []
        build-backend = "backend"
        backend-path = ["."]
        """
    )
    from support import tiny_backend

    shutil.copy(tiny_backend.__file__, patient.folder / "backend.py")
    patient.project.write("shop/__init__.py", "")
    patient.sync()
    copy = tmp_path / "copy"
    shutil.copytree(patient.folder, copy, symlinks=True)
    (finding,) = patient.look(only=("PV406",), start=copy).findings
    assert (finding.weight, str(patient.folder) in finding.seen) == ("error", True)
    assert patient.seen("PV406") == []


def test_an_environment_of_another_tool_that_was_moved(patient: Patient) -> None:
    patient.project.depends()
    fake_environment(patient.folder / "venv", made_for="/home/me/old/venv")
    assert "/home/me/old/venv" in patient.one("PV406").seen


def test_interpreters_that_are_gone(patient: Patient) -> None:
    patient.project.depends("core")
    patient.sync()
    fake_environment(patient.folder / "venv", python=False)
    contents = patient.folder / ".venv/generations/1/.provenv/contents.json"
    executable = os.readlink(patient.folder / ".venv/current/bin/python")
    data = seal.unsealed(contents.read_bytes())
    contents.unlink()
    gone = data.replace(executable.encode(), b"/nowhere/python3.12")
    contents.write_bytes(seal.sealed(gone))
    found = patient.seen("PV407")
    assert ["/nowhere/python3.12" in f.seen for f in found] == [True, True]
    assert [f.mend for f in found] == ["provenv sync", None]


def test_an_end_of_life(patient: Patient) -> None:
    patient.project.depends("core")
    patient.sync()
    context = provenv.make_context(patient.shell)

    def told(day: date) -> list[str]:
        result = diagnose(context, start=str(patient.folder), only=["PV408"], today=day)
        return [f.seen for f in result.findings]

    assert told(TODAY) == []
    (seen,) = told(date(2050, 1, 1))
    assert "whose support ended on" in seen


def test_another_lock_than_the_environment_was_made_from(patient: Patient) -> None:
    patient.project.depends("idle<2")
    patient.sync()
    patient.project.depends("idle")
    patient.project.ok("lock", "--upgrade")
    finding = patient.one("PV403")
    assert (finding.weight, finding.mend) == ("warning", "provenv sync")
    assert finding.seen.endswith("in dev: idle 1.0 → 2.0")
    patient.sync()
    patient.project.ok("rollback", "--environment-only")
    finding = patient.one("PV403")
    assert finding.weight == "note"
    assert not finding.fixable  # somebody wanted it so


def test_a_lock_that_says_the_same_in_other_bytes(patient: Patient) -> None:
    patient.project.depends("core")
    patient.sync()
    patient.project.depends("core>=0.1")
    patient.project.ok("lock")
    assert patient.seen("PV403") == []


def test_folders_of_other_tools(patient: Patient) -> None:
    patient.project.depends()
    fake_environment(patient.folder / ".venv")
    fake_environment(patient.folder / "env")
    mine, other = patient.seen("PV409")
    assert (mine.weight, mine.mend) == ("warning", "provenv sync --adopt")
    assert (other.weight, other.seen) == ("note", "made by another tool: env")


def test_packages_of_the_base_interpreter(patient: Patient) -> None:
    patient.project.depends("core")
    patient.sync()
    config = patient.folder / ".venv/generations/1/pyvenv.cfg"
    text = config.read_text()
    config.unlink()
    config.write_text(text.replace("site-packages = false", "site-packages = true"))
    assert patient.one("PV410").weight == "note"
    minor = site(patient).parent.name
    user = patient.project.home / f".local/lib/{minor}/site-packages/x"
    user.mkdir(parents=True)
    finding = patient.one("PV410")
    assert finding.weight == "warning"
    assert str(user.parent) in finding.seen


def test_a_broken_one(patient: Patient) -> None:
    patient.project.depends("core")
    patient.sync()
    (patient.folder / ".venv/generations/1/.provenv/recipe").unlink()
    assert "recipe" in patient.one("PV402").seen
    shutil.rmtree(patient.folder / ".venv/generations/1")
    assert "leads nowhere" in patient.one("PV402").seen


def test_one_environment_only(patient: Patient) -> None:
    patient.project.depends("core")
    assert patient.look(only=("PV401",), environment="dev").findings != ()
    with pytest.raises(provenv.UsageError, match="unknown environment"):
        patient.look(environment="nope")
