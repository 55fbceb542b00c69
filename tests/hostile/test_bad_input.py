"""Bad input: a clear error, the right exit code, and nothing changed, byte for byte."""

from __future__ import annotations

import hashlib
import re
import stat
import zipfile
from pathlib import Path

import pytest

from provenv.core.values import replace
from provenv.model.lock import packages_digest, parse_lock, render_lock, tool_table
from support import Index, Project, Result, make_wheel
from support.many import few, snapshot
from support.wheels import entry


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    """A synced project with one dependency."""
    for version in ("1", "2"):
        index.add(make_wheel(tmp_path / "wheels", "alpha", version))
    project.depends("alpha==1")
    project.ok("sync")
    return project


def refused(project: Project, code: int, *arguments: str, said: tuple[str, ...] = ()) -> Result:
    """The command fails with ``code``, says all of ``said``, and leaves every byte as it was."""
    before = snapshot(project.folder)
    objects = set(snapshot(project.home / "provenv/store/wheels"))
    result = project.fails(code, *arguments)
    told = " ".join(result.stderr.split())
    for words in said:
        assert words in told, f"{words!r} is not said\n{result}"
    assert snapshot(project.folder) == before
    assert set(snapshot(project.home / "provenv/store/wheels")) == objects
    assert not list(project.folder.rglob("*.tmp"))
    for path in (project.home / "provenv").rglob("*"):
        assert ".tmp" not in path.name, path
    return result


COMMANDS = (("sync",), ("lock",), ("run", "true"), ("add", "beta"), ("status",), ("rollback",))


@pytest.mark.parametrize("arguments", few(COMMANDS, 1), ids=" ".join)
def test_broken_toml_names_file_and_line(shop: Project, arguments: tuple[str, ...]) -> None:
    shop.pyproject('[project]\nname = "shop"\nversion = \n')
    refused(shop, 2, *arguments, said=("pyproject.toml:3",))


@pytest.mark.parametrize("arguments", few(COMMANDS, 1), ids=" ".join)
def test_an_unknown_key_is_answered_with_the_nearest(
    shop: Project, arguments: tuple[str, ...]
) -> None:
    shop.depends("alpha==1", more='[tool.provenv]\nlink-mod = "copy"\n')
    refused(shop, 2, *arguments, said=("tool.provenv.link-mod", "link-mode"))


def test_a_manifest_that_is_not_utf8(shop: Project) -> None:
    (shop.folder / "pyproject.toml").write_bytes(b'[project]\nname = "sh\xffop"\n')
    refused(shop, 2, "sync", said=("pyproject.toml", "UTF-8"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('lock-version = "1.0"', 'lock-version = "2.0"', "2.0"),
        ("[[packages]]", "<<<<<<< ours\n[[packages]]", "merge"),
        ('name = "alpha"', "name = 3", "name"),
    ],
)
def test_locks_that_cannot_be_used(shop: Project, old: str, new: str, said: str) -> None:
    lock = shop.read("pylock.toml")
    assert old in lock
    (shop.folder / "pylock.toml").write_text(lock.replace(old, new, 1))
    for arguments in (("sync",), ("sync", "--locked"), ("run", "true"), ("status",), ("tree",)):
        result = shop.run(*arguments)
        assert result.code in (1, 2), str(result)
    refused(shop, 2, "sync", "--locked", said=("pylock.toml", said))


def relock(project: Project, old: str, new: str) -> None:
    """Change the lock's text, and let provenv believe that it has made it so."""
    text = project.read("pylock.toml")
    assert re.search(old, text)
    text = re.sub(old, new, text)
    lock = parse_lock(text)
    table = {**tool_table(lock), "packages-digest": packages_digest(lock.packages)}
    text = render_lock(replace(lock, tool={"provenv": table}))
    (project.folder / "pylock.toml").write_text(text)


def forget_store(project: Project) -> None:
    """Everything must be fetched again."""
    (project.folder / ".venv").rename(project.home / "old-venv")
    (project.home / "provenv").rename(project.home / "old-provenv")


@pytest.mark.parametrize("there", [True, False], ids=["with .venv", "without"])
def test_a_wrong_hash_says_what_was_wanted_and_what_came_from_where(
    shop: Project, index: Index, there: bool
) -> None:
    shop.depends("alpha==2")
    shop.ok("lock")
    if not there:
        forget_store(shop)
    relock(shop, 'sha256 = "[0-9a-f]{64}"', f'sha256 = "{"0" * 64}"')
    result = refused(shop, 3, "sync", "--locked", said=("0" * 64, index.url.partition("/main")[0]))
    assert re.search(r"[1-9a-f][0-9a-f]{63}", result.stderr.replace("\n", ""))


def test_a_wrong_size(shop: Project) -> None:
    shop.depends("alpha==2")
    shop.ok("lock")
    relock(shop, r"size = (\d+)", r"size = 1\1")
    refused(shop, 3, "sync", "--locked", said=("size", "alpha-2"))


