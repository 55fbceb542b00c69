"""What `[tool.provenv.environments]` says of an environment as a virtual one: seeds, prompt, system."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import Index, Project, make_wheel

PIP = {"pip/__init__.py": "", "pip/__main__.py": "import sys; print('pip of', sys.prefix)\n"}


@pytest.fixture
def seeds(index: Index, tmp_path: Path) -> Index:
    """An index with something that passes for pip, setuptools and wheel, and one package."""
    for version in ("1.0", "2.0"):
        index.add(make_wheel(tmp_path / "w", "pip", version, files=PIP))
    index.add(make_wheel(tmp_path / "w", "setuptools", "9.0"))
    index.add(make_wheel(tmp_path / "w", "wheel", "3.0", requires=["setuptools"]))
    index.add(make_wheel(tmp_path / "w", "core", "1.0"))
    return index


def declare(project: Project, *requirements: str, **environments: str) -> None:
    rows = [f"{name} = {{ {value} }}" for name, value in environments.items()]
    table = "\n".join(["", "[tool.provenv.environments]", *rows, ""])
    project.depends(*requirements, more=table)


def names(project: Project, environment: str = ".venv") -> list[str]:
    code = "import importlib.metadata as m; print(*sorted(d.name + d.version for d in m.distributions()))"
    return project.python(code, environment=environment).split()


@pytest.mark.usefixtures("seeds")
def test_seeds_are_locked_and_only_where_they_are_declared(project: Project) -> None:
    declare(project, "core", dev='seed = ["pip"]', test='seed = ["wheel"]')
    project.ok("sync")
    project.ok("sync", "-e", "test")
    project.ok("sync", "-e", "prod")
    assert names(project) == ["core1.0", "pip2.0"]
    assert names(project, ".venvs/test") == ["core1.0", "setuptools9.0", "wheel3.0"]
    assert names(project, ".venvs/prod") == ["core1.0"]
    said = project.ok("run", "python", "-m", "pip").stdout
    assert said.startswith("pip of ")
    roots = project.ok("tree", "--json").json["roots"]
    assert ("seed", "pip") in {(root["kind"], root["name"]) for root in roots}
    assert "seed wheel" in project.ok("why", "-e", "test", "setuptools").stdout
    assert project.ok("status").code == 0


@pytest.mark.usefixtures("seeds")
def test_the_lock_decides_on_the_version_of_a_seed(project: Project) -> None:
    declare(project, "core", "pip<2", dev='seed = ["pip"]')
    project.ok("sync")
    assert names(project) == ["core1.0", "pip1.0"]
    declare(project, "core", dev='seed = ["pip"]')
    project.ok("sync")
    assert names(project) == ["core1.0", "pip1.0"]
    project.ok("lock", "--upgrade-package", "pip")
    project.ok("sync")
    assert names(project) == ["core1.0", "pip2.0"]


@pytest.mark.usefixtures("seeds")
def test_an_environment_in_conflict_has_its_seeds_in_its_own_lock(project: Project) -> None:
    project.depends(
        groups={"old": ["pip<2"], "new": ["pip>=2"]},
        more="""
        [tool.provenv]
        conflicts = [["old", "new"]]
        [tool.provenv.environments]
        former = { groups = ["old"], seed = ["pip", "setuptools"] }
        """,
    )
    project.ok("sync", "-e", "former")
    assert names(project, ".venvs/former") == ["pip1.0", "setuptools9.0"]


@pytest.mark.usefixtures("seeds")
def test_a_changed_key_makes_a_new_generation(project: Project) -> None:
    declare(project, "core", dev='seed = ["pip"]')
    assert project.ok("sync", "--json").json["generation"] == 1
    for number, value in enumerate(
        ['prompt = "p"', 'prompt = "q"', 'prompt = "q", system-site-packages = true'], 2
    ):
        declare(project, "core", dev=value)
        assert project.ok("sync", "--json").json["generation"] == number
    declare(project, "core", dev='seed = ["pip"]')
    project.ok("sync")
    assert names(project) == ["core1.0", "pip2.0"]


@pytest.mark.usefixtures("seeds")
def test_the_prompt_is_what_shells_show(project: Project) -> None:
    declare(project, "core", dev='''prompt = "it's $HOME"''')
    project.ok("sync")
    config = project.read(".venv/pyvenv.cfg")
    assert "prompt = it's $HOME\n" in config
    done = subprocess.run(
        ["bash", "-c", 'PS1="> "; source .venv/bin/activate; echo "${PS1@P}"; echo "$VIRTUAL_ENV_PROMPT"'],
        cwd=project.folder, env=project.env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["(it's $HOME) > ", "it's $HOME"]
    declare(project, "core")
    project.ok("sync")
    assert "prompt = shop\n" in project.read(".venv/pyvenv.cfg")


def enter(python: str, path: Path, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What ``python``, which is not the environment's, does after ``activate_this.py``."""
    entering = f"p = {str(path)!r}; exec(open(p).read(), {{'__file__': p}}); {code}"
    return subprocess.run(
        [python, "-c", entering], env={"PATH": os.environ["PATH"], **variables}, cwd="/",
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.usefixtures("seeds")
def test_another_process_enters_with_activate_this(project: Project) -> None:
    declare(project, "core")
    project.ok("sync", "--python", sys.executable)
    path = project.folder / ".venv/bin/activate_this.py"
    code = "import core, os, sys; print(core.__file__, sys.prefix, os.environ['VIRTUAL_ENV'], sep='\\n'); "
    code += "print(os.environ['PATH'].split(os.pathsep)[0], 'PYTHONHOME' in os.environ)"
    base = os.path.realpath(sys.executable)
    done = enter(base, path, code)
    venv = str(project.folder / ".venv")
    assert done.returncode == 0, done.stderr
    module, prefix, active, first = done.stdout.splitlines()
    assert module.startswith(f"{venv}/generations/1/")
    assert (prefix, active, first) == (venv, venv, f"{venv}/bin False")
    other = project.write("other/bin/activate_this.py", path.read_text())
    assert "is not an environment of python" in enter(base, other, "").stderr


def test_what_is_beside_it_is_seen_only_where_it_is_declared(project: Project) -> None:
    outside = (
        "import site, sys; print(sys.base_prefix, site.ENABLE_USER_SITE, *sys.path, sep='\\n')"
    )
    for system in ("false", "true"):
        declare(project, dev=f"system-site-packages = {system}")
        project.ok("sync", "--python", sys.executable)
        base, user, *paths = project.python(outside).splitlines()
        packages = [p for p in paths if p.endswith("-packages") and p.startswith(base)]
        assert bool(packages) is (system == "true")
        assert (user == "True") is (system == "true")
        verified = project.ok("verify", "--json").json
        assert verified["open"] == ([str(project.folder / ".venv")] if system == "true" else [])
        assert ("not verified" in project.ok("verify").stdout) is (system == "true")


@pytest.mark.usefixtures("seeds")
def test_editors_find_what_they_look_for(project: Project) -> None:
    """As python-environment-tools (VS Code) and PyCharm document it: files, not a started Python."""
    declare(project, "core", dev='prompt = "shop dev"')
    project.ok("sync")
    venv = project.folder / ".venv"
    assert venv.is_dir()
    assert not venv.is_symlink()
    for folder in (venv, venv / "generations/1"):
        lines = (folder / "pyvenv.cfg").read_text().splitlines()
        rows = dict(line.split(" = ", 1) for line in lines)
        assert re.fullmatch(r"\d+\.\d+\.\d+.*", rows["version_info"])
        assert rows["prompt"] == "shop dev"
        minor = ".".join(rows["version_info"].split(".")[:2])
        assert (Path(rows["home"]) / f"python{minor}").exists()
        assert os.access(folder / "bin/python", os.X_OK)
        assert (folder / "bin/activate").is_file()
        assert (folder / f"lib/python{minor}/site-packages/core").is_dir()


@pytest.mark.usefixtures("seeds")
@pytest.mark.parametrize("place", ["project", "outside"])
def test_env_create_takes_all_of_it(project: Project, place: str) -> None:
    project.depends()
    options = ["--seed", "pip", "--seed", "wheel", "--prompt", 'it is "mine"']
    options.append("--system-site-packages")
    where = ["--global"] if place == "outside" else []
    made = project.ok("env", "create", "lab", *options, *where, "--json").json
    assert made["syncs"][0]["packages"] == 3
    folder = Path(made["syncs"][0]["folder"])
    config = (folder / "pyvenv.cfg").read_text()
    assert 'prompt = it is "mine"\n' in config
    assert "include-system-site-packages = true\n" in config
    assert {"pip2.0", "setuptools9.0", "wheel3.0"} <= {*names(project, str(folder))}
    project.ok("env", "create", "lab", *options, *where)
    done = project.fails(2, "env", "create", "lab", "--prompt", "other", *where)
    assert "with another prompt" in done.stderr
    done = project.fails(2, "env", "create", "bad", "--prompt", "two\nlines", *where)
    assert "environment 'bad' cannot be so: prompt: must be one line" in done.stderr
    assert "pip, setuptools, wheel" in project.fails(2, "env", "create", "x", "--seed", "pi").stderr


@pytest.mark.usefixtures("seeds")
def test_a_seed_is_no_requirement_that_add_wrote(project: Project) -> None:
    declare(project, dev='seed = ["pip"]')
    assert project.ok("add", "pip", "--json").json["requirements"] == ["pip>=2.0"]


@pytest.mark.slow
def test_the_next_environment_with_the_same_seeds_asks_nobody_for_a_day(
    project: Project, seeds: Index
) -> None:
    home = project.home / "provenv"

    def created(name: str, *options: str) -> list[str]:
        before = len(seeds.requests)
        project.ok("env", "create", name, "--global", *options)
        project.ok("verify", "-e", name)
        assert project.ok("status", "-e", name, "--json").json["agrees"]
        return [request.path for request in seeds.requests[before:]]

    def recipe(name: str) -> str:
        return (home / f"environments/{name}/.venv/current/.provenv/recipe").read_text()

    assert created("one", "--seed", "pip")
    assert created("two", "--seed", "pip") == []
    assert recipe("one") == recipe("two")
    locks = [(home / f"environments/{name}/pylock.toml").read_text() for name in ("one", "two")]
    assert locks[0] == locks[1]
    assert "wheel" in str(created("three", "--seed", "pip", "--seed", "wheel"))
    assert created("four", "--prompt", "p") == created("five") == []
    assert "prompt = five" in (home / "environments/five/.venv/pyvenv.cfg").read_text()
    assert "pip" not in recipe("five")
    for key in (home / "plans/keys").iterdir():
        os.utime(key, (1, 1))
    project.env["XDG_CACHE_HOME"] = str(project.home / "empty")
    shutil.rmtree(home / "cache")
    assert "pip" in str(created("six", "--seed", "pip"))
