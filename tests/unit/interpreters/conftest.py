from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from unit.interpreters.helpers import Heard


@pytest.fixture
def cache(tmp_path: Path) -> str:
    return str(tmp_path / "home" / "interpreters.json")


@pytest.fixture
def this_python() -> str:
    """The base interpreter that runs the tests."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


@pytest.fixture
def heard() -> Heard:
    return Heard()