def test_a_lock_without_a_hash_that_counts(shop: Project) -> None:
    shop.depends("alpha==2")
    shop.ok("lock")
    relock(shop, 'sha256 = "[0-9a-f]{32}', 'md5 = "')
    refused(shop, 2, "sync", said=("pylock.toml", "alpha", "sha256"))


def test_no_wheel_for_this_platform_lists_the_tags(
    shop: Project, index: Index, tmp_path: Path
) -> None:
    index.add(make_wheel(tmp_path / "w", "only-mac", "1", tag="cp311-cp311-macosx_11_0_arm64"))
    shop.depends("alpha==1", "only-mac")
    shop.run("lock")
    refused(shop, 1, "sync", said=("only-mac", "macosx_11_0_arm64"))


def test_no_interpreter_lists_those_found(shop: Project) -> None:
    text = shop.read("pyproject.toml")
    shop.pyproject(text.replace(">=3.11", ">=4.0"))
    refused(shop, 1, "sync", said=(">=4.0", "3."))
    refused(shop, 1, "lock", said=(">=4.0",))


def test_two_distributions_that_own_one_file(shop: Project, index: Index, tmp_path: Path) -> None:
    for name in ("one", "two"):
        index.add(
            make_wheel(tmp_path / "w", name, "1", files={"shared/__init__.py": f"{name!r}\n"})
        )
    shop.depends("alpha==1", "one", "two")
    shop.ok("lock")
    before = snapshot(shop.folder)
    result = shop.fails(1, "sync")
    for word in ("one 1", "two 1", "shared/__init__.py", "file-owners"):
        assert word in " ".join(result.stderr.split())
    assert snapshot(shop.folder) == before
    shop.depends("alpha==1", "one", "two", more='[tool.provenv.file-owners]\n"shared/*" = "two"\n')
    shop.ok("sync")
    assert shop.python("import shared; print(shared.__doc__)") == "two"


def link_entry() -> zipfile.ZipInfo:
    return entry("evil/link.py", mode=0o777, kind=stat.S_IFLNK)


EVIL: dict[str, tuple[tuple[str | zipfile.ZipInfo, str], ...]] = {
    "absolute": (("/tmp/attack-evil.py", "evil"),),
    "parent": (("../../evil.py", "evil"),),
    "middle": (("evil/../../evil.py", "evil"),),
    "backslash": (("evil\\..\\..\\evil.py", "evil"),),
    "drive": (("C:/evil.py", "evil"),),
    "symlink": ((link_entry(), "/etc/passwd"),),
    "unlisted": (("evil/more.py", "evil"),),
    "device": ((entry("evil/dev", kind=stat.S_IFCHR), ""),),
}


@pytest.mark.parametrize("kind", few(EVIL, 2))
def test_wheels_that_reach_out(shop: Project, index: Index, tmp_path: Path, kind: str) -> None:
    def with_rows(rows: list[list[str]]) -> list[list[str]]:
        return (
            rows
            if kind == "unlisted"
            else [*rows, *([_name(m), "sha256=" + "A" * 43, ""] for m, _ in EVIL[kind])]
        )

    index.add(make_wheel(tmp_path / "w", "evil", "1", members=EVIL[kind], record=with_rows))
    shop.depends("alpha==1", "evil")
    shop.ok("lock")
    before = snapshot(tmp_path, ignore=("home", "w"))
    refused(shop, 2, "sync", said=("evil-1-py3-none-any.whl",))
    assert snapshot(tmp_path, ignore=("home", "w")) == before
    assert shop.ok("run", "--no-sync", "python", "-c", "import alpha").code == 0


def _name(member: str | zipfile.ZipInfo) -> str:
    return member if isinstance(member, str) else member.filename


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_wheel_with_a_member_twice(shop: Project, index: Index, tmp_path: Path) -> None:
    index.add(make_wheel(tmp_path / "w", "evil", "1", members=[("evil/__init__.py", "other")]))
    shop.depends("alpha==1", "evil")
    shop.ok("lock")
    refused(shop, 2, "sync", said=("evil-1-py3-none-any.whl", "twice"))


def test_a_file_that_is_not_what_record_says(shop: Project, index: Index, tmp_path: Path) -> None:
    def lie(rows: list[list[str]]) -> list[list[str]]:
        rows[0][1] = "sha256=" + "A" * 43
        return rows

    index.add(make_wheel(tmp_path / "w", "liar", "1", record=lie))
    shop.depends("alpha==1", "liar")
    shop.ok("lock")
    refused(shop, 3, "sync", said=("liar/__init__.py", "RECORD"))


