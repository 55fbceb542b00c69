from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from unit.interpreters.helpers import fake_python

PROGRAM = """
import sys
from provenv.interpreters import Search, find
search = Search(path=(sys.argv[2],), system=(), prefixes=())
assert find([">=3.8"], ">=3.11,<3.14", search, cache=sys.argv[1]).version == "3.12.1"
print(" ".join(sys.modules))
"""


def loaded(cache: str, folder: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-S", "-c", PROGRAM, cache, str(folder)],
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_what_is_known_costs_no_heavy_import(tmp_path: Path, cache: str) -> None:
    fake_python(tmp_path / "bin/python3.12", "3.12.1")
    heavy = {
        "subprocess",
        "packaging.tags",
        "packaging.specifiers",
        "concurrent.futures",
        "logging",
    }
    assert heavy & loaded(cache, tmp_path / "bin") == {"subprocess", "packaging.tags", "logging"}
    assert heavy & loaded(cache, tmp_path / "bin") == set()
