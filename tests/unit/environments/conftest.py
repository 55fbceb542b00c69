"""Objects from wheels made on the spot, and trees made from them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from provenv.environments import looking, tree
from provenv.environments.compose import compose
from provenv.environments.skeleton import skeleton
from provenv.environments.tree import Steps
from provenv.interpreters import probe
from provenv.model.interpreter import Interpreter
from provenv.model.layout import HomeLayout
from provenv.store.ingest import ingest
from provenv.store.objects import StoredObject
from support import make_wheel
from support.wheels import sha256_of


@pytest.fixture(scope="session")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Interpreter:
    """The interpreter that runs the tests."""
    cache = tmp_path_factory.mktemp("probe") / "interpreters.json"
    return probe(sys.executable, source="test", cache=str(cache))


@dataclass
class Workshop:
    """Makes objects, plans and trees in one home folder."""

    home: HomeLayout
    folder: Path
    interpreter: Interpreter

    def object(self, name: str, version: str = "1.0", **more: Any) -> StoredObject:
        wheel = make_wheel(self.folder / "wheels", name, version, **more)
        return ingest(
            self.home,
            str(wheel),
            filename=wheel.name,
            sha256=sha256_of(wheel),
            size=wheel.stat().st_size,
        )

    def plan(
        self, *objects: StoredObject, mode: str = "linked", name: str = "plan"
    ) -> tuple[Steps, str]:
        """The steps for an environment of ``objects``, and the plan's folder."""
        steps, blocks = compose(self.home, objects, self.interpreter, mode=mode)
        bare, files = skeleton(self.interpreter, "shop", "0")
        steps += bare
        steps.append(("D", "", ".provenv"))
        plan = self.folder / name
        plan.mkdir(exist_ok=True)
        for file, text in files.items():
            (plan / file).write_text(text)
        (plan / "checks").write_bytes(looking.render(blocks))
        return steps, str(plan)

    def make(self, *objects: StoredObject, mode: str = "linked", name: str = "tree") -> Path:
        """A tree made from ``objects``; returns its root."""
        steps, plan = self.plan(*objects, mode=mode)
        root = self.folder / name
        root.mkdir()
        tree.make(steps, self.home.root, plan, str(root))
        return root

    def site(self, root: Path) -> Path:
        return root / self.interpreter.site_packages


@pytest.fixture
def workshop(home: HomeLayout, tmp_path: Path, interpreter: Interpreter) -> Workshop:
    return Workshop(home, tmp_path, interpreter)


@pytest.fixture
def python() -> Callable[..., str]:
    """Run code in a tree's interpreter and return what it printed."""

    def run(root: Path, code: str, **env: str) -> str:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        done = subprocess.run(
            [str(root / "bin" / "python"), "-c", code],
            env={**clean, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
