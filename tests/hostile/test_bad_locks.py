"""Locks that somebody has rewritten, and indexes that change their mind: nothing of it is installed."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.pylock import Pylock

from provenv.core.errors import ProvenvError
from provenv.core.events import Event, Warned
from provenv.core.http import HttpSettings
from provenv.core.values import replace
from provenv.model.layout import HomeLayout
from provenv.model.lock import packages_digest, parse_lock, render_lock, tool_table
from provenv.workspace.projects.context import Context, open_project
from provenv.workspace.syncing.inspection import StatusResult, status
from provenv.workspace.syncing.locking import LockResult, lock
from provenv.workspace.syncing.sync import sync
from support import Index, Project, make_wheel, sha256_of


@dataclass
class Shop:
    """A project, and the use cases on it in this process: they are many, and starting takes longest."""

    project: Project
    index: Index
    wheels: Path
    told: list[Event]

    def context(self, *, offline: bool = False) -> Context:
        return Context(
            home=HomeLayout(str(self.project.home / "provenv")),
            environ=self.project.env,
            user_home=str(self.project.home),
            http=HttpSettings(offline=offline, attempts=1, timeout=5),
            emit=self.told.append,
            index_url=self.index.url,
        )

    def check(self, *, offline: bool = False) -> LockResult:
        """``provenv lock --check``."""
        return lock(self._opened, self.context(offline=offline), check=True)

    def lock(self) -> LockResult:
        """``provenv lock``."""
        return lock(self._opened, self.context())

    def sync(self, source: str | None = None) -> None:
        """``provenv sync``, or ``provenv sync --from SOURCE``."""
        path = str(self.project.folder / source) if source is not None else None
        sync(self._opened, self.context(), source=path)

    def status(self) -> StatusResult:
        """``provenv status``."""
        return status(self._opened, self.context())

    def locked(self) -> None:
        """``provenv sync --locked``."""
        sync(self._opened, self.context(), locked_only=True)

    @property
    def _opened(self) -> Any:
        return open_project(str(self.project.folder))

    @property
    def text(self) -> str:
        return self.project.read("pylock.toml")

    def write(self, text: str, *, end: str = "\n") -> None:
        (self.project.folder / "pylock.toml").write_bytes(text.replace("\n", end).encode())

    def rewrite(self, old: str, new: str, *, sign: bool = True) -> None:
        """Change the lock's text; ``sign``: and make its digest anew, as whoever knows of it would."""
        assert re.search(old, self.text), self.text
        text = re.sub(old, new, self.text)
        self.write(signed(parse_lock(text)) if sign else text)

    def forget(self) -> None:
        """Pages of the index are asked for again."""
        shutil.rmtree(self.project.home / "provenv/cache/uv", ignore_errors=True)

    def refused(self, act: Callable[[], object], *said: str, code: int = 1) -> ProvenvError:
        """It fails, says all of ``said``, changes no file and installs nothing."""
        before = {path: path.read_bytes() for path in self.project.folder.glob("py*.toml")}
        with pytest.raises(ProvenvError) as caught:
            act()
        error = caught.value
        for words in said:
            assert words in f"{error.message}\n{error.hint}", error.data()
        assert error.exit_code == code
        assert {path: path.read_bytes() for path in self.project.folder.glob("py*.toml")} == before
        assert not (self.project.folder / ".venv/current").exists()
        return error

    def warnings(self) -> str:
        return "\n".join(f"{e.message} {e.hint}" for e in self.told if isinstance(e, Warned))


def signed(made: Pylock) -> str:
    table = {**tool_table(made), "packages-digest": packages_digest(made.packages)}
    return render_lock(replace(made, tool={"provenv": table}))


