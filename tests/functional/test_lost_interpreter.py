"""An interpreter that vanished, as after an upgrade by pyenv or Homebrew: said in a line, and repaired."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import Index, Project, make_wheel

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
REAL = os.path.realpath(Path(sys.base_prefix) / "bin" / f"python{MINOR}")
LOST = "the interpreter of this environment is gone: "


def install(root: Path, version: str) -> Path:
    """A version below a pyenv root: a copy of the executable beside links to the rest of the real one."""
    prefix = root / "versions" / version
    (prefix / "bin").mkdir(parents=True)
    shutil.copy2(REAL, prefix / "bin" / f"python{MINOR}")
    for name in ("python", "python3"):
        (prefix / "bin" / name).symlink_to(f"python{MINOR}")
    for name in ("lib", "include"):
        (prefix / name).symlink_to(Path(sys.base_prefix) / name)
    return prefix / "bin" / f"python{MINOR}"


@pytest.fixture
def pyenv(project: Project, index: Index, tmp_path: Path) -> Path:
    """A pyenv root of the test's own, and a project that is synced with its one version."""
    tool = {"console_scripts": {"tool": "alpha:VERSION.__len__"}}
    files = {"alpha/__init__.py": "VERSION = '1'\n"}
    index.add(make_wheel(tmp_path / "w", "alpha", "1", files=files, entry_points=tool))
    root = tmp_path / "pyenv"
    project.env |= {"PYENV_ROOT": str(root), "PATH": f"{root}/shims:/usr/bin:/bin"}
    executable = install(root, f"{MINOR}.91")
    project.depends("alpha")
    project.ok("sync", "--python", str(executable))
    return root


def lose(root: Path, version: str = f"{MINOR}.91") -> str:
    shutil.rmtree(root / "versions" / version)
    return str(root / "versions" / version / "bin" / f"python{MINOR}")


def test_every_command_says_so_in_one_line(project: Project, pyenv: Path) -> None:
    gone = lose(pyenv)
    for code, *words in (
        (1, "status"), (0, "tree"), (0, "why", "alpha"), (0, "history"), (1, "verify"),
        (0, "env", "path", "dev"), (0, "env", "list"), (126, "run", "--no-sync", "python", "-c", ""),
        (126, "activate", "--no-sync", "--shell", "bash"),
    ):  # fmt: skip
        result = project.fails(int(str(code)), *map(str, words))
        said = [line for line in (result.stdout + result.stderr).splitlines() if "is gone" in line]
        said += [line for line in result.stdout.splitlines() if "interpreter gone" in line]
        assert len(set(said)) == 1, f"{words}: {said}\n{result}"
        assert gone in said[0]
    assert "not found" not in project.fails(126, "run", "--no-sync", "python").stderr
    told = project.ok("env", "list", "--json").json["environments"][0]
    assert (told["state"], told["executable"]) == ("interpreter-gone", gone)
    assert project.fails(1, "verify", "--json").json["lost"] == [
        {"folder": str(project.folder / ".venv"), "executable": gone}
    ]


def test_run_and_sync_repair_it_with_the_same_minor(project: Project, pyenv: Path) -> None:
    gone = lose(pyenv)
    other = install(pyenv, f"{MINOR}.92")
    told = project.ok("run", "python", "-c", "import sys, alpha; print(sys.executable)")
    assert f"{LOST}{gone}; Python" in told.stderr
    assert os.path.realpath(told.stdout.strip()) == str(other)
    assert project.ok("status", "--json").json["agrees"]
    assert "nothing to do: generation 2" in project.ok("sync").stderr
    shutil.rmtree(pyenv / f"versions/{MINOR}.92")
    third = install(pyenv, f"{MINOR}.93")
    assert "generation 3" in project.ok("sync").stderr
    assert project.ok("status", "--json").json["generation"]["executable"] == str(third)
    assert project.ok("verify").code == 0


def test_what_the_same_version_manager_keeps_goes_before_what_path_has(
    project: Project, pyenv: Path
) -> None:
    folder = project.home / "bin"
    folder.mkdir()
    (folder / f"python{MINOR}").symlink_to(REAL)
    project.env["PATH"] = f"{folder}:/usr/bin:/bin"
    lose(pyenv)
    other = install(pyenv, f"{MINOR}.92")
    project.ok("sync")
    assert project.ok("status", "--json").json["generation"]["executable"] == str(other)


