"""Hostile wheels and sdists as a user meets them: what is said, the exit code, and nothing changed.

What is refused, case by case, is tested where it is refused (tests/unit/store, tests/unit/building).
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hostile.test_bad_input import refused, relock
from support import Index, Project, make_sdist, make_wheel
from support.many import few, snapshot
from support.wheels import sha256_of
from unit.store.zips import described, local_file, shifted, starts


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    """A synced project with one dependency."""
    index.add(make_wheel(tmp_path / "w", "alpha", "1"))
    project.depends("alpha==1")
    project.ok("sync")
    return project


def hidden(data: bytes) -> bytes:
    return shifted(data, starts(data)[1], local_file(b"evil/__init__.py", b"evil"))


def commented(data: bytes) -> bytes:
    return data + b"PK"


CHANGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a hidden member": (hidden, "belong to no member"),
    "bytes behind it": (commented, "bytes follow the end"),
    "a descriptor that lies": (lambda data: described(data, change=1), "what follows a member"),
}


@pytest.mark.parametrize("kind", few(CHANGED, 1))
def test_a_wheel_that_two_readers_see_differently(
    shop: Project, index: Index, tmp_path: Path, kind: str
) -> None:
    change, said = CHANGED[kind]
    wheel = make_wheel(tmp_path / "w", "evil", "1", files={"demo/__init__.py": "x = 1\n"})
    index.add(wheel)
    shop.depends("alpha==1", "evil")
    shop.ok("lock")
    before = sha256_of(wheel), wheel.stat().st_size
    wheel.write_bytes(change(wheel.read_bytes()))
    relock(shop, before[0], sha256_of(wheel))
    relock(shop, f"size = {before[1]}", f"size = {wheel.stat().st_size}")
    index.add(wheel)
    result = refused(shop, 2, "sync", "--locked", said=("evil-1-py3-none-any.whl", said))
    assert "nothing of it was kept" in " ".join(result.stderr.split())
    assert shop.ok("run", "--no-sync", "python", "-c", "import alpha").code == 0


@pytest.mark.slow
def test_names_are_no_commands_to_the_terminal(shop: Project, index: Index, tmp_path: Path) -> None:
    index.add(make_wheel(tmp_path / "w", "evil", "1", files={"evil\x1b]0;title\x07.py": ""}))
    shop.depends("alpha==1", "evil")
    shop.ok("lock")
    result = refused(shop, 2, "sync", said=("control character",))
    assert "\x1b" not in result.stderr
    assert "\\x1b]0;title\\x07.py" in "".join(result.stderr.split())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wheel", "filename"])
def test_a_wheel_whose_tags_lie_is_what_its_filename_says(
    shop: Project, index: Index, tmp_path: Path, name: str
) -> None:
    """The lock chooses by filename, as indexes and other installers do; WHEEL is not asked."""
    told = "cp27-cp27m-win32"
    text = f"Wheel-Version: 1.0\nTag: {told if name == 'wheel' else 'py3-none-any'}\n"
    tag = told if name == "filename" else "py3-none-any"
    index.add(make_wheel(tmp_path / "w", "liar", "1", wheel=text, tag=tag))
    shop.depends("alpha==1", "liar")
    shop.run("lock")
    if name == "filename":
        refused(shop, 1, "sync", said=("liar",))
    else:
        shop.ok("sync")
        assert shop.python("import liar; print(liar.__version__)") == "1"
        shop.ok("verify")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["linked", "hardlink", "copy"])
def test_what_runs_at_every_start_of_python_is_said(
    shop: Project, index: Index, tmp_path: Path, mode: str
) -> None:
    """Allowed, and said once, when it comes: neither pip nor uv has a word for it."""
    files = {
        "hook.pth": "# a comment\nimport sys; sys.hooked = True\n",
        "paths.pth": "somewhere\n",
        "sitecustomize.py": "",
        "usercustomize/__init__.py": "",
        "inside/quiet.pth": "import os\n",
        "inside/sitecustomize.py": "",
    }
    index.add(make_wheel(tmp_path / "w", "starter", "1", files=files))
    shop.depends("alpha==1", "starter")
    said = shop.ok("sync", "--link-mode", mode).stderr
    told = {
        line.rpartition(" ")[2] for line in said.splitlines() if "whenever Python starts" in line
    }
    assert {name.removesuffix("/__init__.py") for name in told} == {
        "hook.pth", "sitecustomize.py", "usercustomize"
    }  # fmt: skip
    assert "starter 1 runs code whenever Python starts: hook.pth" in said
    assert shop.python("import sys; print(sys.hooked)") == "True"
    shop.depends("alpha==1", "starter", more='[tool.provenv]\nlink-mode = "hardlink"\n')
    assert "whenever" not in shop.ok("sync").stderr


def evil_tar(top: str, name: str, kind: bytes, target: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for path, content in ((f"{top}/PKG-INFO", b""), (f"{top}/pyproject.toml", b"")):
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        archive.addfile(info)
    return out.getvalue()


EVIL = {
    "outside": ("../../../evil.py", tarfile.REGTYPE, "", "leads outside"),
    "absolute": ("/tmp/attack-evil-sdist", tarfile.REGTYPE, "", "an absolute path"),
    "symlink": ("src-1/x", tarfile.SYMTYPE, "/etc", "a link to the absolute path"),
    "hard link": ("src-1/x", tarfile.LNKTYPE, "/etc/passwd", "absolute"),
    "device": ("src-1/x", tarfile.CHRTYPE, "", "a device"),
    "sparse": ("src-1/x", tarfile.GNUTYPE_SPARSE, "", "a sparse file"),
}


@pytest.mark.parametrize("kind", few(EVIL, 1))
def test_an_sdist_that_reaches_out(shop: Project, index: Index, tmp_path: Path, kind: str) -> None:
    """Locked while it was a good one; uv sees no more of it than that."""
    *member, said = EVIL[kind]
    sdist = make_sdist(tmp_path / "w", "src", "1")
    index.add(sdist)
    shop.depends("alpha==1", "src")
    shop.ok("lock")
    before = sha256_of(sdist), sdist.stat().st_size
    sdist.write_bytes(evil_tar("src-1", *member))  # type: ignore[arg-type]  # three of four
    relock(shop, before[0], sha256_of(sdist))
    relock(shop, f"size = {before[1]}", f"size = {sdist.stat().st_size}")
    index.add(sdist)
    around = snapshot(tmp_path, ignore=("home", "w"))
    refused(shop, 2, "sync", "--locked", said=("src-1.tar.gz", said))
    assert snapshot(tmp_path, ignore=("home", "w")) == around
    assert not Path("/tmp/attack-evil-sdist").exists()
    assert not re.findall("evil", " ".join(map(str, shop.home.rglob("*"))))
