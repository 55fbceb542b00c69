"""A bench to build at, and an sdist with a backend written on the spot."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from provenv.model.layout import HomeLayout
from provenv.model.plan import Artifact
from support import Index
from unit.building.helpers import BACKEND, PYPROJECT, Bench, pack, sdist_of


@pytest.fixture
def bench(home: HomeLayout, index: Index, tmp_path: Path) -> Bench:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    return Bench(layout=home, index=index, environ=environ)


@pytest.fixture
def demo(tmp_path: Path) -> Callable[[str], Artifact]:
    """Makes an sdist of ``demo 1.0`` whose backend is the plain one with this code below it."""

    def make(code: str = "") -> Artifact:
        files = {"pyproject.toml": PYPROJECT, "backend.py": BACKEND + code}
        return sdist_of(pack(tmp_path, files))

    return make
