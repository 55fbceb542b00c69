"""A signal at every system call that changes the disk: one run for each call.

SIGKILL is what a crash is. Whatever stands on the disk then, the environment is the old one or the new
one, the next command does its work without being told to, and takes away what was left over. SIGINT and
SIGTERM must leave the same, and say one line. A signal comes before its call: the disk is as the calls
before it left it.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from provenv.core.files import remove_tree
from provenv.core.values import replace
from support import Index, Project, make_wheel
from support.every_call import EveryCall, Strike, Struck, why_not
from support.project import command
from support.sandbox import Sandbox

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
Row = tuple[str, str]  # versions of alpha and beta; "-" where there is none
NOTHING, ONE, TWO, BETA = None, ("1", "1"), ("2", "1"), ("-", "1")


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
        self.store = project.home / "provenv/store"
        self._sandbox: Sandbox | None = None
        self._imported: set[tuple[str, Row]] = set()

    def ask(self, *requirements: str) -> None:
        """Let manifest and lock ask for these."""
        self.project.depends(*requirements)
        self.ok("lock")

    def ok(self, *arguments: str) -> Struck:
        return self.server.ok(self.project, *arguments)

    def keep(self) -> None:
        """From now on, :meth:`restore` brings back what is there now."""
        self._sandbox = Sandbox(self.base, kept=self.base.parent / "kept")

    def restore(self) -> None:
        assert self._sandbox is not None
        self._sandbox.restore()

    def seen(self) -> Row | None:
        """The versions in the environment, all files of one distribution agreeing; None without one.

        A Python of it imports them where this generation has not been seen with them.
        """
        current = self.environment / "current"
        if not os.path.lexists(current):
            return None
        (site,) = self.environment.glob("lib/python*/site-packages")
        found = {path: path.read_text() for path in (site / "alpha").glob("*.py")}
        found |= {path: path.read_text() for path in site.glob("beta.py")}
        told = {(p.parent.name, re.findall("V = '(.*)'", text)[0]) for p, text in found.items()}
        infos = dict(path.name[:-10].split("-") for path in site.glob("*.dist-info"))
        alpha, beta = infos.pop("alpha", "-"), infos.pop("beta", "-")
        whole = {("alpha", alpha), (site.name, beta)} - {("alpha", "-"), (site.name, "-")}
        assert (told, infos) == (whole, {}), "a mixture"
        if (os.readlink(current), (alpha, beta)) not in self._imported:
            self._import(alpha, beta)
            self._imported.add((os.readlink(current), (alpha, beta)))
        return alpha, beta

    def _import(self, alpha: str, beta: str) -> None:
        lines = [f"import beta; assert beta.V == {beta!r}"]
        if alpha != "-":
            lines += [f"import alpha, alpha.late; assert alpha.V == alpha.late.V == {alpha!r}"]
        done = subprocess.run(
            [str(self.environment / "bin/python"), "-I", "-B", "-c", "\n".join(lines)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def left_over(self) -> list[str]:
        """What looks like a temporary file, anywhere in the home and the project."""
        found = []
        for root in (self.project.home / "provenv", self.project.folder):
            for folder, folders, files in os.walk(root):
                if folder.endswith("cache/uv"):
                    folders.clear()
                    continue
                ours = os.path.basename(folder) in ("tmp", "work")
                for name in (*folders, *files):
                    if ours or name.endswith(".tmp") or name.startswith(".new-"):
                        found.append(os.path.relpath(os.path.join(folder, name), self.base))
        for path in self.store.glob("wheels/*/*"):
            if path.stat().st_mode & 0o222:
                found.append(f"{path.name} was left open")
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
        prepare: Brings the project to where it begins. ``settings``: Values of modules that differ.
        whole: What the environment may be after a strike. ``at_last``: After the commands of ``then``.
        damaged: The case begins with damage, so that ``verify`` finds nothing only at the end.
        until: What comes to be there before calls that are those of another case, but the ``last`` ones.
    """

    prepare: Callable[[Shop], None]
    arguments: tuple[str, ...]
    whole: tuple[Row | None, ...]
    at_last: tuple[Row, ...]
    then: tuple[tuple[str, ...], ...] = (("sync",),)
    settings: Mapping[str, Any] = field(default_factory=dict)
    damaged: bool = False
    until: str = "nothing"
    last: int = 0


