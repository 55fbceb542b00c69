"""A signal at every system call that changes the disk, one run for each.

SIGKILL is what a crash is: whatever stands on the disk then, the environment is the old one or the new
one, the next command does its work without being told to, and takes away what was left over. SIGINT and
SIGTERM are asked the same, and for one line on the way out.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support import Index, Project, make_wheel
from support.every_call import EveryCall, Strike, Struck, why_not
from support.sandbox import Sandbox

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EveryCall]:
    with EveryCall(tmp_path_factory.mktemp("every-call")) as running:
        yield running


class Shop:
    """A project with two distributions in two versions, and what is asked of it after a strike."""

    def __init__(self, project: Project, server: EveryCall) -> None:
        self.project = project
        self.server = server
        self.base = project.folder.parent
        self.environment = project.folder / ".venv"
        self._sandbox: Sandbox | None = None

    def ask(self, alpha: str, beta: str = "1") -> None:
        """Let manifest and lock ask for these versions."""
        self.project.depends(f"alpha=={alpha}", f"beta=={beta}")
        self.ok("lock")

    def ok(self, *arguments: str) -> Struck:
        return self.server.ok(self.project, *arguments)

    def keep(self) -> None:
        """From now on, :meth:`restore` brings back what is there now."""
        shutil.rmtree(self.project.home / "provenv/cache", ignore_errors=True)
        self._sandbox = Sandbox(self.base, kept=self.base.parent / "kept")

    def restore(self) -> None:
        assert self._sandbox is not None
        self._sandbox.restore()

    def seen(self) -> str | None:
        """The versions that a Python of the environment imports; None where there is none."""
        if not os.path.lexists(self.environment / "current"):
            return None
        code = "import alpha, alpha.late, beta; print(alpha.V, alpha.late.V, beta.V)"
        done = subprocess.run(
            [str(self.environment / "bin/python"), "-I", "-B", "-c", code],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        first, late, beta = done.stdout.split()
        assert first == late, "a mixture of two generations"
        return f"{first} {beta}"

    def left_over(self) -> list[str]:
        """What looks like a temporary file, anywhere in the home and the project."""
        found = []
        for root in (self.project.home / "provenv", self.project.folder):
            for folder, folders, files in os.walk(root):
                if folder.endswith("cache/uv"):
                    folders.clear()
                for name in (*folders, *files):
                    path = os.path.relpath(os.path.join(folder, name), self.base)
                    if name.endswith(".tmp") or name.startswith(".new-"):
                        found.append(path)
                    elif os.path.basename(folder) in ("tmp", "work"):
                        found.append(path)
        return found


@pytest.fixture
def shop(tmp_path: Path, index: Index, server: EveryCall) -> Shop:
    for version in ("1", "2"):
        line = f"V = {version!r}\n"
        files = {"alpha/__init__.py": line, "alpha/late.py": line}
        tools = {"console_scripts": {"alpha": "alpha:V"}}
        wheels = tmp_path / "wheels"
        index.add(make_wheel(wheels, "alpha", version, files=files, entry_points=tools))
        index.add(make_wheel(wheels, "beta", version, files={"beta.py": line}))
    world = tmp_path / "world"
    project = Project(world / "shop", home=world / "home", index_url=index.url)
    return Shop(project, server)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A command that is struck.

    Attributes:
        prepare: Brings the project to where it begins.
        arguments: The command. ``settings``: Values of modules that differ for it.
        whole: What the environment may be after a strike; None where there may be none.
        after: The commands that come next, and must succeed; then nothing is left over.
        at_last: What the environment is then.
        whole_first: ``verify`` finds nothing before the next command.
    """

    prepare: Callable[[Shop], None]
    arguments: tuple[str, ...]
    whole: tuple[str | None, ...]
    at_last: tuple[str, ...]
    after: tuple[tuple[str, ...], ...] = (("sync",),)
    settings: Mapping[str, Any] = field(default_factory=dict)
    whole_first: bool = True


def nothing_there(shop: Shop) -> None:
    """Not even a store; only what is known of interpreters."""
    shop.ask("1")
    shop.ok("sync")
    known = (shop.project.home / "provenv/interpreters.json").read_bytes()
    shutil.rmtree(shop.project.home / "provenv")
    shutil.rmtree(shop.environment)
    (shop.project.home / "provenv").mkdir()
    (shop.project.home / "provenv/interpreters.json").write_bytes(known)