def written(index: Index, wheel: Path, digest: str) -> str:
    """The lock that provenv makes for one wheel; a test compares."""
    row = {"url": index.file_url(wheel.name), "size": wheel.stat().st_size}
    data: Mapping[str, Any] = {
        "lock-version": "1.0",
        "requires-python": ">=3.11",
        "extras": [],
        "dependency-groups": [],
        "default-groups": [],
        "created-by": "provenv",
        "packages": [
            {
                "name": "alpha",
                "version": "2",
                "index": index.url,
                "wheels": [{**row, "hashes": {"sha256": sha256_of(wheel)}}],
            }
        ],
        "tool": {"provenv": {"manifest-digest": digest}},
    }
    return signed(Pylock.from_dict(data))


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Shop:
    """A locked project with one dependency, and nothing installed."""
    for version in ("1", "2"):
        index.add(make_wheel(tmp_path / "wheels", "alpha", version))
    project.depends("alpha")
    made = Shop(project, index, tmp_path / "wheels", [])
    wheel = made.wheels / "alpha-2-py3-none-any.whl"
    made.write(written(index, wheel, made._opened.manifest.lock_digest()))
    return made


# -- edited by hand: the digest ----------------------------------------------------------------

EDITS = {
    "hash": (r'sha256 = "\w{64}"', f'sha256 = "{"0" * 64}"'),
    "address": (r"/files/", "/other/"),
    "version": (r'version = "2"((?:.*\n)+?.*)alpha-2-', r'version = "1"\1alpha-1-'),
    "size": (r"size = (\d+)", r"size = 1\1"),
    "marker": (r'(version = "2"\n)', r"""\1marker = "python_version < '3'"\n"""),
    "no digest": (r'packages-digest = "\w+"\n', ""),
    "no table": (r"\[tool.provenv\](.*\n)*", ""),
    "another maker": (
        r'created-by = "provenv"((?:.*\n)+)packages-digest.*\n',
        r'created-by = "x"\1',
    ),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_by_hand_is_never_installed(shop: Shop, what: str) -> None:
    shop.rewrite(*EDITS[what], sign=False)
    for act in (shop.sync, shop.locked):
        shop.refused(
            act, "pylock.toml", "edited by hand", "`provenv lock --check` says what differs"
        )
    assert shop.index.requests == [], "a file was fetched, or the lock was made anew"
    told = shop.status()
    assert (told.agrees, "edited by hand" in (told.refused or "")) == (False, True)


def test_after_an_edit_a_check_says_what_differs_and_a_lock_believes_versions_alone(
    shop: Shop,
) -> None:
    shop.rewrite(*EDITS["hash"], sign=False)
    shop.refused(
        shop.check, "edited by hand:", f"sha256 of alpha-2-py3-none-any.whl: {'0' * 64} is locked"
    )
    shop.rewrite(*EDITS["version"], sign=False)
    shop.lock()
    assert "its files are asked of the indexes anew" in shop.warnings()
    assert 'version = "1"' in shop.text
    assert sha256_of(shop.wheels / "alpha-1-py3-none-any.whl") in shop.text
    assert shop.check().compared is True


def test_a_version_edited_alone_contradicts_the_names_of_its_files(shop: Shop) -> None:
    shop.rewrite('version = "2"', 'version = "1"', sign=False)
    shop.refused(shop.sync, "pylock.toml: packages[0]", "alpha-2-py3-none-any.whl", code=2)


def test_another_form_of_the_same_lock_is_no_edit(shop: Shop) -> None:
    shop.write(shop.text.replace("    { ", "      {").replace('"2"', "'2'"), end="\r\n")
    shop.locked()
    assert shop.project.python("import alpha; print(alpha.__version__)") == "2"


def test_merge_conflicts_are_named(shop: Shop) -> None:
    marked = "<<<<<<< HEAD\n{0}=======\n{0}>>>>>>> theirs\n"
    for name in ("pylock.toml", "pyproject.toml"):
        text = shop.project.read(name)
        lines = text.splitlines(keepends=True)
        conflicted = "".join([*lines[:4], marked.format(lines[4]), *lines[5:]])
        for end in ("\n", "\r\n"):
            (shop.project.folder / name).write_bytes(conflicted.replace("\n", end).encode())
            said = (f"{name}:5: contains merge-conflict markers (<<<<<<< HEAD)", "take either side")
            for act in (shop.sync, shop.lock, shop.check):
                shop.refused(act, *said, code=2)
        shop.project.write(name, text)


def test_a_line_of_equals_signs_is_no_merge_conflict(shop: Shop) -> None:
    shop.project.pyproject(
        '[project]\nname = "shop"\ndescription = """\ntitle\n=======\n"""\nversion = \n'
    )
    assert "merge" not in str(shop.refused(shop.lock, "pyproject.toml:7", code=2))


# -- rewritten with care: the digest is made anew, too -------------------------------------------


def evil(folder: Path, server: Index) -> tuple[str, str]:
    """Another alpha 2, served as ``evil``: its address and its hash."""
    wheel = make_wheel(folder / "evil", "alpha", "2", files={"alpha/__init__.py": "evil = 1\n"})
    return server.add(wheel, to="evil"), sha256_of(wheel)


def test_a_lock_whose_address_leaves_the_indexes_is_refused(shop: Shop, tmp_path: Path) -> None:
    with Index() as other:
        url, sha256 = evil(tmp_path, other)
        shop.rewrite(r'url = "[^"]*", size = \d+', f'url = "{url}"')
        shop.rewrite(r'sha256 = "\w+"', f'sha256 = "{sha256}"')
        line = f'origins = ["{other.origin}/"]'
        for act in (shop.sync, shop.locked, shop.check):
            error = shop.refused(act, "pylock.toml: alpha 2 comes from where", url, line)
            assert error.details["key"] == "tool.provenv.origins"
            assert error.details["origins"] == [f"{other.origin}/"]
        assert other.requests == []
        assert url in (shop.status().refused or "")
        # the lock itself cannot say otherwise
        shop.rewrite(r"index = \"[^\"]*\"", f'index = "{other.url_of("evil")}"')
        shop.rewrite(r"\[tool.provenv\]", f"[tool.provenv]\n{line}", sign=False)
        shop.refused(shop.sync, url)
        # the manifest can; and that does not make the lock stale
        shop.project.depends("alpha", more=f"[tool.provenv]\n{line}\n")
        shop.locked()
        assert shop.project.python("import alpha; print(alpha.evil)") == "1"


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/alpha-2-py3-none-any.whl",
        "http://{host}@evil.example/alpha-2-py3-none-any.whl",
        "http://evil.example\\\\\\\\@{host}/alpha-2-py3-none-any.whl",
        "http://127.0.0.1:1/{host}/alpha-2-py3-none-any.whl",
        "ftp://{host}/alpha-2-py3-none-any.whl",
        "http:/{host}/alpha-2-py3-none-any.whl",
    ],
)
def test_addresses_that_look_allowed(shop: Shop, address: str) -> None:
    host = shop.index.origin.partition("://")[2]
    shop.rewrite(r'url = "[^"]*"', f'url = "{address.format(host=host)}"')
    shop.refused(shop.sync, "alpha 2 comes from where pyproject.toml does not lead")