def nothing_there(shop: Shop) -> None:
    """Not even a store; only what is known of interpreters."""
    shop.ask("beta==1")
    shop.ok("sync")
    home = shop.project.home / "provenv"
    known = (home / "interpreters.json").read_bytes()
    remove_tree(home)
    remove_tree(shop.environment)
    home.mkdir()
    (home / "interpreters.json").write_bytes(known)


def one_to_fetch(shop: Shop) -> None:
    """Version 1 is there; version 2 of one distribution is asked for, and not in the store."""
    shop.ask("alpha==1", "beta==1")
    shop.ok("sync")
    shop.ask("alpha==2", "beta==1")


def all_known(shop: Shop) -> None:
    """Version 1 is there, and everything that version 2 needs is in the store."""
    for version in ("2", "1"):
        shop.ask(f"alpha=={version}", "beta==1")
        shop.ok("sync")
    shop.ask("alpha==2", "beta==1")


def plan_known(shop: Shop) -> None:
    """No environment, and a plan for it: the short way."""
    shop.ask("alpha==1", "beta==1")
    shop.ok("sync")
    remove_tree(shop.environment)


def two_generations(shop: Shop) -> None:
    for version in ("1", "2"):
        shop.ask(f"alpha=={version}", "beta==1")
        shop.ok("sync")
    shop.ok("sync")


def rubbish(shop: Shop) -> None:
    """A former generation, objects that nobody needs, and what killed processes left."""
    two_generations(shop)
    for folder in (shop.store / "tmp/.old.1.1.tmp", shop.store / "quarantine/old"):
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")


def damage(shop: Shop) -> None:
    """A file of the store has another content, an object no description, and a generation lacks a file."""
    shop.ask("alpha==1", "beta==1")
    shop.ok("sync", "--link-mode", "hardlink")
    (late,) = shop.store.glob("wheels/*/*/site/alpha/late.py")
    os.chmod(late.parent, 0o755)
    late.unlink()  # the generation keeps the right one: a copy to mend it from
    late.write_text("V = 'X'\n")
    (beta,) = shop.store.glob("wheels/*/*/site/beta.py")
    description = beta.parents[1] / "object.json"
    os.chmod(description, 0o644)
    description.write_text("{")
    (script,) = shop.environment.glob("generations/1/bin/alpha")
    script.unlink()


def touched(shop: Shop) -> None:
    """In sync, but a file that decides has another time."""
    two_generations(shop)
    os.utime(shop.project.folder / "pyproject.toml")


FIRST = Case(prepare=nothing_there, arguments=("sync",), whole=(NOTHING, BETA), at_last=(BETA,))
FETCH = Case(
    prepare=one_to_fetch,
    arguments=("sync",),
    whole=(ONE, TWO),
    at_last=(TWO,),
    until="home/provenv/plans/[0-9a-f]*",  # with its plan written, all else is KNOWN
)
KNOWN = Case(prepare=all_known, arguments=("sync",), whole=(ONE, TWO), at_last=(TWO,))
SHORT = Case(prepare=plan_known, arguments=("sync",), whole=(NOTHING, ONE), at_last=(ONE,))
# Another process looks at the store meanwhile, as in an environment of more than a few packages.
BESIDE = replace(SHORT, settings={"provenv.environments.beside._FEW": 0})
TOUCHED = Case(prepare=touched, arguments=("sync",), whole=(TWO,), at_last=(TWO,))
ROLLBACK = Case(
    prepare=two_generations, arguments=("rollback",), whole=(ONE, TWO), at_last=(ONE, TWO)
)
GC = Case(
    prepare=rubbish,
    arguments=("store", "gc", "--keep", "0"),
    whole=(TWO,),
    at_last=(TWO,),
    then=(("sync",), ("store", "gc", "--keep", "0")),
)
REPAIR = Case(
    prepare=damage,
    arguments=("repair",),
    whole=(ONE,),
    at_last=(ONE,),
    then=(("repair",),),
    damaged=True,
)
REMOVE = Case(
    prepare=two_generations,
    arguments=("remove", "alpha"),
    whole=(TWO, BETA),
    at_last=(TWO, BETA),
    until="home/provenv/plans/[0-9a-f]*",
    last=12,
)
# More than one: these take turns from call to call.
CASES = {
    "first": (FIRST, FIRST),
    "fetch": (FETCH, FETCH),
    "known": (KNOWN, replace(KNOWN, then=(("run", "python", "-c", "import alpha.late"),))),
    "short": (SHORT,),
    "touched": (TOUCHED,),
    "gc": (GC, replace(GC, then=(("store", "gc", "--keep", "0"),))),
    "repair": (REPAIR, replace(REPAIR, then=(("sync",), ("store", "gc")))),
}
SHARDS = [
    pytest.param(case, number, len(cases), id=f"{name}-{number}")
    for name, cases in CASES.items()
    for number, case in enumerate(cases)
]


