from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from provenv.model import layout
from provenv.model.layout import EnvironmentLayout, HomeLayout, environment_folder


def test_objects_are_spread_over_folders() -> None:
    home = HomeLayout("/home")
    assert home.object("abcd") == "/home/store/wheels/ab/abcd"
    assert home.object_links("abcd") == "/home/store/links/ab/abcd"


def test_environment_folders() -> None:
    assert environment_folder("/p", "dev", "dev") == "/p/.venv"
    assert environment_folder("/p", "prod", "dev") == "/p/.venvs/prod"
    assert EnvironmentLayout("/p/.venv").generation(42) == "/p/.venv/generations/42"


def test_the_layout_is_light_enough_for_the_hot_path() -> None:
    source = str(Path(layout.__file__).parents[2])
    code = (
        f"import sys; sys.path.insert(0, {source!r}); before = set(sys.modules); "
        "import provenv.model.layout; print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {name.split(".")[0] for name in done.stdout.split()} <= {"provenv", "__future__"}