def test_files_of_this_machine_count_where_the_manifest_names_their_folder(shop: Shop) -> None:
    wheel = shop.wheels / "alpha-2-py3-none-any.whl"
    for place in (f'url = "{wheel.as_uri()}"', 'path = "../wheels/alpha-2-py3-none-any.whl"'):
        shop.rewrite(r'(url|path) = "[^"]*"', place)
        shop.refused(shop.sync, "alpha 2 comes", f'origins = ["file://{wheel.parent}/"]')
    shop.project.depends("alpha", more=f'[tool.provenv]\norigins = ["{shop.wheels.as_uri()}"]\n')
    shop.locked()


UV_LOCK = """\
version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "alpha"
version = "2"
source = {{ registry = "{index}" }}
wheels = [{{ url = "{url}", hash = "sha256:{sha256}" }}]

[[package]]
name = "shop"
version = "0.1.0"
source = {{ virtual = "." }}
dependencies = [{{ name = "alpha" }}]
"""
POETRY_LOCK = """\
[[package]]
name = "alpha"
version = "2"
optional = false
python-versions = "*"
groups = ["main"]
files = [{{file = "alpha-2-py3-none-any.whl", hash = "sha256:{sha256}"}}]

[package.source]
type = "legacy"
url = "{index}"
reference = "company"

[metadata]
lock-version = "2.1"
python-versions = ">=3.11"
content-hash = "{sha256}"
"""