def strike(shop: Shop, case: Case, blow: Strike, *, orphans: bool = False) -> Struck | None:
    """One run: struck, looked at, gone on with. None where there is no such call any more."""
    shop.restore()
    before = {*shop.base.glob(case.until)}
    done = shop.server.run(
        shop.project, *case.arguments, strike=blow, settings=case.settings, orphans=orphans
    )
    if not done.hit or {*shop.base.glob(case.until)} - before:
        assert done.hit or done.code == 0, done
        return None
    if not case.damaged:
        assert shop.seen() in case.whole, done
        if shop.seen() is not None:
            shop.ok("verify")
    for arguments in case.then:
        shop.ok(*arguments)
    if orphans:
        shop.ok("store", "gc")  # waits for them
    assert shop.left_over() == [], done
    assert shop.seen() in case.at_last, done
    if case.damaged:
        shop.ok("verify")
    assert (shop.environment / ".gitignore").read_text() == "*\n"
    return done


def points(names: list[str]) -> list[int]:
    """The numbers of the calls that are struck.

    Trees are written and removed under a temporary name, with the same one or two calls for each file
    (``openat``, ``write``; ``linkat``; ``unlinkat``): what differs is how many of its files are there, and
    nobody looks. Of such a row the first and the last are struck, and no call else is left out.
    """
    found = []
    for number in range(len(names)):
        row = names[max(0, number - 3) : number + 4]
        if len(row) < 7 or row[:-2] != row[2:]:
            found.append(number + 1)
    return found


def every(
    shop: Shop,
    case: Case,
    shard: int,
    of: int,
    blow: Callable[[int], Strike],
    *,
    orphans: bool = False,
) -> list[Struck]:
    """Strike at each call of this shard, until there are no more; what became of the command."""
    case.prepare(shop)
    shutil.rmtree(shop.project.home / "provenv/cache", ignore_errors=True)
    shop.keep()
    whole = shop.server.run(shop.project, *case.arguments, settings=case.settings)
    assert whole.code == 0, whole
    numbers = points(whole.names)
    if (whose := blow(1).whose) != "all":
        calls = whole.apart if whose == "others" else whole.calls - whole.apart
        numbers = [*range(1, calls + 1)]
    done: list[Struck | None] = []
    for number in numbers[shard::of]:
        done.append(strike(shop, case, blow(number), orphans=orphans))
        if done[-1] is None:
            break
    rest = replace(case, until="nothing")
    done += [strike(shop, rest, blow(n), orphans=orphans) for n in numbers[::-1][: case.last]]
    assert len(done) > 3
    return [struck for struck in done if struck is not None]


def dead(done: Struck) -> None:
    assert done.code == -signal.SIGKILL, done


def interrupted(done: Struck) -> None:
    assert done.code in (128 + signal.SIGINT, 128 + signal.SIGTERM), done
    assert "Traceback" not in done.stderr, done
    assert done.stderr.splitlines()[-1].startswith("interrupted"), done


@pytest.mark.slow
def test_a_kill_at_every_call_of_a_rollback(shop: Shop) -> None:
    for done in every(shop, ROLLBACK, 0, 1, lambda n: Strike(n, signal.SIGKILL)):
        dead(done)


@pytest.mark.slow
@pytest.mark.parametrize(("case", "shard", "of"), SHARDS)
def test_a_kill_at_every_call(shop: Shop, case: Case, shard: int, of: int) -> None:
    for done in every(shop, case, shard, of, lambda n: Strike(n, signal.SIGKILL)):
        dead(done)