@pytest.mark.parametrize("kind", few(["venv", "symlink", "file", "dangling", "stranger"], 2))
def test_what_others_made_is_refused_or_set_aside(shop: Project, tmp_path: Path, kind: str) -> None:
    venv, elsewhere = shop.folder / ".venv", tmp_path / "elsewhere"
    venv.rename(tmp_path / "gone")
    if kind == "venv":
        (venv / "bin").mkdir(parents=True)
        (venv / "pyvenv.cfg").write_text("home = /usr/bin\n")
    elif kind == "file":
        venv.write_text("a file\n")
    elif kind == "stranger":
        venv.mkdir()
        (venv / "notes.txt").write_text("mine\n")
    else:
        if kind == "symlink":
            elsewhere.mkdir()
            (elsewhere / "precious").write_text("precious\n")
        venv.symlink_to(elsewhere)
    for arguments in (("sync",), ("run", "true"), ("status",)):
        refused(shop, 2, *arguments, said=(".venv", "--adopt"))
    before = snapshot(shop.folder)
    shop.ok("sync", "--adopt")
    assert shop.python("import alpha; print(alpha.__version__)") == "1"
    after = snapshot(shop.folder)
    for name, what in before.items():
        if name.startswith(".venv"):
            assert after[name.replace(".venv", ".venv.old-1", 1)] == what
    if kind == "symlink":
        assert [path.name for path in elsewhere.iterdir()] == ["precious"]


def test_adopting_is_taken_back_where_the_sync_fails(shop: Project, index: Index) -> None:
    shop.depends("alpha==2")
    shop.ok("lock")
    forget_store(shop)
    (shop.folder / ".venv").mkdir()
    (shop.folder / ".venv/mine.txt").write_text("mine\n")
    index.fault("*.whl", status=404)
    refused(shop, 3, "sync", "--adopt", said=("404",))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"status": 404}, "404"),
        ({"status": 500}, "500"),
        ({"status": 401}, "401"),
        ({"cut": 100}, "alpha"),
        ({"cut": -1}, "alpha"),
        ({"wrong": True}, "sha256"),
    ],
    ids=str,
)
def test_a_file_server_that_fails(
    shop: Project, index: Index, fault: dict[str, int], said: str
) -> None:
    shop.depends("alpha==2")
    shop.ok("lock")
    index.fault("*/alpha-2*.whl", **fault)  # type: ignore[arg-type]  # one of several parameters
    refused(shop, 3, "sync", said=(said, "alpha"))
    index.heal()
    shop.ok("sync")
    assert shop.python("import alpha; print(alpha.__version__)") == "2"


def test_faults_that_pass_are_retried(shop: Project, index: Index) -> None:
    shop.depends("alpha==2")
    shop.ok("lock")
    index.fault("*/alpha-2*.whl", status=503, times=1)
    index.fault("*/alpha-2*.whl", cut=50, times=1)
    shop.ok("sync")


@pytest.mark.parametrize("status", few([401, 404, 500], 1))
def test_an_index_that_fails(shop: Project, index: Index, status: int) -> None:
    index.fault("*/simple/beta/*", status=status)
    shop.env["UV_HTTP_RETRIES"] = "1"  # what fails here fails again
    before = snapshot(shop.folder)
    refused(shop, 1 if status == 404 else 3, "add", "beta", said=("beta",))
    assert snapshot(shop.folder) == before


def test_offline_with_something_missing(shop: Project) -> None:
    shop.depends("alpha==2")
    shop.ok("lock")
    refused(shop, 3, "sync", "--offline", said=("alpha", "offline"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "not a requirement"),
        ("add", "alpha ==="),
        ("add", "--group", "dev", "--optional", "x", "alpha"),
        ("remove", "never-there"),
        ("lock", "--upgrade-package", "never-there"),
        ("sync", "-e", "never"),
        ("rollback", "--to", "99"),
        ("rollback",),
        ("diff", "1", "99"),
        ("sync", "--link-mode", "never"),
        ("why", "never-there"),
        ("add", "alpha==99"),
    ],
    ids=" ".join,
)
def test_wrong_calls_change_nothing(shop: Project, arguments: tuple[str, ...]) -> None:
    before = snapshot(shop.folder)
    result = shop.run(*arguments)
    assert result.code in (1, 2), str(result)
    assert "Traceback" not in result.stderr
    assert "failed where it should not" not in result.stderr, str(result)
    assert snapshot(shop.folder) == before


def test_a_lock_that_is_a_folder(shop: Project) -> None:
    (shop.folder / "pylock.toml").unlink()
    (shop.folder / "pylock.toml").mkdir()
    refused(shop, 2, "sync", said=("pylock.toml",))
    refused(shop, 2, "lock", said=("pylock.toml",))


def test_a_manifest_that_was_a_symlink_stays_one(shop: Project, tmp_path: Path) -> None:
    real = tmp_path / "real.toml"
    (shop.folder / "pyproject.toml").rename(real)
    (shop.folder / "pyproject.toml").symlink_to(real)
    shop.ok("add", "alpha==2")
    assert (shop.folder / "pyproject.toml").is_symlink()
    assert "alpha==2" in real.read_text()


def test_nothing_was_written_outside() -> None:
    assert not Path("/tmp/attack-evil.py").exists()
    assert hashlib.sha256(Path("/dev/null").read_bytes()).hexdigest().startswith("e3b0c442")
