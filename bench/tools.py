"""provenv and its peers: the same work, said in each one's own words.

Every tool gets a bare environment: a home folder of its own, a cache of its own on the file system
that is measured, the same interpreter first in ``PATH``, and no index but the replayed one.
"""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

from bench.measure import NOTHING, BenchError, Sample, Stopwatch

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = os.path.join(HERE, "packages.toml")
SMALL = "humanize"  # the small package, pure Python and without dependencies, that the add row adds


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all tools share in one series.

    Attributes:
        index: The simple API's address.
        python: The interpreter, an absolute path.
        watch: Runs and times.
    """

    index: str
    python: str
    watch: Stopwatch


class Tool:
    """One package manager with one cache folder. Sub-classes say its commands."""

    name = ""
    manifest = PACKAGES
    lock_file = ""

    def __init__(self, program: Sequence[str], setting: Setting, cache: str) -> None:
        self.program = list(program)
        self.setting = setting
        self.cache = cache
        os.makedirs(cache, exist_ok=True)

    def env(self) -> dict[str, str]:
        """The whole environment of each of its processes."""
        home = self.cache + ".home"
        os.makedirs(home, exist_ok=True)
        path = os.path.dirname(self.setting.python) + ":/usr/bin:/bin"
        return {"HOME": home, "LANG": "C.UTF-8", "PATH": path, "NO_COLOR": "1"} | self.settings()

    def settings(self) -> dict[str, str]:
        """Its own variables: cache and index."""
        raise NotImplementedError

    def call(self, folder: str, *arguments: str, timed: bool = True) -> Sample:
        """Run it in ``folder``."""
        return self.setting.watch.run(
            [*self.program, *arguments], cwd=folder, env=self.env(), timed=timed
        )

    def python(self, folder: str) -> str:
        """The interpreter of the environment in ``folder``."""
        return os.path.join(folder, ".venv", "bin", "python")

    def project(self, folder: str, *, lock: str | None = None) -> str:
        """Make ``folder`` a checkout of the project, with the lock file ``lock`` where given."""
        os.makedirs(folder)
        shutil.copyfile(self.manifest, os.path.join(folder, "pyproject.toml"))
        if lock is not None:
            shutil.copyfile(lock, os.path.join(folder, self.lock_file))
        return folder

    def version(self) -> str:
        """What it says of itself."""
        self.call("/", "--version", timed=False)
        return self.setting.watch.output().strip().splitlines()[-1]

    def lock(self, folder: str) -> Sample:
        """Resolve the project in ``folder``."""
        raise NotImplementedError

    def sync(self, folder: str) -> Sample:
        """Make the environment of ``folder`` what its lock says."""
        raise NotImplementedError

    def run(self, folder: str, *command: str) -> Sample:
        """Run ``command`` in the environment, after looking whether it is in sync."""
        return self.call(folder, "run", *command)

    def add(self, folder: str, package: str) -> Sample:
        """Add one requirement to the project: manifest, lock and environment."""
        return self.call(folder, "add", package)

    def create(self, folder: str, name: str) -> tuple[Sample, str]:
        """Make an empty environment called ``name``, in no project; and its interpreter."""
        raise NotImplementedError


class Provenv(Tool):
    """The subject. Its store plays the cache's part."""

    name = "provenv"
    lock_file = "pylock.toml"
    link_mode = ""

    def settings(self) -> dict[str, str]:
        return {"PROVENV_HOME": self.cache, "PROVENV_INDEX_URL": self.setting.index}

    def lock(self, folder: str) -> Sample:
        return self.call(folder, "lock")

    def sync(self, folder: str) -> Sample:
        mode = ["--link-mode", self.link_mode] if self.link_mode else []
        return self.call(folder, "sync", *mode)

    def create(self, folder: str, name: str) -> tuple[Sample, str]:
        made = self.call(folder, "env", "create", name)
        return made, os.path.join(self.cache, "environments", name, ".venv", "bin", "python")

    def workspace(self, folder: str, members: int, *, lock: str | None = None) -> list[str]:
        """Make ``folder`` a workspace of so many like the project, with one lock; their folders."""
        os.makedirs(folder)
        with open(self.manifest, encoding="utf-8") as stream:
            project = stream.read()
        name = f'name = "{tomllib.loads(project)["project"]["name"]}"'
        with open(os.path.join(folder, "pyproject.toml"), "w", encoding="utf-8") as stream:
            stream.write('[tool.provenv.workspace]\nmembers = ["member-*"]\nshared-lock = true\n')
        if lock is not None:
            shutil.copyfile(lock, os.path.join(folder, self.lock_file))
        made = [os.path.join(folder, f"member-{number:03d}") for number in range(members)]
        for number, member in enumerate(made):
            os.mkdir(member)
            with open(os.path.join(member, "pyproject.toml"), "w", encoding="utf-8") as stream:
                stream.write(project.replace(name, f'name = "member-{number:03d}"', 1))
        return made

    def rollback(self, folder: str) -> Sample:
        """Back to the generation before."""
        return self.call(folder, "rollback")


