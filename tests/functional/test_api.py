"""The Python API: what its page shows runs, and importing it costs next to nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import provenv
from support import Project

PAGE = Path(__file__).parents[2] / "docs/reference/api.md"
SOURCE = Path(provenv.__file__).parents[1]


def run(code: str, project: Project) -> str:
    code = f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project.folder,
        env=project.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.usefixtures("shelf")
def test_the_example_runs_and_is_silent(project: Project) -> None:
    project.depends("web")
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert run(example, project) == "prod 2\n1 deploy.py\n"


def test_importing_it_imports_nothing_else(project: Project) -> None:
    code = "before = set(sys.modules); import provenv; print(set(sys.modules) - before)"
    assert run(code, project) == "{'provenv'}\n"


def test_every_name_is_there() -> None:
    for name in provenv.__all__:
        assert getattr(provenv, name) is not None
    assert set(provenv.__all__) <= set(dir(provenv))
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = provenv.nope
