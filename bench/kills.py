"""Random kill times over ``sync``, ``rollback``, ``gc`` and ``repair``, on projects of real size.

    python -m bench.kills --runs 200

Every run kills one command at a random instant, then asks what a user would: do all modules import and
all versions belong to one lock, is ``verify`` clean, does the next command succeed, is anything left over?
``tests/hostile/test_every_call.py`` goes through every system call of small projects; this is the check
that nothing in great ones is otherwise. Wheels come from PyPI once, and then from loopback.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.measure import BenchError

import provenv

_ELSEWHERE = ("colorama", "tzdata")  # what only Windows needs: a lock names it, too
VERBS = ("sync", "cold sync", "rollback", "gc", "repair")
_GC = ("store", "gc", "--keep", "0")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One project: what it asks for before and after, and modules that must import."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    modules: tuple[str, ...]


PROJECTS = {
    "web": Recipe(
        ("django~=4.2", "fastapi==0.110.*", "httpx==0.26.*", "sqlalchemy==2.0.36", "celery==5.3.*"),
        ("django~=5.1", "fastapi==0.115.*", "httpx==0.28.*", "sqlalchemy==2.0.41", "celery==5.4.*"),
        ("django", "fastapi", "httpx", "sqlalchemy", "celery"),
    ),
    "science": Recipe(
        ("numpy==2.1.*", "pandas==2.2.*", "sphinx==7.*", "requests==2.31.*"),
        ("numpy==2.2.*", "pandas==2.3.*", "sphinx==8.1.*", "requests==2.32.*"),
        ("numpy", "pandas", "sphinx", "requests"),
    ),
    "tools": Recipe(
        ("pytest==8.2.*", "rich==13.*", "typer==0.12.*", "pydantic==2.9.*", "hypothesis==6.100.*"),
        ("pytest==8.3.*", "rich==14.*", "typer==0.15.*", "pydantic==2.10.*", "hypothesis==6.120.*"),
        ("pytest", "rich", "typer", "pydantic", "hypothesis"),
    ),
}


class _Silent(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        pass  # who was killed reads no more


@contextlib.contextmanager
def serving(wheels: str) -> Iterator[str]:
    """Serve a folder of wheels as an index (PEP 503); its address."""
    pages = os.path.join(wheels, "simple")
    shutil.rmtree(pages, ignore_errors=True)
    for name in sorted(name for name in os.listdir(wheels) if name.endswith(".whl")):
        project = re.sub(r"[-_.]+", "-", name.split("-")[0]).lower()
        os.makedirs(os.path.join(pages, project), exist_ok=True)
        with open(os.path.join(pages, project, "index.html"), "a", encoding="utf-8") as page:
            page.write(f'<a href="/{name}">{name}</a>\n')
    handler = functools.partial(_Silent, directory=wheels)
    with _Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/simple/"
        server.shutdown()


def download(wheels: str) -> None:
    """All wheels of all projects, once."""
    for recipe in PROJECTS.values():
        for wanted in (recipe.before + _ELSEWHERE, recipe.after):
            command = [sys.executable, "-m", "pip", "download", "-q", "--only-binary", ":all:"]
            subprocess.run([*command, "-d", wheels, *wanted], check=True)


@dataclass(slots=True)
class World:
    """One project with a home of its own, and its two locks."""

    name: str
    recipe: Recipe
    base: str
    index: str
    program: Sequence[str]
    texts: list[tuple[str, str]] = field(default_factory=list)
    versions: list[dict[str, str]] = field(default_factory=list)
    took: dict[str, float] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        return os.path.join(self.base, self.name, "project")

    @property
    def home(self) -> str:
        return os.path.join(self.base, self.name, "home")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        env = {
            "PATH": f"{os.path.dirname(sys.executable)}:/usr/bin:/bin",
            "HOME": self.home,
            "PROVENV_HOME": f"{self.home}/provenv",
            "PROVENV_INDEX_URL": self.index,
            "PYTHONPATH": os.path.dirname(provenv.__path__[0]),
            "LANG": "C.UTF-8",
        }
        return subprocess.Popen(
            [*self.program, *arguments], cwd=self.folder, env=env, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip

    def ok(self, *arguments: str) -> None:
        """One command that must succeed.

        Raises:
            BenchError: It did not.
        """
        with self.start(*arguments) as process:
            out, errors = process.communicate()
        if process.returncode != 0:
            raise BenchError(f"{' '.join(arguments)}: {process.returncode}\n{out}{errors}")

    def ask(self, which: int) -> None:
        for name, text in zip(("pyproject.toml", "pylock.toml"), self.texts[which], strict=True):
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as stream:
                stream.write(text)

    def set_up(self) -> None:
        """Lock both sides, and fill the store."""
        os.makedirs(self.folder)
        os.makedirs(self.home)
        here = f"{sys.version_info[0]}.{sys.version_info[1]}.*"
        for wanted in (self.recipe.before, self.recipe.after):
            with open(f"{self.folder}/pyproject.toml", "w", encoding="utf-8") as stream:
                stream.write(
                    f'[project]\nname = "{self.name}"\nversion = "1"\n'
                    f'requires-python = "=={here}"\ndependencies = {list(wanted)!r}\n'
                )
            self.ok("lock")
            self.ok("sync")
            texts = [_read(f"{self.folder}/{name}") for name in ("pyproject.toml", "pylock.toml")]
            self.texts.append((texts[0], texts[1]))
            self.versions.append(self.installed())

    def installed(self) -> dict[str, str]:
        """What a Python of the environment finds installed; all modules must import.

        Raises:
            BenchError: One does not.
        """
        code = (
            "import importlib, importlib.metadata as m\n"
            f"for name in {self.recipe.modules!r}: importlib.import_module(name)\n"
            "print(*sorted(f'{d.name}=={d.version}' for d in m.distributions()))"
        )
        done = subprocess.run(
            [f"{self.folder}/.venv/bin/python", "-I", "-B", "-c", code],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise BenchError(f"the environment does not work: {done.stderr}")
        return dict(word.split("==") for word in done.stdout.split())

    def left_over(self) -> list[str]:
        found = []
        for root in (f"{self.home}/provenv", self.folder):
            for folder, folders, files in os.walk(root):
                if folder.endswith("cache/uv"):
                    folders.clear()
                    continue
                ours = os.path.basename(folder) in ("tmp", "work") and "/wheels/" not in folder
                found += [
                    os.path.join(folder, name)
                    for name in (*folders, *files)
                    if ours or re.search(r"\.\d+\.tmp$", name) or name.startswith(".new-")
                ]
        return found


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def begin(world: World, verb: str, dice: random.Random) -> tuple[str, ...]:
    """Bring the project to where the command begins; the command."""
    world.ask(0)
    world.ok("sync")
    if verb == "sync":
        world.ask(1)
        return ("sync",)
    if verb == "cold sync":
        world.ok(*_GC)
        world.ask(1)
        return ("sync",)
    world.ask(1)
    world.ok("sync")
    if verb == "rollback":
        return ("rollback",)
    if verb == "gc":
        return _GC
    damage(world, dice)
    return ("repair",)


def damage(world: World, dice: random.Random) -> None:
    """Flip a byte in a few files of the store that the lock of now needs, and remove one."""
    with open(f"{world.folder}/pylock.toml", "rb") as stream:
        lock = tomllib.load(stream)
    names = {w["hashes"]["sha256"] for p in lock["packages"] for w in p.get("wheels", ())}
    files = []
    for above, _, inside in os.walk(f"{world.home}/provenv/store/wheels"):
        if names.intersection(above.split("/")):
            files += [os.path.join(above, name) for name in inside]
    hurt = dice.sample([path for path in sorted(files) if os.path.getsize(path)], 4)
    for path in hurt[1:]:
        os.chmod(path, 0o644)
        with open(path, "r+b") as stream:
            byte = stream.read(1)
            stream.seek(0)
            stream.write(bytes([byte[0] ^ 1]))
    os.chmod(os.path.dirname(hurt[0]), 0o755)
    os.unlink(hurt[0])


def strike(world: World, arguments: tuple[str, ...], verb: str, dice: random.Random) -> bool:
    """Kill the command at a random instant, alone or with its children; whether it was in time."""
    known = world.took.get(verb, 1.0)
    started = time.monotonic()
    with world.start(*arguments) as process:
        time.sleep(dice.uniform(0.05, 1.0) * known)
        with contextlib.suppress(ProcessLookupError):
            if dice.random() < 0.5:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.communicate()
    in_time = process.returncode == -signal.SIGKILL
    world.took[verb] = known * 1.03 if in_time else time.monotonic() - started
    return in_time


def check(world: World, verb: str) -> None:
    """What a user would find, before and after the next command.

    Raises:
        BenchError: Something is broken.
    """
    if verb != "repair":
        if world.installed() not in world.versions:
            raise BenchError("a mixture of two generations")
        world.ok("verify")
    else:
        world.ok("repair")
    world.ok("sync")
    world.ok("store", "gc")
    world.ok("verify")
    if left := world.left_over():
        raise BenchError(f"left over: {left}")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=200, help="how many kills, all in time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wheels", help="a folder that keeps the wheels from one time to the next")
    parser.add_argument("--provenv", help="the program, if not this Python's", default=None)
    args = parser.parse_args(argv)
    program = args.provenv.split() if args.provenv else [sys.executable, "-P", "-m", "provenv"]
    dice = random.Random(args.seed)
    hits: Counter[str] = Counter()
    broken: list[str] = []
    with tempfile.TemporaryDirectory(prefix="provenv-kills-", ignore_cleanup_errors=True) as base:
        wheels = args.wheels or os.path.join(base, "wheels")
        if not os.path.isdir(wheels):
            os.makedirs(wheels)
            download(wheels)
        with serving(wheels) as index:
            worlds = [
                World(name, recipe, base, index, program) for name, recipe in PROJECTS.items()
            ]
            for world in worlds:
                world.set_up()
            while sum(hits.values()) < args.runs:
                done = sum(hits.values())
                verb, world = VERBS[done % len(VERBS)], worlds[done // len(VERBS) % len(worlds)]
                arguments = begin(world, verb, dice)
                in_time = strike(world, arguments, verb, dice)
                hits[verb] += in_time
                if in_time and (done + 1) % 20 == 0:
                    print(f"{done + 1} kills, {len(broken)} broken", flush=True)
                try:
                    check(world, verb)
                except BenchError as error:
                    broken.append(f"{verb} of {world.name}, kill {done}: {error}")
                    print(broken[-1], flush=True)
                    world.ok("repair")
    for verb in VERBS:
        print(f"{verb:10} {hits[verb]:4} kills")
    print(f"{'all':10} {sum(hits.values()):4} kills, {len(broken)} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
