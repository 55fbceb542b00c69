"""provenv, uv and pip: how each is told the same thing, with the flags that protect its users best.

All run without the privilege to write into files whose mode forbids it, as users do: where the bench
runs as root, ``setpriv`` takes that from them.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from bench.measure import BenchError
from bench.robustness.world import Pins, World

from provenv.model.lock import packages_digest, parse_lock, tool_table
from support.project import command

LIMIT = 60.0  # seconds after which a command counts as hung
_POWERS = "-dac_override,-dac_read_search,-fowner,-linux_immutable"


def as_user() -> list[str]:
    """What stands before a command so that modes hold for it; empty where they do anyhow."""
    if os.getuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        raise BenchError("as root the bench needs setpriv (util-linux), or no mode would protect")
    return ["setpriv", f"--bounding-set={_POWERS}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a command ended; ``code`` is None where it hung and was killed."""

    code: int | None
    output: str


class Tool:
    """One tool with a cache (or store) of its own below ``home``. Sub-classes say its words."""

    name = ""
    lock_name = ""
    variable = ""  # of the environment: where the cache is

    def __init__(self, program: Sequence[str], home: str, world: World, python: str) -> None:
        self.program = [*as_user(), *program]
        self.home = home
        self.world = world
        self.index = world.index
        self.python = python
        self._locks: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
        os.makedirs(home, exist_ok=True)

    @property
    def cache(self) -> str:
        """The folder of what it keeps for later."""
        return os.path.join(self.home, "cache")

    def env(self) -> dict[str, str]:
        """The whole environment of each of its processes."""
        path = os.path.dirname(self.python) + ":/usr/bin:/bin"
        own = {"HOME": self.home, "LANG": "C.UTF-8", "PATH": path, "NO_COLOR": "1"}
        return own | {self.variable: self.cache} | self.settings()

    def settings(self) -> dict[str, str]:
        raise NotImplementedError

    def version(self) -> str:
        return subprocess.run(
            [*self.program, "--version"], capture_output=True, text=True, check=True, env=self.env()
        ).stdout.split()[1]

    def start(self, folder: str, arguments: Sequence[str]) -> subprocess.Popen[str]:
        """Start it in ``folder``, output collected."""
        return subprocess.Popen(
            [*self.program, *arguments], cwd=folder, env=self.env(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip

    def run(self, folder: str, arguments: Sequence[str]) -> Done:
        """Run it to its end, or to the limit."""
        return finish(self.start(folder, arguments))

    def project(self, folder: str, pins: Pins) -> str:
        """Make ``folder`` a checkout with manifest and lock for ``pins``, or make it ask for these now."""
        os.makedirs(folder, exist_ok=True)
        key = tuple(sorted(pins.items()))
        if key not in self._locks:
            self._locks[key] = self.lock(pins)
        for name, text in self._locks[key].items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as stream:
                stream.write(text)
        self.prepare(folder)
        return folder

    def prepare(self, folder: str) -> None:
        """What must be there before a sync."""

    def lock(self, pins: Pins) -> dict[str, str]:
        """Name → text of the files that a checkout has."""
        folder = os.path.join(self.home, "locking")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        with open(os.path.join(folder, "pyproject.toml"), "w", encoding="utf-8") as stream:
            stream.write(
                '[project]\nname = "shop"\nversion = "0"\nrequires-python = ">=3.11"\n'
                f"dependencies = {[f'{n}=={v}' for n, v in pins.items()]}\n"
            )
        done = self.run(folder, ["lock"])
        if done.code != 0:
            raise BenchError(f"{self.name} cannot lock: {done.output}")
        texts = {}
        for name in ("pyproject.toml", self.lock_name):
            with open(os.path.join(folder, name), encoding="utf-8") as stream:
                texts[name] = stream.read()
        return texts

    def sync(self) -> list[str]:
        """The command, with the flags that hold it to the lock."""
        raise NotImplementedError

    def checks(self) -> list[list[str]]:
        """Every command that says whether an environment is in order; all must agree."""
        raise NotImplementedError

    def mend(self) -> list[str]:
        """The command that puts right what is damaged in an environment."""
        raise NotImplementedError

    def resealed(self, lock: str) -> str:
        """A lock that was edited, with what it says of itself made true again."""
        return lock

    def passes(self, folder: str) -> bool:
        """Whether all of its checks find the environment in order."""
        return all(self.run(folder, words).code == 0 for words in self.checks())

    def must(self, folder: str) -> None:
        """Sync; it must work.

        Raises:
            BenchError: It does not.
        """
        done = self.run(folder, self.sync())
        if done.code != 0:
            raise BenchError(f"{self.name}: {done.code} from sync in {folder}\n{done.output}")

    def site(self, folder: str) -> str:
        """The site-packages of the environment in ``folder``."""
        found = glob.glob(os.path.join(glob.escape(folder), ".venv/lib/python3*/site-packages"))
        return found[0] if found else os.path.join(folder, ".venv/lib/none")


class Provenv(Tool):
    """provenv as it is."""

    name = "provenv"
    lock_name = "pylock.toml"
    variable = "PROVENV_HOME"

    def settings(self) -> dict[str, str]:
        return {"PROVENV_INDEX_URL": self.index.url}

    def sync(self) -> list[str]:
        return ["sync", "--locked", "--python", self.python]

    def checks(self) -> list[list[str]]:
        return [["status"], ["verify"]]

    def mend(self) -> list[str]:
        return ["repair"]

    def resealed(self, lock: str) -> str:
        parsed = parse_lock(lock, self.lock_name)
        recorded = tool_table(parsed)["packages-digest"]
        return lock.replace(recorded, packages_digest(parsed.packages))


class Uv(Tool):
    """uv with its defaults, held to its lock."""

    name = "uv"
    lock_name = "uv.lock"
    variable = "UV_CACHE_DIR"
    flags: tuple[str, ...] = ()

    def settings(self) -> dict[str, str]:
        return {
            "UV_DEFAULT_INDEX": self.index.url,
            "UV_NO_CONFIG": "1",
            "UV_PYTHON": self.python,
            "UV_PYTHON_DOWNLOADS": "never",
        }

    def sync(self) -> list[str]:
        return ["sync", "--locked", *self.flags]

    def checks(self) -> list[list[str]]:
        return [["lock", "--check"], ["sync", "--check", "--locked", *self.flags], ["pip", "check"]]

    def mend(self) -> list[str]:
        return [*self.sync(), "--reinstall"]


class Pip(Tool):
    """pip and the standard library's venv; every line of its requirements has a hash."""

    name = "pip"
    lock_name = "requirements.txt"
    variable = "PIP_CACHE_DIR"

    def settings(self) -> dict[str, str]:
        host = self.index.origin.removeprefix("http://")
        return {
            "PIP_INDEX_URL": self.index.url,
            "PIP_TRUSTED_HOST": host,  # or it would not use its cache: the index speaks no TLS
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def lock(self, pins: Pins) -> dict[str, str]:
        lines = [
            f"{name}=={version} --hash=sha256:{self.world.hashes[wheel_name(name, version)]}"
            for name, version in pins.items()
        ]
        return {self.lock_name: "\n".join(lines) + "\n"}

    def prepare(self, folder: str) -> None:
        if not os.path.exists(os.path.join(folder, ".venv/bin/python")):
            subprocess.run(
                [*as_user(), self.python, "-m", "venv", "--without-pip", ".venv"],
                cwd=folder, env=self.env(), check=True,
            )  # fmt: skip

    def start(self, folder: str, arguments: Sequence[str]) -> subprocess.Popen[str]:
        if arguments[0] in ("install", "check", "uninstall"):
            arguments = ["--python", ".venv/bin/python", *arguments]
        return super().start(folder, arguments)

    def sync(self) -> list[str]:
        return [
            "install", "--no-deps", "--only-binary=:all:", "--no-compile", "--require-hashes",
            "-r", self.lock_name,
        ]  # fmt: skip

    def checks(self) -> list[list[str]]:
        return [["check"]]

    def mend(self) -> list[str]:
        return [*self.sync(), "--force-reinstall"]


TOOLS: dict[str, type[Tool]] = {"provenv": Provenv, "uv": Uv, "pip": Pip}


def wheel_name(name: str, version: str) -> str:
    """The file name of a toy wheel."""
    return f"{name.replace('-', '_')}-{version}-py3-none-any.whl"


def program(name: str, given: str | None) -> list[str]:
    """How to start a tool: as given, or the one that belongs to this Python."""
    if given is not None:
        return given.split()
    if name == "provenv":
        return command()
    if name == "pip":
        return [sys.executable, "-m", "pip"]
    return [os.path.join(os.path.dirname(sys.executable), name)]


def finish(process: subprocess.Popen[str]) -> Done:
    """Wait for a process; past the limit it is killed and counts as hung."""
    try:
        output, _ = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        return Done(code=None, output=output)
    return Done(code=process.returncode, output=output)