# uv's own calls change its cache and folders that are gone with the command.
@pytest.mark.slow
def test_a_kill_at_every_call_of_an_edit(shop: Shop) -> None:
    for done in every(shop, REMOVE, 0, 1, lambda n: Strike(n, signal.SIGKILL, whose="leader")):
        dead(done)


# Both raise in the same place, one a subclass of what the other raises, and take the same way out: every
# call is struck by one of the two, and a rollback's by both.
@pytest.mark.slow
@pytest.mark.parametrize(("case", "shard", "of"), SHARDS)
def test_an_interrupt_at_every_call(shop: Shop, case: Case, shard: int, of: int) -> None:
    both = (signal.SIGINT, signal.SIGTERM)
    for done in every(shop, case, shard, of, lambda n: Strike(n, both[n // of % 2])):
        interrupted(done)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
def test_an_interrupt_at_every_call_of_a_rollback(shop: Shop, how: signal.Signals) -> None:
    for done in every(shop, ROLLBACK, 0, 1, lambda n: Strike(n, how)):
        interrupted(done)
        assert done.code == 128 + how


# A worker unpacks what the first process brings. It is killed, or its parent is: then it goes on for a
# moment, while the next command begins.
WORKER = replace(
    FIRST, settings={"provenv.store.fetch.ALONE": 0, "provenv.store.fetch._MAX_WORKERS": 1}
)


@pytest.mark.slow
def test_a_worker_dies_at_any_call(shop: Shop) -> None:
    for done in every(shop, WORKER, 0, 1, lambda n: Strike(n, signal.SIGKILL, whose="others")):
        assert done.code == 3, done
        assert "was killed by signal 9" in done.stderr


@pytest.mark.slow
def test_the_command_dies_while_a_worker_goes_on(shop: Shop) -> None:
    def blow(number: int) -> Strike:
        return Strike(number, signal.SIGKILL, leader=True, whose="others")

    for done in every(shop, WORKER, 0, 1, blow, orphans=True):
        dead(done)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [BESIDE, replace(KNOWN, settings=BESIDE.settings)], ids=["short", "known"]
)
def test_the_command_dies_at_any_call_while_another_process_looks(shop: Shop, case: Case) -> None:
    """That one changes nothing."""
    case.prepare(shop)
    assert shop.server.run(shop.project, *case.arguments, settings=case.settings).apart == 0
    for done in every(shop, case, 0, 1, lambda n: Strike(n, signal.SIGKILL), orphans=True):
        dead(done)


CHANGING = (
    "open,openat,creat,write,pwrite64,writev,pwritev,pwritev2,sendfile,copy_file_range,splice,truncate,"
    "ftruncate,fallocate,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,mkdir,"
    "mkdirat,mknod,mknodat,chmod,fchmod,fchmodat,fchmodat2,chown,fchown,lchown,fchownat,utime,utimes,utimensat,"
    "futimesat,setxattr,lsetxattr,fsetxattr,fsync,fdatasync,sync,syncfs,sync_file_range"
)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("case", [FETCH, GC, REPAIR], ids=["fetch", "gc", "repair"])
def test_the_kernel_sees_no_call_that_was_not_counted(shop: Shop, case: Case) -> None:
    """What is counted are calls of the C library; strace sees what reaches the kernel."""
    case.prepare(shop)
    shop.project.run("--version", "--json")  # byte code of the whole program is written by now
    trace = shop.base.parent / "trace"
    strace = ["strace", "-f", "-y", "-qq", "-e", f"trace=?{',?'.join(CHANGING.split(','))}"]
    counted = shop.server.counted(
        shop.project, [*strace, "-o", str(trace), *command(), *case.arguments]
    )
    calls = re.findall(r"^\d+ +(\w+)\((.*)", trace.read_text(errors="replace"), re.MULTILINE)
    changing = [name for name, rest in calls if changes(name, rest)]
    assert counted == len(changing) > 40


def changes(name: str, rest: str) -> bool:
    if name in ("open", "openat"):
        return "O_CREAT" in rest or "O_TRUNC" in rest
    if "write" in name or name in ("sendfile", "splice"):
        return re.match(r"([3-9]|\d\d+)</(?!dev/)", rest) is not None  # not to a pipe or a socket
    return True
