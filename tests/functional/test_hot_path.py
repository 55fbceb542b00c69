"""The calls that must cost milliseconds import nothing heavy, and ask the kernel little."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import Index, Project, make_wheel
from support.advisories import archive, record
from support.project import command

HEAVY = {
    "argparse", "ast", "asyncio", "base64", "bisect", "concurrent", "contextlib", "copy", "csv",
    "ctypes", "dataclasses", "datetime", "decimal", "email", "enum", "fnmatch", "functools", "glob",
    "hashlib", "heapq", "http", "importlib.metadata", "importlib.resources", "inspect", "ipaddress",
    "isal", "json", "keyring", "locale", "logging", "multiprocessing", "packaging", "pathlib",
    "pkgutil", "platform", "platformdirs", "pydoc", "queue", "random", "re", "rich", "sched",
    "selectors", "shutil", "signal", "socket", "sqlite3", "ssl", "string", "struct", "subprocess",
    "tempfile", "textwrap", "threading", "tomlkit", "tomli", "tomllib", "traceback", "typing", "unittest",
    "urllib", "urllib3", "uuid", "xml", "zipfile", "zlib",
}  # fmt: skip
OWN = {
    "provenv", "provenv.cli", "provenv.cli.hot", "provenv.cli.place", "provenv.core",
    "provenv.core.boot", "provenv.environments",
    "provenv.environments.stamp", "provenv.workspace", "provenv.workspace.fast",
}  # fmt: skip


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    index.add(make_wheel(tmp_path / "w", "alpha", "1"))
    project.depends("alpha")
    project.ok("sync")
    return project


def modules_of(project: Project, *arguments: str) -> set[str]:
    """What is imported when ``provenv ARGUMENTS`` ends, or becomes another program.

    Without ``site``: what .pth files of the tests' own environment import is not provenv's.
    """
    code = (
        "import sys, os\n"
        f"sys.path[:0] = {[entry for entry in sys.path if entry]!r}\n"
        "before = set(sys.modules)\n"
        "def tell(*_):\n"
        "    os.write(1, ('\\n'.join(sorted(set(sys.modules) - before)) + '\\n').encode())\n"
        "    os._exit_(0)\n"
        "os._exit_, os._exit, os.execvpe = os._exit, tell, tell\n"
        "from provenv.cli import main\n"
        f"sys.argv = ['provenv', *{list(arguments)!r}]\n"
        "main()\n"
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=project.folder, env=project.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def heavy(modules: set[str]) -> set[str]:
    tops = {name.partition(".")[0] for name in modules} | modules
    return tops & HEAVY


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_the_version_is_said_before_anything_is_imported(project: Project, word: str) -> None:
    modules = modules_of(project, word)
    assert heavy(modules) == set()
    assert {name for name in modules if name.startswith("provenv.")} == {"provenv.cli"}
    assert project.ok(word).stdout == project.ok(word, "-q").stdout  # which the whole program says
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*command(), word], env=project.env, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 3
    assert b"No space left on device" in done.stderr


@pytest.mark.parametrize(
    "arguments", [("sync",), ("sync", "-q"), ("sync", "--locked"), ("run", "true"), ("run", "--", "true")],
    ids=" ".join,
)  # fmt: skip
def test_nothing_heavy_is_imported(shop: Project, arguments: tuple[str, ...]) -> None:
    modules = modules_of(shop, *arguments)
    assert heavy(modules) == set()
    own = {name for name in modules if name.startswith("provenv")}
    assert own <= OWN | {"provenv.workspace.run"}
    assert len(modules - own) <= 8, modules - own


def test_a_verdict_that_holds_is_compared_and_nothing_imported(shop: Project) -> None:
    rule = 'schema = 1\n[[rule]]\nid = "list"\nkind = "package"\ndeny = ["other"]\n'
    shop.write("provenv-policy.toml", rule)
    shop.ok("sync")
    assert "\nvalid " in shop.read(".venv/.stamp")
    modules = modules_of(shop, "run", "true")
    assert heavy(modules) == set()
    assert {m for m in modules if m.startswith("provenv")} <= OWN | {"provenv.workspace.run"}


def test_an_audit_that_was_answered_imports_nothing_heavy(shop: Project, tmp_path: Path) -> None:
    path = archive(tmp_path / "all.zip", [record("PYSEC-1", "other", versions=["1"])])
    shop.ok("advisories", "import", str(path))
    shop.ok("audit", "--json")
    modules = modules_of(shop, "audit", "-q")
    assert heavy(modules) == set()
    more = {"provenv.workspace.answered", "provenv.environments.plans", "provenv.core.seal"}
    assert {m for m in modules if m.startswith("provenv")} <= OWN | more


def test_a_known_plan_is_linked_without_anything_heavy(shop: Project) -> None:
    (shop.folder / ".venv").rename(shop.home / "old")
    modules = modules_of(shop, "sync")
    assert (shop.folder / ".venv/bin/python").exists()
    assert heavy(modules) == set()


def test_an_environment_outside_projects_is_run_without_anything_heavy(shop: Project) -> None:
    shop.ok("env", "create", "ml", "--global")
    shop.ok("run", "-e", "ml", "true")  # writes down that the project has none of this name
    modules = modules_of(shop, "run", "-e", "ml", "true")
    assert heavy(modules) == set()
    assert "provenv.workspace.run" in modules


def test_another_environment_outside_projects_is_made_without_anything_heavy(
    shop: Project,
) -> None:
    shop.ok("env", "create", "one", "--global")
    modules = modules_of(shop, "env", "create", "--global", "two")
    assert heavy(modules) == set()
    assert shop.ok("env", "path", "two").code == 0


def traced(shop: Project, *program: str) -> list[str]:
    """The system calls of a program, one a line."""
    # Measuring coverage makes thousands of calls of its own.
    env = {key: value for key, value in shop.env.items() if not key.startswith("COVERAGE_")}
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", str(shop.home / "trace"), *program],
        cwd=shop.folder, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "ptrace" in done.stderr.lower():
        pytest.skip(f"strace may not trace here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return re.findall(r"^\d+ +\w+\(.*", (shop.home / "trace").read_text(), re.MULTILINE)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_sync_with_nothing_to_do_asks_the_kernel_little(shop: Project) -> None:
    bare = traced(shop, command()[0], "-P", "-c", "import runpy")
    assert len(traced(shop, *command(), "sync")) - len(bare) < 300


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_verdict_that_holds_costs_a_few_system_calls(shop: Project) -> None:
    before = len(traced(shop, *command(), "sync"))
    rule = 'schema = 1\n[[rule]]\nid = "list"\nkind = "package"\ndeny = ["other"]\n'
    shop.write("provenv-policy.toml", rule)
    shop.ok("sync")
    assert len(traced(shop, *command(), "sync")) - before < 10


@pytest.mark.parametrize("words", [("sync",), ("run", "true")], ids=" ".join)
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_that_it_was_used_is_written_down_with_one_system_call(
    shop: Project, words: tuple[str, ...]
) -> None:
    calls = [line for line in traced(shop, *command(), *words) if "/.used" in line]
    assert [re.sub(r"^\d+ +|\(.*", "", line) for line in calls] == ["utimensat"]
