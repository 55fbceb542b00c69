"""pip and uv in a living environment: the store stays as it is, and the next command makes it whole.

As root, whom no file mode stops.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from provenv.tools.uv import find_uv
from support import Index, Project, make_wheel
from support.many import few, snapshot
from support.pips import pip_to_start

EXTEND = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
CHECK = (
    "import plain, plain.inner, single, space.one, old.one, top\n"
    "assert plain.VERSION == single.VERSION == space.one.VERSION == old.one.VERSION == '1'\n"
    "import sys, os.path\n"
    "assert os.path.exists(os.path.join(sys.prefix, 'share/shared/one.txt'))\n"
    "print('whole')"
)


def publish(index: Index, folder: Path) -> None:
    for version in ("1", "2"):
        line = f"VERSION = {version!r}\n"
        wheels = [
            make_wheel(
                folder, "plain", version,
                files={"plain/__init__.py": line, "plain/inner.py": line, "plain/py.typed": ""},
                entry_points={"console_scripts": {"plain": "plain:VERSION.__len__"}},
            ),
            make_wheel(folder, "single", version, files={"single.py": line, "top.pth": "# no more\n"}),
            make_wheel(folder, "space-one", version, files={"space/one/__init__.py": line}),
            make_wheel(
                folder, "old-one", version, files={"old/__init__.py": EXTEND, "old/one.py": line}
            ),
            make_wheel(
                folder, "sharer", version,
                files={"top/__init__.py": line}, data={"share/shared/one.txt": line},
            ),
            make_wheel(folder, "space-two", version, files={"space/two/__init__.py": line}),
            make_wheel(
                folder, "old-two", version, files={"old/__init__.py": EXTEND, "old/two.py": line}
            ),
            make_wheel(
                folder, "sharer-two", version,
                files={"top_two.py": line}, data={"share/shared/two.txt": line},
            ),
        ]  # fmt: skip
        for wheel in wheels:
            index.add(wheel)


@pytest.fixture
def living(project: Project, index: Index, tmp_path: Path) -> Project:
    publish(index, tmp_path / "wheels")
    names = ["plain", "single", "space-one", "old-one", "sharer"]
    project.depends(*(f"{name}==1" for name in names))
    project.ok("sync")
    assert project.python(CHECK) == "whole"
    return project


def pip(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    index = ["--index-url", project.env["PROVENV_INDEX_URL"]] if arguments[0] == "install" else []
    return outside(
        project,
        [str(project.folder / ".venv/bin/python"), pip_to_start(), *arguments, *index,
         "--disable-pip-version-check", "--no-cache-dir"],
    )  # fmt: skip


def uv(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    index = (
        ["--default-index", project.env["PROVENV_INDEX_URL"]] if arguments[0] == "install" else []
    )
    return outside(
        project,
        [find_uv(), "pip", *arguments, "--python", str(project.folder / ".venv/bin/python"), *index,
         "--no-cache"],
    )  # fmt: skip


def outside(project: Project, command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=project.folder, env=project.env, capture_output=True, text=True, check=False
    )


def store(project: Project) -> dict[str, str]:
    return {
        path: what
        for path, what in snapshot(project.home / "provenv/store").items()
        if "__pycache__" not in path
    }


ATTACKS = {
    "pip-install": (pip, ["install", "space-two", "old-two", "sharer-two"], 0),
    "uv-upgrade": (uv, ["install", "--upgrade", "plain", "single", "space-one"], None),
    "uv-uninstall": (uv, ["uninstall", "plain", "single", "space-one", "sharer"], None),
    "pip-uninstall-namespace": (pip, ["uninstall", "-y", "space-one", "sharer"], 1),
    "uv-install": (uv, ["install", "space-two", "old-two", "sharer-two"], 0),
    "pip-upgrade": (pip, ["install", "--upgrade", "plain", "single", "space-one"], 1),
    "pip-uninstall": (pip, ["uninstall", "-y", "plain"], 1),
    "pip-uninstall-module": (pip, ["uninstall", "-y", "single"], 1),
    "pip-force": (pip, ["install", "--force-reinstall", "plain==1"], 1),
    "uv-reinstall": (uv, ["install", "--reinstall", "plain==1"], None),
    "uv-copy": (uv, ["install", "--link-mode", "copy", "space-two", "sharer-two"], 0),
}


@pytest.mark.slow
@pytest.mark.parametrize("attack", few(ATTACKS, 5))
def test_the_store_stays_as_it_is(living: Project, attack: str) -> None:
    tool, arguments, code = ATTACKS[attack]
    before = store(living)
    done = tool(living, *arguments)
    if code is not None:
        assert done.returncode == code, done.stderr
    if done.returncode != 0:
        assert "RECORD" in done.stderr or "INSTALLER" in done.stderr
    assert store(living) == before
    verified = living.run("verify", "--all", "--json").json
    assert verified["damage"] == []
    status = living.run("status", "--json")
    changed = bool(status.json["drift"])
    assert status.code == (1 if changed else 0)
    if code == 0:
        assert changed
    synced = living.ok("sync", "--json").json
    assert synced["made"] == changed
    assert living.python(CHECK) == "whole"
    living.ok("verify", "--all")
    listed = living.python(
        "import importlib.metadata as m; print(*sorted(d.name for d in m.distributions()))"
    )
    assert listed == "old-one plain sharer single space-one"


@pytest.mark.parametrize("tool", few([uv, pip], 1))
def test_run_makes_it_whole_again(living: Project, tool: object) -> None:
    assert callable(tool)
    assert tool(living, "install", "space-two").returncode == 0
    done = living.ok(
        "run", "python", "-c", "import importlib.util as u; print(u.find_spec('space.two'))"
    )
    assert done.stdout == "None\n"
    assert living.ok("status", "--json").json["agrees"]


@pytest.mark.slow
def test_what_root_writes_through_a_link_is_found_and_replaced(living: Project) -> None:
    site = next((living.folder / ".venv/lib").glob("python*/site-packages"))
    pip(living, "install", "--ignore-installed", "--no-deps", "plain==2")
    (site / "plain/added.py").write_text("VERSION = 'evil'\n")
    found = living.run("verify", "--all", "--json")
    assert found.code == 1
    assert "plain" in {hit["name"] for hit in found.json["damage"]}
    living.ok("sync")
    assert living.python(CHECK) == "whole"
    living.ok("verify", "--all")


def test_a_script_that_was_removed_comes_back(living: Project) -> None:
    (living.folder / ".venv/bin/plain").unlink()
    assert "missing" in living.fails(1, "status").stdout
    living.ok("sync")
    assert (living.folder / ".venv/bin/plain").exists()


@pytest.mark.parametrize("name", few(["bin", "lib", "pyvenv.cfg"], 1))
def test_a_link_that_was_removed_comes_back(living: Project, name: str) -> None:
    (living.folder / ".venv" / name).unlink()
    living.ok("sync")
    assert (living.folder / ".venv" / name).exists()
    assert living.python(CHECK) == "whole"