@pytest.mark.parametrize(("name", "form"), [("uv.lock", UV_LOCK), ("poetry.lock", POETRY_LOCK)])
def test_locks_of_other_tools_lead_no_farther(
    shop: Shop, tmp_path: Path, name: str, form: str
) -> None:
    with Index() as other:
        url, sha256 = evil(tmp_path, other)
        index = other.url_of("evil", login="me:s3cret")
        shop.project.write(name, form.format(index=index, url=url, sha256=sha256))
        error = shop.refused(
            lambda: shop.sync(name),
            f"{name}: alpha",
            "does not lead",
            f'origins = ["{other.origin}/"]',
        )
        assert "s3cret" not in str(error.data())
        assert other.requests == []


def test_a_lock_that_was_exported_is_proven_as_well(shop: Shop) -> None:
    made = parse_lock(shop.text)
    digest = packages_digest(made.packages)
    text = render_lock(replace(made, tool={"provenv": {"packages-digest": digest}}))
    shop.project.write("pylock.prod.toml", text.replace("size = 8", "size = 9"))
    shop.refused(lambda: shop.sync("pylock.prod.toml"), "edited by hand", "have it exported again")
    shop.project.write("pylock.prod.toml", text)
    shop.sync("pylock.prod.toml")


@pytest.mark.parametrize("offline", [False, True])
def test_a_hash_rewritten_with_its_digest_does_not_pass_a_check(
    shop: Shop, tmp_path: Path, offline: bool
) -> None:
    """The measure of the issue: with uv a rewritten address and hash pass ``lock --check``."""
    assert shop.check().compared is True
    url, sha256 = evil(tmp_path, shop.index)  # on the very server that the manifest allows
    shop.rewrite(r'url = "[^"]*", size = \d+', f'url = "{url}"')
    shop.rewrite(r'sha256 = "\w+"', f'sha256 = "{sha256}"')
    error = shop.refused(
        lambda: shop.check(offline=offline),
        f"alpha 2: sha256 of alpha-2-py3-none-any.whl: {sha256} is locked",
        f"alpha 2: address of alpha-2-py3-none-any.whl: {url} is locked",
    )
    rows: Any = error.details["differences"]
    assert [row["what"].split()[0] for row in rows] == ["sha256", "address"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (*EDITS["version"], "alpha 1: sha256 of alpha-1-py3-none-any.whl"),
        (*EDITS["size"], "size of alpha-2"),
        (*EDITS["marker"], "alpha 2: marker"),
        (r'requires-python = ">=3.11"', 'requires-python = ">=3.8"', "requires-python"),
        (
            r"\n\[tool",
            '\n[[packages]]\nname = "more"\nversion = "1"\ndirectory = {path = "."}\n\n[tool',
            "more: version: 1 is locked, nothing is given",
        ),
        (r"\[\[packages\]\]\n(.*\n)+\n\[tool", "packages = []\n\n[tool", "alpha: version: nothing"),
    ],
)
def test_what_else_a_check_finds(shop: Shop, old: str, new: str, said: str) -> None:
    shop.rewrite(old, new)
    shop.refused(shop.check, said)


def test_offline_without_a_cache_the_check_says_what_it_did_not_do(shop: Shop) -> None:
    assert shop.check(offline=True).compared is False
    assert "not held against their indexes: offline" in shop.warnings()


def test_an_index_that_refuses_is_no_yes(shop: Shop) -> None:
    shop.index.fault("*", status=500)
    shop.refused(shop.check, "500", code=3)
    shop.rewrite(*EDITS["hash"], sign=False)
    shop.refused(shop.check, "edited by hand")


