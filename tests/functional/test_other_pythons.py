"""Environments for Pythons that nothing is released for any more, for PyPy, and for one still to come."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import provenv.interpreters
from support import Index, Project, make_sdist, make_wheel, sha256_of
from support.many import few, snapshot
from support.pythons import answer, frozen_lock, pyenv_python, pypy
from support.wheels import module_name

OLD = ("2.7", "3.6", "3.7")
PLATFORM = module_name(sysconfig.get_platform())
TOOL = """\
import sys
import deep.inner
def main():
    print('old ' + ' '.join(sys.argv[1:]))
    return 3
"""
NATIVE = {"2.7": "cp27-cp27mu", "3.6": "cp36-cp36m", "3.7": "cp37-cp37m", "3.12": "cp312-cp312"}


def wheels(folder: Path) -> list[Path]:
    """A tool, a package for every Python, and one with a wheel for each Python of its own."""
    both = "py2.py3-none-any"
    made = [
        make_wheel(
            folder, "tool", "1.0", tag=both, files={"tool.py": TOOL, "tool_more.py": "x = 1\n"},
            entry_points={"console_scripts": {"tool": "tool:main"}},
            scripts={"tool-script": "#!python\nimport sys\nprint(sys.version_info[0])\n"},
            data={"share/tool/data.txt": "data\n"}, headers={"tool.h": "#define TOOL\n"},
        ),
        make_wheel(
            folder, "deep", "1.0", tag=both,
            files={"deep/__init__.py": "", "deep/inner.py": "y = 1\n", "deep.pth": "import deep\n"},
        ),
    ]  # fmt: skip
    made += [
        make_wheel(
            folder, "native", "1.0", tag=f"{tag}-{PLATFORM}", purelib=False,
            files={"native.py": f"TAG = {tag!r}\n"},
        )
        for tag in (*NATIVE.values(), "cp27-cp27m")
    ]  # fmt: skip
    return made


@pytest.fixture(params=few(OLD, 3))
def old(request: pytest.FixtureRequest, project: Project, tmp_path: Path) -> Project:
    """A project with a frozen lock, and its environment for an old Python."""
    version: str = request.param
    python = pyenv_python(version)
    project.pyproject(
        f'[project]\nname = "legacy"\nversion = "0"\nrequires-python = "=={version}.*"\n'
    )
    project.write("pylock.toml", frozen_lock(*wheels(project.folder / "w")))
    project.env["PYENV_ROOT"] = str(Path(python).parents[3])
    project.ok("sync", "--locked")
    return project


def facts(project: Project, *flags: str) -> dict[str, object]:
    code = (
        "import json, os, sys, site, sysconfig, tool, native\n"
        "from distutils import sysconfig as old\n"
        "print(json.dumps({'version': '%d.%d' % sys.version_info[:2], 'prefix': sys.prefix,\n"
        " 'base': sys.base_prefix, 'exe': sys.executable, 'path': sys.path,\n"
        " 'user': site.ENABLE_USER_SITE,\n"
        " 'packages': site.getsitepackages()[0], 'tag': native.TAG, 'tool': tool.__file__,\n"
        " 'purelib': sysconfig.get_path('purelib'), 'distutils': old.get_python_lib(),\n"
        " 'header': os.path.exists(os.path.join(old.get_python_inc(), 'Python.h'))}))"
    )
    python = project.folder / ".venv/bin/python"
    found: dict[str, object] = json.loads(answer(python, *flags, "-c", code))
    return found


def test_a_frozen_lock_is_installed_and_runs(old: Project) -> None:
    venv = f"{old.folder}/.venv"
    found = facts(old)
    version = str(found["version"])
    packages = f"{venv}/lib/python{version}/site-packages"
    own = f"{venv}/generations/1/lib/python{version}/site-packages"
    assert found["prefix"] == venv
    assert found["base"] == str(Path(pyenv_python(version)).parents[1])
    assert found["exe"] == f"{venv}/bin/python"
    assert found["packages"] == found["purelib"] == found["distutils"] == packages
    assert found["tag"] == NATIVE[version]
    assert str(found["tool"]).startswith(f"{own}/tool.py")
    assert found["user"] is False
    assert found["header"]
    paths = found["path"]
    assert isinstance(paths, list)
    assert [path for path in paths if path.startswith(venv)] == [own]
    assert len(paths) == len(set(paths))
    assert facts(old, "-E", "-s")["path"] == paths


def test_scripts_and_run(old: Project) -> None:
    for command in (["run", "tool", "a"], ["run", "python", "-m", "tool"]):
        done = old.run(*command)
        assert done.stderr == ""
    done = old.run("run", "tool", "a")
    assert (done.code, done.stdout) == (3, "old a\n")
    major = old.ok("run", "tool-script").stdout
    assert major == str(facts(old)["version"])[0] + "\n"
    for name in ("python", f"python{major.strip()}", f"python{facts(old)['version']}"):
        prefix = answer(old.folder / ".venv/bin" / name, "-c", "import sys; print(sys.prefix)")
        assert prefix == f"{old.folder}/.venv"
    assert (old.folder / ".venv/share/tool/data.txt").read_text() == "data\n"


def test_byte_code_neither_reaches_the_store_nor_counts_as_drift(old: Project) -> None:
    def store() -> dict[str, str]:
        found = snapshot(old.home / "provenv/store")
        return {path: what for path, what in found.items() if "__pycache__" not in path}

    before = store()
    old.run("run", "tool")
    facts(old)
    assert store() == before
    if facts(old)["version"] == "2.7":
        site = old.folder / ".venv/lib/python2.7/site-packages"
        assert (site / "tool.pyc").exists()
        assert (site / "deep/inner.pyc").exists()
    assert old.ok("status", "--json").json["drift"] == []
    assert old.ok("sync", "--json").json["made"] is False
    old.ok("verify")


def test_what_others_do_to_it_is_drift(old: Project) -> None:
    version = facts(old)["version"]
    added = old.folder / f".venv/lib/python{version}/site-packages/stranger.pyc"
    added.write_bytes(b"")
    assert "stranger.pyc" in old.fails(1, "status").stdout
    old.ok("sync")
    assert not (old.folder / added.relative_to(old.folder)).exists()
    if version == "2.7":
        (old.folder / ".venv/bin/python").write_bytes(b"#!/bin/sh\n")
        assert "bin/python" in old.fails(1, "status").stdout
        assert old.fails(1, "verify").stdout
        old.ok("sync")
        facts(old)


def test_it_moves_with_its_project(old: Project, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    old.folder.rename(moved)
    done = subprocess.run(
        [moved / ".venv/bin/tool", "b"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (3, "old b\n"), done.stderr
    prefix = answer(moved / ".venv/bin/python", "-c", "import sys; print(sys.prefix)")
    assert prefix == f"{moved}/.venv"


def test_nothing_is_resolved_for_it(old: Project) -> None:
    (old.folder / "pylock.toml").unlink()
    old.pyproject(old.read("pyproject.toml") + 'dependencies = ["tool"]\n')
    for command in (["lock"], ["sync"], ["add", "deep"]):
        done = old.fails(1, *command)
        assert "nothing is resolved for Python" in done.stderr
        assert "provenv import" in done.stderr
    assert not (old.folder / "pylock.toml").exists()


@pytest.mark.parametrize("version", OLD)
def test_a_project_that_asks_for_nothing_needs_no_resolver(project: Project, version: str) -> None:
    python = pyenv_python(version)
    project.pyproject(
        f'[project]\nname = "empty"\nversion = "0"\nrequires-python = "=={version}.*"\n'
    )
    project.env["PYENV_ROOT"] = str(Path(python).parents[3])
    assert project.ok("sync", "--json").json["packages"] == 0
    assert project.python("import sys; sys.stdout.write('%d.%d' % sys.version_info[:2])") == version
    before = project.read("pylock.toml")
    project.ok("lock", "--check")
    project.ok("lock", "--upgrade")
    assert project.read("pylock.toml") == before


def test_what_would_have_to_be_built_is_refused(project: Project, tmp_path: Path) -> None:
    python = pyenv_python("2.7")
    sdist = make_sdist(project.folder / "w", "plain", "1.0")
    project.pyproject('[project]\nname = "legacy"\nversion = "0"\nrequires-python = ">=2.7"\n')
    project.write(
        "pylock.toml",
        'lock-version = "1.0"\ncreated-by = "hand"\n[[packages]]\nname = "plain"\nversion = "1.0"\n'
        f'sdist = {{ name = "{sdist.name}", path = "{sdist}", '
        f'hashes = {{ sha256 = "{sha256_of(sdist)}" }} }}\n',
    )
    done = project.fails(1, "sync", "--locked", "--python", python)
    assert "plain 1.0 cannot be built with Python 2.7" in done.stderr
    assert not (project.folder / ".venv").exists()


def test_only_a_linked_environment_changes_its_mode(project: Project, tmp_path: Path) -> None:
    python = pyenv_python("2.7")
    project.pyproject('[project]\nname = "legacy"\nversion = "0"\nrequires-python = ">=2.7"\n')
    tool, deep, *_ = wheels(project.folder / "w")
    project.write("pylock.toml", frozen_lock(tool, deep))
    done = project.ok("sync", "--locked", "--python", python, "--link-mode", "linked", "--json")
    assert done.json["link_mode"] == "hardlink"
    assert "byte code" in done.stderr
    newer = pyenv_python("3.12")
    assert project.ok("sync", "--python", newer, "--json").json["link_mode"] == "linked"
    back = project.ok("sync", "--python", python, "--json").json
    assert (back["link_mode"], back["made"]) == ("hardlink", True)
    copied = project.ok("sync", "--python", python, "--link-mode", "copy", "--json").json
    assert copied["link_mode"] == "copy"
    project.ok("verify")
    assert project.run("run", "--python", python, "tool", "c").stdout == "old c\n"


@pytest.mark.parametrize("system", ["false", "true"])
def test_python_2_sees_what_is_installed_beside_it_only_where_it_may(
    project: Project, tmp_path: Path, system: str
) -> None:
    python = pyenv_python("2.7")
    tool, deep, *_ = wheels(project.folder / "w")
    project.pyproject(
        '[project]\nname = "legacy"\nversion = "0"\nrequires-python = ">=2.7"\n'
        f"[tool.provenv.environments]\ndev = {{ system-site-packages = {system} }}\n"
    )
    project.write("pylock.toml", frozen_lock(tool, deep))
    project.ok("sync", "--locked", "--python", python)
    user = tmp_path / "user/lib/python2.7/site-packages"
    user.mkdir(parents=True)
    code = "import os, sys; print(os.pathsep.join(sys.path)); print(os.environ['PYTHONUSERBASE'])"
    said = answer(
        project.folder / ".venv/bin/python", "-c", code, PYTHONUSERBASE=str(tmp_path / "user")
    )
    path, user_base = said.splitlines()
    outside = Path(python).parents[1] / "lib/python2.7/site-packages"
    assert user_base == str(tmp_path / "user")
    assert (str(outside) in path.split(os.pathsep)) is (system == "true")
    assert (str(user) in path.split(os.pathsep)) is (system == "true")


def test_pypy(project: Project, index: Index, tmp_path: Path) -> None:
    python = pypy()
    major, minor = answer(python, "-c", "import sys; print('%d %d' % sys.version_info[:2])").split()
    body = "import sys\ndef main():\n    print(sys.implementation.name)\n"
    index.add(
        make_wheel(
            tmp_path / "w", "tool", "1.0", files={"tool.py": body},
            entry_points={"console_scripts": {"tool": "tool:main"}},
        )
    )  # fmt: skip
    for tag in (f"pp{major}{minor}-pypy{major}{minor}_pp73", f"cp{major}{minor}-none"):
        index.add(make_wheel(tmp_path / "w", "only", "1.0", tag=f"{tag}-{PLATFORM}"))
    project.depends("tool", "only")
    project.pyproject(project.read("pyproject.toml").replace(">=3.11", f">={major}.{minor}"))
    project.ok("sync", "--python", "pypy3")
    assert project.ok("run", "tool").stdout == "pypy\n"
    venv = project.folder / ".venv"
    for name in ("python", "pypy3", "pypy"):
        assert answer(venv / "bin" / name, "-c", "import sys; print(sys.prefix)") == str(venv)
    code = "import only; print(only.__file__)"
    assert f"{venv}/generations/1/lib/pypy{major}.{minor}/site-packages/only" in answer(
        venv / "bin/python", "-c", code
    )
    assert project.ok("status", "--json").json["agrees"]
    project.ok("verify")


def claiming(folder: Path, minor: str) -> Path:
    """An interpreter that says it is Python ``minor``, as the one that runs the tests would say it."""
    probe = Path(provenv.interpreters.__file__).parent / "_probe_script.py"
    said = answer(sys.executable, "-E", "-s", "-S", "-B", str(probe))
    report = json.loads(said.partition(">")[2].rpartition("</")[0])
    python = folder / f"bin/python{minor}"
    own = "{}.{}".format(*report["release"])
    text = json.dumps(report).replace(report["version"], f"{minor}.1").replace(own, minor)
    report = {**json.loads(text), "release": [int(part) for part in minor.split(".")]}
    report["executable"] = str(python)
    python.parent.mkdir(parents=True)
    lines = f"<provenv-interpreter>{json.dumps(report)}</provenv-interpreter>"
    python.write_text(f"#!/bin/sh\ncat <<'END'\n{lines}\nEND\n")
    python.chmod(0o755)
    return python


@pytest.mark.parametrize("minor", ["3.14", "3.15"])
def test_a_newer_python_needs_no_newer_provenv(
    project: Project, tmp_path: Path, minor: str
) -> None:
    python = claiming(tmp_path / "new", minor)
    short = minor.replace(".", "")
    tags = [f"cp{short}-cp{short}-{PLATFORM}", f"cp311-abi3-{PLATFORM}", f"cp311-cp311-{PLATFORM}"]
    files = {"native.py": ""}
    made = [make_wheel(project.folder / "w", "native", "1.0", tag=tag, files=files) for tag in tags]
    project.depends("native")
    project.write("pylock.toml", frozen_lock(*made, requires_python=">=3.11"))
    project.ok("sync", "--locked", "--python", str(python))
    tree = project.folder / ".venv/generations/1"
    assert (tree / f"bin/python{minor}").resolve() == python.resolve()
    wheel = tree / f"lib/python{minor}/site-packages/native-1.0.dist-info/WHEEL"
    assert f"Tag: {tags[0]}" in wheel.read_text()
    assert f"version = {minor}.1\n" in (tree / "pyvenv.cfg").read_text()
    assert project.ok("status", "--json").json["agrees"]