def one_to_fetch(shop: Shop) -> None:
    """Version 1 is there, version 2 of one distribution is asked for and not in the store."""
    shop.ask("1")
    shop.ok("sync")
    shop.ask("2")


def all_known(shop: Shop) -> None:
    """Version 1 is there, and everything that version 2 needs is in the store."""
    shop.ask("2")
    shop.ok("sync")
    shop.ask("1")
    shop.ok("sync")
    shop.ask("2")


def plan_known(shop: Shop) -> None:
    """No environment, and a plan for it: the short way."""
    shop.ask("1")
    shop.ok("sync")
    shutil.rmtree(shop.environment)


def two_generations(shop: Shop) -> None:
    shop.ask("1")
    shop.ok("sync")
    shop.ask("2")
    shop.ok("sync")
    shop.ok("sync")


def rubbish(shop: Shop) -> None:
    """A former generation, an environment that was removed, and what killed processes left."""
    two_generations(shop)
    store = shop.project.home / "provenv/store"
    for folder in (store / "tmp/.old.1.1.tmp", store / "quarantine/old"):
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")


def damage(shop: Shop) -> None:
    """A file of the store with another content, an object without description, a link that is gone."""
    shop.ask("1")
    shop.ok("sync")
    store = shop.project.home / "provenv/store/wheels"
    (late,) = store.glob("*/*/site/alpha/late.py")
    os.chmod(late, 0o644)
    late.write_text("V = 'X'\n")
    (description,) = {p.parents[1] for p in store.glob("*/*/site/beta.py")}
    os.chmod(description / "object.json", 0o644)
    (description / "object.json").write_text("{")


CASES = {
    "first": Case(
        prepare=nothing_there,
        arguments=("sync",),
        whole=(None, "1 1"),
        at_last=("1 1",),
    ),
    "fetch": Case(
        prepare=one_to_fetch,
        arguments=("sync",),
        whole=("1 1", "2 1"),
        at_last=("2 1",),
    ),
    "known": Case(
        prepare=all_known,
        arguments=("sync",),
        whole=("1 1", "2 1"),
        at_last=("2 1",),
    ),
    "short": Case(
        prepare=plan_known,
        arguments=("sync",),
        whole=(None, "1 1"),
        at_last=("1 1",),
    ),
    "rollback": Case(
        prepare=two_generations,
        arguments=("rollback",),
        whole=("1 1", "2 1"),
        at_last=("1 1", "2 1"),
    ),
    "gc": Case(
        prepare=rubbish,
        arguments=("store", "gc", "--keep", "0"),
        whole=("2 1",),
        at_last=("2 1",),
        after=(("sync",), ("store", "gc", "--keep", "0")),
    ),
    "repair": Case(
        prepare=damage,
        arguments=("repair",),
        whole=("1 1",),
        at_last=("1 1",),
        after=(("repair",),),
        whole_first=False,
    ),
}


def strike(shop: Shop, case: Case, blow: Strike) -> Struck:
    """One run: struck, looked at, gone on with."""
    shop.restore()
    done = shop.server.run(shop.project, *case.arguments, strike=blow, settings=case.settings)
    if not done.hit:
        assert done.code == 0, done
        return done
    if blow.signal == signal.SIGKILL:
        assert done.code == -signal.SIGKILL, done
    else:
        assert done.code == 128 + blow.signal, done
        assert "Traceback" not in done.stderr, done
        assert done.stderr.splitlines()[-1].startswith("interrupted"), done
    if case.whole_first:
        seen = shop.seen()
        assert seen in case.whole, done
        if seen is not None:
            shop.ok("verify")
    for arguments in case.after:
        shop.ok(*arguments)
    assert shop.left_over() == [], done
    assert shop.seen() in case.at_last, done
    if not case.whole_first:
        shop.ok("verify")
    return done


@pytest.mark.parametrize("how", SIGNALS, ids=lambda how: how.name)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_signal_at_every_call(shop: Shop, case: Case, how: signal.Signals) -> None:
    case.prepare(shop)
    shop.keep()
    number, bad = 0, {}
    while True:
        number += 1
        try:
            if not strike(shop, case, Strike(number, how)).hit:
                break
        except AssertionError as error:
            bad[number] = str(error)
    assert number > 10
    last = None
    for n, e in bad.items():
        import re
        k = re.sub(r"\d+", "", e[-200:])
        if k != last:
            print(n, e[:1500])
        last = k
    print(list(bad))
    print(number)
    assert not bad
