"""Entries of locks that come from git, a folder or an address, and how they are written again."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.pylock import Pylock

from provenv.formats.foreign import Direct, Foreign
from provenv.formats.locks import make_lock
from provenv.formats.selecting import select
from provenv.formats.writing import Cut, cut, writer
from provenv.model.manifest import EnvironmentSpec
from unit.formats.reading import markers, read_file, write_file

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHA = "ab" * 32
GIT = Direct(kind="vcs", url="https://git.example/web.git", commit=COMMIT, revision="main")
FOLDER = Direct(kind="directory", path="../lib", editable=True)
URL = "https://files.example/tool-1.0-py3-none-any.whl"
ARCHIVE = Direct(kind="archive", url=URL)

POETRY = f"""
[[package]]
name = "web"
version = "1.0"
optional = false
python-versions = "*"
groups = ["main"]
files = []
develop = false
[package.source]
type = "git"
url = "https://git.example/web.git"
reference = "main"
resolved_reference = "{COMMIT}"

[[package]]
name = "lib"
version = "0.1"
optional = false
python-versions = "*"
groups = ["main"]
files = []
develop = true
[package.source]
type = "directory"
url = "../lib"

[[package]]
name = "tool"
version = "1.0"
optional = false
python-versions = "*"
groups = ["main"]
files = [{{ file = "tool-1.0-py3-none-any.whl", hash = "sha256:{SHA}" }}]
[package.source]
type = "url"
url = "{URL}"

[metadata]
lock-version = "2.1"
python-versions = "*"
"""
UV = f"""
version = 1
requires-python = ">=3.11"

[[package]]
name = "shop"
version = "0.1"
source = {{ virtual = "." }}
dependencies = [{{ name = "lib" }}, {{ name = "tool" }}, {{ name = "web" }}]

[[package]]
name = "lib"
version = "0.1"
source = {{ editable = "../lib" }}

[[package]]
name = "tool"
version = "1.0"
source = {{ url = "{URL}" }}
wheels = [{{ url = "{URL}", hash = "sha256:{SHA}" }}]

[[package]]
name = "web"
version = "1.0"
source = {{ git = "https://git.example/web.git?branch=main#{COMMIT}" }}
"""
PDM = f"""
[metadata]
groups = ["default"]
lock_version = "4.5.0"

[[package]]
name = "web"
version = "1.0"
git = "https://git.example/web.git"
ref = "main"
revision = "{COMMIT}"
groups = ["default"]

[[package]]
name = "lib"
version = "0.1"
path = "../lib"
editable = true
groups = ["default"]

[[package]]
name = "tool"
version = "1.0"
url = "{URL}"
groups = ["default"]
files = [{{ url = "{URL}", hash = "sha256:{SHA}" }}]
"""
LOCKS = {"poetry.lock": POETRY, "uv.lock": UV, "pdm.lock": PDM}


def locked(foreign: Foreign) -> Pylock:
    chosen = select(foreign, markers(), groups=(), extras=())
    return make_lock(foreign, chosen.pins, {})


@pytest.mark.parametrize("name", LOCKS)
def test_places_in_locks(tmp_path: Path, name: str) -> None:
    foreign = read_file(write_file(tmp_path / "app", name, LOCKS[name]))
    found = {pin.name: pin.direct for pin in foreign.pins}
    assert found == {"web": GIT, "lib": FOLDER, "tool": ARCHIVE}
    lock = Pylock.from_dict(locked(foreign).to_dict())  # which checks it (PEP 751)
    lib, tool, web = lock.packages
    assert lib.directory is not None
    assert (lib.directory.path, lib.directory.editable) == ("../lib", True)
    assert tool.archive is not None
    assert tool.archive.hashes == {"sha256": SHA}
    assert web.vcs is not None
    assert web.vcs.commit_id == COMMIT


def test_places_are_written_as_pip_reads_them(tmp_path: Path) -> None:
    foreign = read_file(write_file(tmp_path / "app", "uv.lock", UV))
    made = Cut(
        lock=cut(locked(foreign), EnvironmentSpec(name="prod")),
        environment="prod",
        project="shop",
        origin="pylock.toml",
        installable="shop",
    )
    written = writer("requirements").write(made)
    assert written.text.splitlines()[2:] == [
        "-e ../lib",
        f"tool @ {URL} \\",
        f"    --hash=sha256:{SHA}",
        f"web @ git+https://git.example/web.git@{COMMIT}",
    ]
    assert [item.what for item in written.left] == ["lib", "web", "shop"]
    write_file(tmp_path, "lib/setup.cfg", "[metadata]\nname = lib\n")
    again = read_file(write_file(tmp_path / "app", "requirements.txt", written.text))
    assert {pin.name for pin in again.pins} == {"lib", "tool", "web"}
    assert [item.what for item in writer("constraints").write(made).left] == ["lib", "tool", "web"]


def test_an_entry_that_is_needed_and_not_there(tmp_path: Path) -> None:
    text = UV.partition('[[package]]\nname = "web"')[0]
    foreign = read_file(write_file(tmp_path / "app", "uv.lock", text))
    assert select(foreign, markers(), groups=(), extras=()).missing == ("web",)


def test_uv_entries_that_are_only_for_one_of_two_conflicting_extras(tmp_path: Path) -> None:
    text = """
version = 1
requires-python = ">=3.11"
conflicts = [[{ package = "shop", extra = "cpu" }, { package = "shop", extra = "gpu" }]]

[[package]]
name = "shop"
version = "0.1"
source = { virtual = "." }
dependencies = [{ name = "web", marker = "extra != 'extra-4-shop-gpu'" }]
[package.optional-dependencies]
cpu = [{ name = "torch", version = "1.0", marker = "extra == 'extra-4-shop-cpu'" }]
gpu = [{ name = "torch", version = "2.0", marker = "extra == 'extra-4-shop-gpu'" }]

[[package]]
name = "torch"
version = "1.0"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "torch"
version = "2.0"
source = { registry = "https://pypi.org/simple" }

[[package]]
name = "web"
version = "1.0"
source = { registry = "https://pypi.org/simple" }
"""
    foreign = read_file(write_file(tmp_path, "uv.lock", text))

    def found(*extras: str) -> dict[str, str]:
        chosen = select(foreign, markers(), groups=(), extras=extras)
        return {pin.name: pin.version for pin in chosen.pins}

    assert found() == {"web": "1.0"}
    assert found("cpu") == {"torch": "1.0", "web": "1.0"}
    assert found("gpu") == {"torch": "2.0"}