def test_the_minor_version_goes_before_what_path_has(project: Project, pyenv: Path) -> None:
    others = [path for path in ("/usr/bin/python3", *others_of_pyenv()) if usable(path)]
    if not others:
        pytest.skip(f"no Python here that is at least 3.11 and not {MINOR}")
    lose(pyenv)
    folder = project.home / "bin"
    folder.mkdir()
    (folder / "python3").symlink_to(others[0])
    project.env["PATH"] = f"{folder}:/usr/bin:/bin"
    install(pyenv, f"{MINOR}.92")
    told = project.ok("sync", "--json").json
    assert told["python"].startswith(f"{MINOR}.")
    project.ok("env", "edit", "alpha")
    for module in project.folder.glob(".venv/lib/*/site-packages/alpha/__init__.py"):
        module.write_text("VERSION = 'mine'\n")
    project.ok("sync", "--python", others[0])
    assert project.python("import alpha; print(alpha.VERSION)") == "mine"
    assert not project.ok("status", "--json").json["generation"]["python"].startswith(f"{MINOR}.")


def others_of_pyenv() -> list[str]:
    versions = Path(os.path.realpath(sys.base_prefix)).parent
    return [str(path) for path in sorted(versions.glob("3.*/bin/python3"))]


def usable(path: str) -> bool:
    code = "import sys; print('%d.%d' % sys.version_info[:2], sys.version_info >= (3, 11))"
    try:
        done = subprocess.run([path, "-c", code], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return done.stdout.split() not in ([MINOR, "True"], [MINOR, "False"]) and "True" in done.stdout


def test_one_that_came_to_lie_elsewhere_is_found_there(project: Project, pyenv: Path) -> None:
    (pyenv / f"versions/{MINOR}.91").rename(pyenv / f"versions/{MINOR}.91-renamed")
    assert "takes its place" in project.ok("sync").stderr
    executable = project.ok("status", "--json").json["generation"]["executable"]
    assert executable == str(pyenv / f"versions/{MINOR}.91-renamed/bin" / f"python{MINOR}")


def test_where_nothing_fits_it_is_said_and_nothing_changes(project: Project, pyenv: Path) -> None:
    text = project.read("pyproject.toml")
    project.pyproject(
        text.replace('requires-python = ">=3.11"', f'requires-python = "=={MINOR}.*"')
    )
    project.ok("sync")
    gone = lose(pyenv)
    project.env["PATH"] = str(project.home)
    status = project.run("status")
    if "in sync" in status.stdout or "takes its place" in project.run("sync", "--locked").stderr:
        pytest.skip(f"another Python {MINOR} is where every search looks")
    assert f"its interpreter is gone: {gone}" in status.stdout
    assert project.run("sync").code == 1


def test_a_rollback_to_such_a_generation_is_refused(project: Project, pyenv: Path) -> None:
    gone = lose(pyenv)
    install(pyenv, f"{MINOR}.92")
    project.ok("sync")
    told = project.fails(1, "rollback")
    assert gone in told.stderr
    assert "nothing was switched" in told.stderr
    assert project.ok("status", "--json").json["agrees"]


@pytest.mark.parametrize(
    ("shell", "script"),
    [
        ("bash", "activate"), ("zsh", "activate"), ("fish", "activate.fish"),
        ("tcsh", "activate.csh"),
    ],
)  # fmt: skip
def test_activation_says_so_too(project: Project, pyenv: Path, shell: str, script: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")

    def said() -> str:
        done = subprocess.run(
            [shell, *(["-f"] if shell == "tcsh" else []),
             "-c", f"source .venv/bin/{script}; echo $VIRTUAL_ENV"],
            cwd=project.folder, env=project.env, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout == f"{project.folder}/.venv\n"
        return done.stderr

    assert said() == ""
    gone = lose(pyenv)
    assert said() == f"provenv: {LOST}{gone}; 'provenv sync' repairs it\n"