@pytest.mark.slow
def test_a_commit_is_not_taken_from_the_lock(shop: Shop, tmp_path: Path) -> None:
    repository = tmp_path / "library"
    (repository / "library").mkdir(parents=True)
    (repository / "library/__init__.py").write_text("")
    (repository / "pyproject.toml").write_text('[project]\nname = "library"\nversion = "1"\n')

    def git(*words: str) -> str:
        fixed = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@x"]
        done = subprocess.run([*fixed, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    good = git("rev-parse", "HEAD")
    git("commit", "-q", "--allow-empty", "-m", "two")
    bad = git("rev-parse", "HEAD")
    shop.project.depends(f"library @ git+file://{repository}@{good}")
    shop.lock()
    assert shop.check().compared is True
    shop.rewrite(f'commit-id = "{good}"', f'commit-id = "{bad}"')
    shop.refused(shop.check, good, bad)
    shop.rewrite("packages-digest", "no-digest", sign=False)
    shop.lock()
    assert bad not in shop.text


# -- indexes that serve from elsewhere, or change ------------------------------------------------


def test_an_index_that_serves_from_elsewhere_is_told_when_it_is_locked(
    shop: Shop, tmp_path: Path
) -> None:
    with Index() as cdn:
        url, sha256 = evil(tmp_path, cdn)
        page = f'<a href="{url}#sha256={sha256}">alpha-2-py3-none-any.whl</a>'
        shop.index.fault("*/simple/alpha/", page=page)
        shop.project.depends("alpha", more='[tool.provenv]\norigins = ["files.example"]\n')
        (shop.project.folder / "pylock.toml").unlink()
        line = f'origins = ["https://files.example/", "{cdn.origin}/"]'
        shop.refused(shop.lock, "the index gives a file of alpha 2 that lies elsewhere", url, line)
        assert not (shop.project.folder / "pylock.toml").exists()
        shop.project.depends("alpha", more=f"[tool.provenv]\n{line}\n")
        shop.lock()
        assert shop.check().compared is True


def test_an_index_that_redirects_to_another_server_does_not_take_it_along(
    shop: Shop, tmp_path: Path
) -> None:
    """Pages with addresses relative to themselves: these then lie where the redirect led."""
    with Index() as other:
        _, sha256 = evil(tmp_path, other)
        page = f'<a href="../../files/alpha-2-py3-none-any.whl#sha256={sha256}">alpha</a>'
        other.fault("*/simple/alpha/", page=page)
        shop.index.fault("*/simple/alpha/", redirect=f"{other.url_of('evil')}alpha/")
        (shop.project.folder / "pylock.toml").unlink()
        where = f"{other.origin}/evil/files/alpha-2-py3-none-any.whl"
        shop.refused(shop.lock, "lies elsewhere", where)


CHANGES: dict[str, tuple[Callable[[Index, Path], object], str, tuple[str, ...]]] = {
    "another hash": (
        lambda index, folder: index.add(
            make_wheel(folder, "alpha", "2", files={"alpha/__init__.py": "x = 2\n"})
        ),
        "sha256 of alpha-2-py3-none-any.whl",
        ("alpha-2-py3-none-any.whl", "mismatch"),
    ),
    "vanished": (
        lambda index, folder: index.remove("alpha-2-py3-none-any.whl"),
        "alpha: version: 2 is locked, 1 is given",
        ("404", "no longer there", "`provenv lock --upgrade-package alpha`"),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_index_that_changes_between_two_requests(
    shop: Shop, tmp_path: Path, change: str
) -> None:
    act, checked, synced = CHANGES[change]
    act(shop.index, tmp_path / "changed")
    shop.refused(shop.check, checked)
    shop.refused(shop.sync, *synced, code=3)


def test_a_version_that_was_yanked_since_is_told_and_stays(shop: Shop) -> None:
    shop.index.add(shop.wheels / "alpha-2-py3-none-any.whl", yanked="it eats data")
    assert shop.check().compared is True
    assert "alpha 2 was yanked by whoever publishes it: it eats data" in shop.warnings()
    shop.locked()


# -- secrets -------------------------------------------------------------------------------------

SECRET = "s3cret-w0rd"  # of a test


def found_in(folder: Path) -> list[str]:
    """Every file below ``folder`` that holds the secret, also as it stands in a header."""
    forms = (SECRET.encode(), base64.b64encode(f"me:{SECRET}".encode()).rstrip(b"="))
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and any(form in path.read_bytes() for form in forms)
    ]


@pytest.mark.slow
def test_a_password_in_a_requirement_goes_no_farther_than_the_lock(
    project: Project, index: Index, tmp_path: Path
) -> None:
    """People write it there all the same; the manifest and its lock are theirs."""
    index.protect("private", "me", SECRET)
    url = index.add(make_wheel(tmp_path / "wheels", "alpha", "1"), to="private")
    asked = f"alpha @ {url.replace('://', f'://me:{SECRET}@')}"
    project.depends()
    said = [
        project.ok("add", asked),
        project.ok("sync", "--verbose"),
        project.ok("lock", "--check"),
    ]
    for command in (["tree"], ["why", "alpha"], ["status"], ["history"], ["export"]):
        said += [project.ok(*command), project.ok(*command, "--json")]
    for form in ("requirements", "pylock"):
        said.append(project.ok("export", "--format", form, "-o", f"out.{form}"))
        assert url in project.read(f"out.{form}")
    for result in said:
        assert SECRET not in result.stdout + result.stderr, str(result)
    theirs = {"pyproject.toml", "pylock.toml"}
    assert {Path(path).name for path in found_in(project.folder)} == theirs
    assert {Path(path).name for path in found_in(project.home)} == theirs


@pytest.mark.slow
@pytest.mark.parametrize("way", ["address", "variables"])
def test_a_password_is_in_no_file_and_no_message(
    project: Project, index: Index, tmp_path: Path, way: str
) -> None:
    """Of an index that works, that refuses, that redirects, and that breaks; with every loud option."""
    index.protect("private", "me", SECRET)
    index.add(make_wheel(tmp_path / "wheels", "alpha", "1"), to="private")
    project.env["UV_HTTP_RETRIES"] = "1"  # what fails here fails again
    if way == "address":
        project.env["PROVENV_INDEX_URL"] = index.url_of("private", login=f"me:{SECRET}")
        project.depends("alpha")
    else:
        name = index.url_of("private")
        more = f'[[tool.provenv.index]]\nname = "company"\nurl = "{name}"\npackages = ["alpha"]\n'
        project.depends("alpha", more=more)
        project.env["PROVENV_INDEX_COMPANY_USERNAME"] = "me"
        project.env["PROVENV_INDEX_COMPANY_PASSWORD"] = SECRET
    said = [project.ok("lock", "--verbose"), project.ok("lock", "--check", "--json")]
    with Index() as other:
        index.fault("*.whl", redirect=other.origin + "{path}", times=1)
        said.append(project.run("sync", "--verbose"))
        assert other.requests
        assert not any("authorization" in request.headers for request in other.requests)
    for fault in ({"status": 401}, {"status": 503}, {"cut": -1}, {"redirect": "file:///x{path}"}):
        index.heal()
        index.fault("*", **fault)
        shutil.rmtree(project.home / "provenv/cache", ignore_errors=True)
        said.append(project.run("lock", "--upgrade", "--verbose", env={"RUST_LOG": "trace"}))
        said.append(project.run("sync", "--json", env={"PROVENV_DEBUG": "1"}))
        assert [result.code for result in said[-2:]] != [0, 0]
        if fault == {"status": 401}:
            said.append(project.run("add", "beta"))
    index.heal()
    said += [project.ok("lock"), project.ok("sync", "--json"), project.ok("status", "--json")]
    said += [project.run("history", "--json"), project.run("doctor", "--json")]
    said += [project.run("log"), project.run("export", "--format", "requirements.txt")]
    for result in said:
        assert SECRET not in result.stdout + result.stderr, str(result)
    assert found_in(project.folder) == []
    assert found_in(project.home) == []
    assert any("authorization" in request.headers for request in index.requests)
