"""A file system that is full, of bytes or of files: what works there, and what is said of the rest."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import Index, Project, make_wheel
from support.project import Result, command

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("nsenter") is None,
        reason="only root may mount",
    ),
]

_START = 'mount -t tmpfs -o "$1" none "$2" && echo mounted && exec cat'


class SmallDisk:
    """A tmpfs that one process keeps mounted, for it and for who enters its namespace."""

    def __init__(self, point: Path, options: str) -> None:
        self.point = point
        self._process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private",
             "sh", "-c", _START, "sh", options, str(point)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            pytest.skip("mounting is not permitted here")

    def seen(self, path: Path) -> Path:
        """The same path, as it is seen from outside."""
        return Path(f"/proc/{self._process.pid}/root{path}")

    def run(self, project: Project, *arguments: str) -> Result:
        words = ["nsenter", "--mount", "--target", str(self._process.pid), "sh", "-c"]
        done = subprocess.run(
            [*words, 'cd "$1" && shift && exec "$@"', "sh", str(project.folder),
             *command(), *arguments],
            env=project.env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done
        return Result(arguments, done.returncode, done.stdout, done.stderr)

    def fill(self, what: str) -> None:
        """Take the last byte, or the last file."""
        folder = self.seen(self.point)
        try:
            if what == "bytes":
                with (folder / "fill").open("wb", buffering=0) as stream:
                    while True:
                        stream.write(bytes(1 << 12))
            for number in range(100_000):
                (folder / f"fill{number}").touch()
        except OSError:
            return

    def empty(self) -> None:
        for path in self.seen(self.point).glob("fill*"):
            path.unlink()

    def end(self) -> None:
        self._process.communicate()


@pytest.fixture(params=["bytes", "files"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[SmallDisk, str]]:
    point = tmp_path / "disk"
    point.mkdir()
    made = SmallDisk(point, "size=12m" if request.param == "bytes" else "size=64m,nr_inodes=700")
    yield made, request.param
    made.end()


def test_a_full_disk(disk: tuple[SmallDisk, str], index: Index, tmp_path: Path) -> None:
    small, what = disk
    for version in ("1", "2", "3"):
        files = {"alpha/__init__.py": b"", "alpha/data": os.urandom(100_000)}
        index.add(make_wheel(tmp_path / "w", "alpha", version, files=files))
    folder, home = small.point / "shop", small.point / "home"
    project = Project(small.seen(folder), home=small.seen(home), index_url=index.url)
    seen = project.folder
    project.env = Project(folder, home=home, index_url=index.url).env
    for version in ("1", "2"):
        project.depends(f"alpha=={version}")
        project.folder = folder
        assert small.run(project, "sync").code == 0
        project.folder = seen
    project.depends("alpha==3")
    project.folder = folder
    assert small.run(project, "lock").code == 0
    small.fill(what)
    state = f"{small.point} (tmpfs) has " + (
        "0 B free" if what == "bytes" else "no inodes left for new files"
    )

    found = small.run(project, "sync")
    assert found.code == 3, str(found)
    assert state in found.stderr, str(found)
    assert "safe: generation 2 is current and untouched" in found.stderr, str(found)
    assert f"on {small.point} (`provenv gc`" in found.stderr, str(found)
    for verb, code in (("status", 1), ("history", 0), ("tree", 0), ("verify", 0), ("env list", 0)):
        assert small.run(project, *verb.split()).code == code, verb
    assert small.run(project, "run", "--no-sync", "python", "-c", "import alpha").code == 0

    found = small.run(project, "rollback")
    assert found.code == 3, str(found)
    assert state in found.stderr, str(found)
    assert "rollback --environment-only" in found.stderr, str(found)
    found = small.run(project, "rollback", "--environment-only")
    assert found.code == (0 if what == "bytes" else 3), str(found)  # a symlink is a file, too
    if found.code == 0:
        assert "generation 1" in found.stderr
        assert "warning: that this generation was chosen on purpose could not be" in found.stderr

    room = os.statvfs(small.seen(small.point))
    found = small.run(project, "gc", "--keep", "0")
    assert found.code == 0, str(found)
    after = os.statvfs(small.seen(small.point))
    assert after.f_bfree > room.f_bfree
    assert after.f_ffree > room.f_ffree
    assert small.run(project, "env", "remove", "--yes", "dev").code == 0
    assert not (seen / ".venv").exists()
    small.empty()
    assert small.run(project, "sync").code == 0
    assert small.run(project, "verify").code == 0
