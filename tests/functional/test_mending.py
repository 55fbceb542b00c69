"""What `verify` finds, the next `sync` mends, whoever did it and however."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support import Index, Project, make_wheel


@pytest.fixture
def synced(project: Project, index: Index, tmp_path: Path) -> Project:
    files = {"alpha/__init__.py": "x = 1\n", "alpha/deep/__init__.py": "", "single.py": "y = 2\n"}
    index.add(make_wheel(tmp_path / "wheels", "alpha", "1.0", files=files))
    project.depends("alpha")
    project.ok("sync")
    return project


def rewrite(path: Path, text: str) -> None:
    """Change a file as root would: same size, same times, no other sign."""
    status = path.stat()
    path.parent.chmod(0o755)
    path.chmod(0o644)
    path.write_text(text)
    assert path.stat().st_size == status.st_size
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("module", ["alpha/__init__.py", "single.py"])
def test_a_changed_byte_in_the_store(synced: Project, module: str) -> None:
    site = next((synced.folder / ".venv" / "lib").glob("python*/site-packages"))
    rewrite(
        (site / module).resolve(), (site / module).read_text().replace("1", "7").replace("2", "7")
    )
    found = synced.fails(1, "verify")
    assert module in found.stdout
    assert "alpha" in found.stdout
    again = synced.ok("sync")
    assert "set aside" in again.stderr
    assert "generation 2" in again.stderr
    synced.ok("verify")
    assert synced.python("import alpha, single; print(alpha.x, single.y)") == "1 2"
    assert "nothing to do" in synced.ok("sync").stderr


def test_what_cannot_be_fetched_again_stays_in_use(synced: Project, index: Index) -> None:
    site = next((synced.folder / ".venv" / "lib").glob("python*/site-packages"))
    rewrite((site / "single.py").resolve(), "y = 7\n")
    synced.fails(1, "verify")
    index.fault("*.whl", status=404)
    synced.fails(3, "sync")
    assert synced.python("import alpha, single; print(alpha.x)") == "1"
    index.heal()
    synced.ok("sync")
    synced.ok("verify")
    assert synced.python("import single; print(single.y)") == "2"


def test_a_file_missing_in_the_store_is_seen_without_verify(synced: Project) -> None:
    site = next((synced.folder / ".venv" / "lib").glob("python*/site-packages"))
    package = (site / "alpha" / "deep").resolve()
    package.parent.chmod(0o755)
    package.chmod(0o755)
    (package / "__init__.py").unlink()
    assert "damaged" in synced.fails(1, "status").stdout
    synced.write("pyproject.toml", synced.read("pyproject.toml") + "\n")  # the long way
    synced.ok("sync")
    synced.ok("verify")
    synced.ok("status")


@pytest.mark.parametrize("mode", ["copy", "clone", "hardlink"])
def test_an_edit_in_a_stand_alone_environment(synced: Project, mode: str) -> None:
    synced.ok("sync", "--link-mode", mode)
    site = next((synced.folder / ".venv" / "lib").glob("python*/site-packages"))
    if mode == "hardlink":  # an editor that writes a new file
        text = (site / "single.py").read_text()
        status = (site / "single.py").stat()
        (site / "single.py").unlink()
        (site / "single.py").write_text(text.replace("2", "7"))
        os.utime(site / "single.py", ns=(status.st_atime_ns, status.st_mtime_ns))
    else:
        rewrite(site / "single.py", "y = 7\n")
    found = synced.fails(1, "verify")
    assert "single.py" in found.stdout
    synced.ok("sync")
    synced.ok("verify")
    assert synced.python("import single; print(single.y)") == "2"
    assert synced.ok("status", "--json").json["generation"]["link_mode"] == mode


@pytest.mark.parametrize("name", ["bin/activate", "pyvenv.cfg"])
def test_an_edited_file_of_the_environment_itself(synced: Project, name: str) -> None:
    path = synced.folder / ".venv" / name
    path.chmod(0o644)
    path.write_text(path.read_text() + "# edited\n")
    found = synced.fails(1, "verify")
    assert name in found.stdout
    synced.ok("sync")
    synced.ok("verify")


def test_gc_keeps_as_many_generations_as_the_project_says(
    synced: Project, index: Index, tmp_path: Path
) -> None:
    more = "[tool.provenv]\nkeep = 1\n"
    for name in ("one", "two", "three"):
        index.add(make_wheel(tmp_path / "wheels", name, "1.0"))
        synced.depends("alpha", name, more=more)
        synced.ok("sync")
    synced.ok("store", "gc")
    kept = sorted(os.listdir(synced.folder / ".venv" / "generations"))
    assert kept == ["3", "4"]
