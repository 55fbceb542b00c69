"""The files of a project: PV101–PV104, PV121–PV123, PV211."""

from __future__ import annotations

import pytest

from provenv.doctor.rules_project import unpinned_lines
from unit.doctor.helpers import Patient, places


def test_a_manifest_that_cannot_be_used_is_a_finding(patient: Patient) -> None:
    patient.project.pyproject('[project]\nname = "x"\ndependencies = ["a b c"]\n')
    finding = patient.one("PV101")
    assert "not a valid requirement" in finding.seen
    assert places(finding, patient.folder) == ["pyproject.toml:3"]
    assert not patient.look().ok


@pytest.mark.usefixtures("shelf")
def test_no_lock_then_a_stale_one_then_a_fresh_one(patient: Patient) -> None:
    patient.project.depends("core")
    assert patient.one("PV103").mend == "provenv lock"
    patient.sync()
    assert patient.look(only=("PV10",)).findings == ()
    patient.project.depends("core", "idle")
    finding = patient.one("PV104")
    assert finding.weight == "error"
    assert finding.fixable
    assert "has changed" in finding.seen


def test_a_lock_of_another_tool_is_a_lock(patient: Patient) -> None:
    patient.project.depends("core")
    patient.project.write("poetry.lock", "")
    finding = patient.one("PV103")
    assert (finding.weight, finding.fixable) == ("note", False)
    assert "poetry.lock" in finding.seen


@pytest.mark.usefixtures("shelf")
def test_a_lock_with_merge_markers(patient: Patient) -> None:
    patient.project.depends("core")
    patient.sync()
    text = patient.project.read("pylock.toml")
    patient.project.write("pylock.toml", f"<<<<<<< HEAD\n{text}=======\n>>>>>>> other\n")
    lines = len(text.splitlines())
    finding = patient.one("PV102")
    assert places(finding, patient.folder) == ["pylock.toml:1", f"pylock.toml:{lines + 3}"]
    assert finding.mend is not None
    assert finding.mend.endswith("provenv lock")
    assert patient.seen("PV101") == []  # told once


def test_unpinned_requirements_with_their_lines(patient: Patient) -> None:
    patient.project.depends()
    patient.project.write(
        "requirements.txt",
        """
        # a comment
        requests
        flask==3.0.3
        django>=4,<5  # why
        numpy==1.*
        -r more.txt
        --index-url https://pypi.example/simple
        ./local
        lib @ https://files.example/lib-1.0.whl
        attrs==23.1 \\
            --hash=sha256:00 \\
            --hash=sha256:11
        rich[jupyter]~=13.0 ; python_version > "3.8"
        """,
    )
    finding = patient.one("PV121")
    names = ["requests", "django", "numpy", "rich"]
    assert [name for name, _ in unpinned_lines(patient.project.read("requirements.txt"))] == names
    assert places(finding, patient.folder) == [f"requirements.txt:{n}" for n in (2, 4, 5, 13)]
    assert "4 packages" in finding.seen


def test_pinned_requirements_and_sources_of_them_are_fine(patient: Patient) -> None:
    patient.project.depends()
    patient.project.write("requirements.txt", "flask==3.0.3\n")
    patient.project.write("requirements/prod.txt", "flask==3.0.3 --hash=sha256:00\n")
    patient.project.write("requirements.in", "flask\n")
    assert patient.seen("PV121") == []


@pytest.mark.parametrize(
    ("pin", "told"),
    [
        ("3.9", True),
        ("3.9.18", True),
        ("2", True),
        ("3.13", False),
        ("3.11.7", False),
        ("3", False),
        ("pypy3.9-7.3.12", True),
        ("system", False),
        ("my-venv", False),
    ],
)
def test_a_pin_against_requires_python(patient: Patient, pin: str, told: bool) -> None:
    patient.project.depends()  # requires-python is >=3.11
    patient.project.write(".python-version", f"# chosen\n{pin}\n")
    found = patient.seen("PV122")
    assert bool(found) == told
    if found:
        assert places(found[0], patient.folder)[0] == ".python-version:2"


def test_no_requires_python_is_a_note(patient: Patient) -> None:
    patient.project.pyproject('[project]\nname = "x"\nversion = "1"\n')
    assert patient.one("PV123").weight == "note"


def test_passwords_in_files_are_named_and_not_shown(patient: Patient) -> None:
    patient.project.depends()
    patient.project.write(
        "requirements.txt", "--index-url https://me:s3cret%40x@pypi.example/simple\nflask==1\n"
    )
    patient.project.write(
        "Dockerfile", "RUN pip install git+https://ghp_0123456789abcdefABCD@github.com/a/b\n"
    )
    found = patient.seen("PV211")
    assert sorted(p for f in found for p in places(f, patient.folder)) == [
        "Dockerfile:1",
        "requirements.txt:1",
    ]
    told = " ".join(f.seen for f in found)
    assert "s3cret" not in told
    assert "ghp_" not in told
    assert "pypi.example" in told


def test_places_for_passwords_are_no_passwords(patient: Patient) -> None:
    patient.project.depends()
    patient.project.write(
        "pip.conf",
        """
        index-url = https://me:${TOKEN}@pypi.example/simple
        extra-index-url = https://__token__:%(token)s@pypi.example/simple
        find-links = https://user:password@files.example/
        other = ssh://git@github.com/a/b
        plain = https://pypi.example:8443/simple@1
        """,
    )
    assert patient.seen("PV211") == []