class Uv(Tool):
    """uv, with its default link mode unless another is asked for."""

    name = "uv"
    lock_file = "uv.lock"
    link_mode = ""

    def settings(self) -> dict[str, str]:
        mode = {"UV_LINK_MODE": self.link_mode} if self.link_mode else {}
        return mode | {
            "UV_CACHE_DIR": self.cache,
            "UV_DEFAULT_INDEX": self.setting.index,
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_PYTHON_PREFERENCE": "only-system",
        }

    def lock(self, folder: str) -> Sample:
        return self.call(folder, "lock")

    def sync(self, folder: str) -> Sample:
        return self.call(folder, "sync")

    def create(self, folder: str, name: str) -> tuple[Sample, str]:
        return self.call(folder, "venv", name), os.path.join(folder, name, "bin", "python")

    def requirements(self, folder: str) -> str:
        """The lock as a requirements file with hashes, for pip."""
        out = os.path.join(folder, "requirements.txt")
        self.call(
            folder, "export", "--frozen", "--no-emit-project", "--no-header", "-o", out, timed=False
        )
        return out


class Pip(Tool):
    """``python -m venv`` and pip, installing uv's pins with their hashes and without resolving.

    pip comes from outside (``--python``), so that it is spared installing itself. It resolves
    nothing here; it has no lock to write.
    """

    name = "pip"
    lock_file = "requirements.txt"

    def settings(self) -> dict[str, str]:
        return {
            "PIP_CACHE_DIR": self.cache,
            "PIP_INDEX_URL": self.setting.index,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def sync(self, folder: str) -> Sample:
        made = NOTHING
        if not os.path.exists(self.python(folder)):
            venv = [self.setting.python, "-m", "venv", "--without-pip", ".venv"]
            made = self.setting.watch.run(venv, cwd=folder, env=self.env())
        install = ("install", "--quiet", "--no-deps", "--require-hashes", "-r", self.lock_file)
        return made + self.call(folder, "--python", ".venv", *install)

    def create(self, folder: str, name: str) -> tuple[Sample, str]:
        venv = [self.setting.python, "-m", "venv", "--without-pip", name]
        made = self.setting.watch.run(venv, cwd=folder, env=self.env())
        return made, os.path.join(folder, name, "bin", "python")


class Poetry(Tool):
    """Poetry, with the environment inside the project."""

    name = "poetry"
    lock_file = "poetry.lock"

    def settings(self) -> dict[str, str]:
        return {
            "POETRY_CACHE_DIR": self.cache,
            "POETRY_VIRTUALENVS_IN_PROJECT": "true",
            "POETRY_NO_INTERACTION": "1",
        }

    def project(self, folder: str, *, lock: str | None = None) -> str:
        super().project(folder, lock=lock)
        with open(os.path.join(folder, "pyproject.toml"), "a", encoding="utf-8") as stream:
            stream.write("\n[tool.poetry]\npackage-mode = false\n")
            stream.write('\n[[tool.poetry.source]]\nname = "replay"\npriority = "primary"\n')
            stream.write(f'url = "{self.setting.index}"\n')
        return folder

    def lock(self, folder: str) -> Sample:
        return self.call(folder, "lock")

    def sync(self, folder: str) -> Sample:
        return self.call(folder, "sync")


TOOLS: dict[str, type[Tool]] = {tool.name: tool for tool in (Provenv, Uv, Pip, Poetry)}


def program(name: str, given: str | None) -> list[str]:
    """The command of tool ``name``: ``given``, or beside this interpreter, or in ``PATH``.

    Raises:
        BenchError: It is nowhere.
    """
    if given:
        return given.split()
    beside = os.path.join(os.path.dirname(sys.executable), name)
    found = beside if os.access(beside, os.X_OK) else shutil.which(name)
    if found is None:
        raise BenchError(f"{name} is not installed: give its command with --{name}")
    return [found]


def virtualenv() -> str | None:
    """The program virtualenv, which Poetry brings along; None where it is not beside this interpreter."""
    beside = os.path.join(os.path.dirname(sys.executable), "virtualenv")
    return beside if os.access(beside, os.X_OK) else shutil.which("virtualenv")


def direct_requirements() -> list[str]:
    """What the project asks for."""
    with open(PACKAGES, "rb") as stream:
        return list(tomllib.load(stream)["project"]["dependencies"])
