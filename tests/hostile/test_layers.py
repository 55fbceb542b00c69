"""In a container: what the image holds lies in a layer below, where no folder gets another name (EXDEV)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import Index, Project, make_wheel
from support.project import command

SHM = Path("/dev/shm")
pytestmark = [
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("unshare") is None, reason="only root may mount"
    ),
    pytest.mark.skipif(not SHM.is_dir(), reason="there is no /dev/shm for the upper layer"),
]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def image(project: Project, index: Index, tmp_path: Path) -> Project:
    """A project with two generations, as an image is made."""
    for name in ("alpha", "beta"):
        files = {f"{name}/__init__.py": "x = 1\n", f"{name}/deep/core.py": "y = 2\n"}
        index.add(make_wheel(tmp_path / "wheels", name, "1.0", files=files))
    project.depends("alpha", "beta")
    project.ok("sync")
    project.ok("remove", "beta")
    return project


@pytest.fixture
def inside(image: Project, tmp_path: Path) -> Iterator[Run]:
    """Run provenv in a container of the image; what it writes stays in the container."""
    upper = SHM / f"provenv-layers-{os.getpid()}"
    for name in ("upper", "work"):
        (upper / name).mkdir(parents=True)
    mount = (
        f'mount -t overlay overlay -o lowerdir="{tmp_path}",upperdir="{upper}/upper",'
        f'workdir="{upper}/work" "{tmp_path}" || exit 99\ncd "$0" && exec "$@"'
    )

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        words = list(arguments) if arguments[0] == "sh" else [*command(), *arguments]
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "bash", "-c", mount,
             str(image.folder), *words],
            cwd=image.folder, env=image.env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 99 or "unshare failed" in done.stderr:
            pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
        assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
        assert "cross-device" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    yield run
    subprocess.run(["chmod", "-R", "u+w", str(upper)], check=False)
    shutil.rmtree(upper)


def test_what_the_image_holds_is_removed(inside: Run) -> None:
    removed = json.loads(inside("store", "gc", "--keep", "0", "--json").stdout)
    assert (len(removed["generations"]), removed["objects"]) == (1, 1)
    assert "beta" not in inside("store", "list").stdout
    inside("verify", "--all")
    inside("env", "remove", "dev", "--yes")
    inside("sync", "--offline")
    inside("run", "python", "-c", "import alpha.deep.core")


def test_a_damaged_object_of_the_image_is_set_aside(image: Project, inside: Run) -> None:
    (core,) = image.home.glob("provenv/store/wheels/*/*/site/alpha/deep/core.py")
    inside("sh", "-c", f"chmod u+w {core}; echo 'y = 3' >{core}")
    assert "alpha/deep/core.py" in inside("verify", code=1).stdout
    assert "set aside" in inside("sync").stderr
    inside("run", "python", "-c", "from alpha.deep.core import y; assert y == 2")
    inside("verify")
    inside("sh", "-c", f"chmod u+w {core}; echo 'y = 3' >{core}")
    assert "repaired" in inside("repair").stdout
    inside("verify")


def test_what_another_tool_made_is_set_aside(image: Project, inside: Run) -> None:
    shutil.rmtree(image.folder / ".venv")
    (image.folder / ".venv/lib").mkdir(parents=True)
    (image.folder / ".venv/lib/theirs.py").write_text("x = 1\n")
    inside("sync", code=2)
    inside("sync", "--adopt")
    inside("sh", "-c", "cat .venv.old-1/lib/theirs.py && ! test -e .venv/lib/theirs.py")


def test_generations_go_on_and_back(inside: Run) -> None:
    inside("add", "beta")
    inside("rollback")
    inside("rollback", "--to", "1")
    inside("run", "python", "-c", "import beta.deep.core")
    inside("verify", "--all")
