"""A patient: a project, and an index with a few distributions of odd names."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import Index, Project, make_wheel
from unit.doctor.helpers import Patient


@pytest.fixture
def patient(tmp_path: Path, project: Project) -> Patient:
    """A project in an empty folder."""
    return Patient(project, tmp_path / "tools")


@pytest.fixture
def shelf(tmp_path: Path, index: Index) -> Index:
    """``pyyaml`` is imported as yaml, ``web`` needs ``core``, two parts share the namespace ``corp``."""
    made = tmp_path / "made"
    made.mkdir()
    for path in (
        make_wheel(made, "pyyaml", "6.0", files={"yaml/__init__.py": "", "_yaml/__init__.py": ""}),
        make_wheel(made, "core", "1.0"),
        make_wheel(made, "web", "1.0", requires=["core"]),
        make_wheel(made, "corp-billing", "1.0", files={"corp/billing/__init__.py": ""}),
        make_wheel(made, "corp-mail", "1.0", files={"corp/mail/__init__.py": ""}),
        make_wheel(
            made, "checker", "1.0", entry_points={"console_scripts": {"checker": "checker:x"}}
        ),
        make_wheel(made, "pytest-odd", "1.0"),
        make_wheel(made, "idle", "1.0"),
        make_wheel(made, "idle", "2.0"),
    ):
        index.add(path)
    return index
