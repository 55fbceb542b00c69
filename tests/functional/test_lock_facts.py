"""What a lock must always be: stable, complete, readable by others, and from where it was allowed."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from provenv.tools.uv import find_uv
from support import Index, Project, make_wheel
from support.many import few, snapshot


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    """A project with groups, extras and markers, whose index already knows newer versions."""
    for version in ("1.0", "1.1", "2.0"):
        index.add(make_wheel(tmp_path / "w", "alpha", version, requires=["inner"]))
        index.add(make_wheel(tmp_path / "w", "beta", version, requires=["alpha"]))
        index.add(make_wheel(tmp_path / "w", "inner", version))
    for name in ("windows", "tester", "extra", "small"):
        index.add(make_wheel(tmp_path / "w", name, "1.0"))
    project.depends(
        "alpha<2",
        "windows; sys_platform == 'win32'",
        groups={"dev": ["tester"], "docs": ["beta"]},
        extras={"fast": ["extra"]},
    )
    project.ok("lock")
    return project


def versions(project: Project) -> dict[str, str]:
    lock = tomllib.loads(project.read("pylock.toml"))
    return {package["name"]: package["version"] for package in lock["packages"]}


def test_an_unchanged_manifest_gives_the_same_bytes(
    shop: Project, index: Index, tmp_path: Path
) -> None:
    before = (shop.folder / "pylock.toml").read_bytes()
    index.add(make_wheel(tmp_path / "w", "alpha", "1.9", requires=["inner"]))
    shop.ok("lock")
    assert (shop.folder / "pylock.toml").read_bytes() == before
    text = shop.read("pyproject.toml")
    shop.pyproject("# a comment\n" + text)
    shop.ok("lock")
    shop.pyproject(text)
    shop.ok("lock")
    assert (shop.folder / "pylock.toml").read_bytes() == before
    (shop.folder / "pylock.toml").unlink()
    fresh = {**shop.env, "XDG_CACHE_HOME": str(tmp_path / "other-cache")}
    index.remove("alpha-1.9-py3-none-any.whl")
    shop.ok("lock", env={**fresh, "PROVENV_HOME": str(tmp_path / "other")})
    assert (shop.folder / "pylock.toml").read_bytes() == before


def test_adding_one_dependency_moves_nothing_else(
    shop: Project, index: Index, tmp_path: Path
) -> None:
    before = versions(shop)
    other = {**shop.env, "PROVENV_HOME": str(tmp_path / "other")}  # whose cache knows no old pages
    index.add(make_wheel(tmp_path / "w", "alpha", "1.9", requires=["inner"]))
    index.add(make_wheel(tmp_path / "w", "inner", "3.0"))
    shop.ok("add", "small", env=other)
    assert versions(shop) == {**before, "small": "1.0"}
    shop.ok("lock", "--upgrade-package", "inner", env=other)
    assert versions(shop) == {**before, "small": "1.0", "inner": "3.0"}
    shop.ok("lock", "--upgrade", env=other)
    assert versions(shop)["alpha"] == "1.9"


def test_what_only_an_environment_in_conflict_has_can_be_upgraded(
    shop: Project, index: Index, tmp_path: Path
) -> None:
    shop.depends(
        groups={"old": ["small<2", "inner<2"], "new": ["inner>=2"]},
        more='[tool.provenv]\nconflicts = [["old", "new"]]\n'
        '[tool.provenv.environments]\nformer = { groups = ["old"] }\n',
    )
    shop.ok("lock")
    index.add(make_wheel(tmp_path / "w", "small", "1.1"))
    other = {**shop.env, "PROVENV_HOME": str(tmp_path / "other")}
    shop.ok("lock", "--upgrade-package", "small", env=other)
    lock = tomllib.loads(shop.read("pylock.former.toml"))
    assert {p["name"]: p["version"] for p in lock["packages"]} == {"inner": "1.1", "small": "1.1"}
    result = shop.fails(2, "lock", "--upgrade-package", "smoll")
    assert "not in the lock: smoll" in result.stderr


def test_every_file_has_a_hash_and_a_size(shop: Project) -> None:
    lock = tomllib.loads(shop.read("pylock.toml"))
    assert lock["lock-version"] == "1.0"
    assert set(lock["dependency-groups"]) >= {"dev", "docs"}
    assert lock["extras"] == ["fast"]
    assert len(lock["packages"]) == 6
    for package in lock["packages"]:
        assert package["wheels"]
        for wheel in package["wheels"]:
            assert len(wheel["hashes"]["sha256"]) == 64
            assert wheel["size"] > 0
    by_name = {package["name"]: package for package in lock["packages"]}
    assert by_name["alpha"]["dependencies"] == [{"name": "inner"}]
    assert "win32" in by_name["windows"]["marker"]
    assert by_name["extra"]["marker"] == '"fast" in extras'


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("tool", ["pip", "uv"])
@pytest.mark.parametrize(
    ("groups", "expected"),
    [(["dev"], {"alpha", "inner", "tester"}), (["docs"], {"alpha", "inner", "beta"})],
)
def test_other_installers_take_our_lock(
    shop: Project, tmp_path: Path, tool: str, groups: list[str], expected: set[str]
) -> None:
    python = tmp_path / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    if tool == "pip":
        subprocess.run([str(python), "-m", "pip", "install", "-qU", "pip"], check=True)
        command = [str(python), "-m", "pip", "install"]  # with `-r`, the default groups come, too
        command += [word for group in groups for word in ("--group", f"pylock.toml:{group}")]
    else:
        command = [find_uv(), "pip", "install", "--preview", "--python", str(python)]
        command += ["-r", "pylock.toml", *(word for group in groups for word in ("--group", group))]
    done = subprocess.run(
        command,
        cwd=shop.folder,
        env=shop.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    code = (
        "import importlib.metadata as m\n"
        "own = ('pip', 'setuptools')  # what venv brings; the second before Python 3.12\n"
        "print(*sorted(d.name for d in m.distributions() if d.name not in own))"
    )
    there = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    assert set(there.stdout.split()) == expected
    shop.ok("sync")
    if groups == ["dev"]:
        ours = shop.python(code)
        assert set(ours.split()) == expected


def pinned(project: Project, index: Index, *, more: str = "", url: str = "") -> None:
    project.depends(
        "alpha", "secret",
        more=f"""
        [[tool.provenv.index]]
        name = "private"
        url = "{url or index.url_of("private")}"
        packages = ["secret"]
        {more}
        """,
    )  # fmt: skip


@pytest.mark.parametrize("status", few([401, 403, 404], 1))
def test_a_pinned_package_never_falls_through(
    shop: Project, index: Index, tmp_path: Path, status: int
) -> None:
    index.add(make_wheel(tmp_path / "w", "secret", "9.9"))  # an impostor on the public index
    index.add(make_wheel(tmp_path / "p", "secret", "1.0"), to="private")
    if status == 401:
        index.protect("private", "me", "password-1")
    else:
        index.fault("/private/*", status=status)
    pinned(shop, index)
    before = snapshot(shop.folder)
    result = shop.run("lock")
    assert result.code in (1, 3), str(result)
    assert "private" in result.stderr
    assert "9.9" not in result.stderr
    assert snapshot(shop.folder) == before
    assert not index.paths("/main/files/secret*")
    index.heal()
    login = {"PROVENV_INDEX_PRIVATE_USERNAME": "me", "PROVENV_INDEX_PRIVATE_PASSWORD": "password-1"}
    shop.ok("lock", env={**login, "PROVENV_HOME": str(tmp_path / "other")})
    assert versions(shop)["secret"] == "1.0"


def test_credentials_are_shown_nowhere(shop: Project, index: Index, tmp_path: Path) -> None:
    index.add(make_wheel(tmp_path / "p", "secret", "1.0"), to="private")
    index.add(make_wheel(tmp_path / "p", "secret", "2.0"), to="private")
    index.protect("private", "me", "password-1")
    pinned(shop, index)
    login = {"PROVENV_INDEX_PRIVATE_USERNAME": "me", "PROVENV_INDEX_PRIVATE_PASSWORD": "password-1"}
    said = ""
    for arguments in (
        ("lock", "-v"), ("sync", "-v"), ("status",), ("tree",), ("outdated",), ("history",),
        ("sync", "--index-url", index.url_of("private", login="me:password-1")),
        ("add", "alpha==77", "--index-url", index.url_of("x", login="me:password-1")),
        ("history", "--json"),
    ):  # fmt: skip
        result = shop.run(*arguments, env=login)
        said += result.stdout + result.stderr
    index.fault("*/secret-2*.whl", status=500)
    shop.env["PROVENV_HOME"] = str(tmp_path / "other")
    result = shop.run("sync", "-e", "dev", env=login)
    said += result.stdout + result.stderr
    assert "password-1" not in said
    for folder in (shop.folder, shop.home, tmp_path / "other"):
        for path in folder.rglob("*"):
            if path.is_file() and path.stat().st_size < 1_000_000:
                assert b"password-1" not in path.read_bytes(), path


def test_an_explicit_index_serves_only_its_packages(
    shop: Project, index: Index, tmp_path: Path
) -> None:
    index.add(make_wheel(tmp_path / "p", "secret", "1.0"), to="private")
    index.add(make_wheel(tmp_path / "p", "alpha", "99"), to="private")
    pinned(shop, index, more="explicit = true")
    shop.ok("lock")
    assert versions(shop)["secret"] == "1.0"
    assert versions(shop)["alpha"] != "99"


MANIFESTS = {
    "inline": 'dependencies = ["alpha<2"] # why\n',
    "lines": (
        'dependencies = [\n    "alpha<2",  # because\n    # a line of its own\n    "small", # last\n]\n'
    ),
    "no comma": 'dependencies = [\n  # first\n  "alpha<2" # one\n  , "small"\n]\n',
    "empty": "dependencies = [ ] # nothing yet\n",
    "tabs": 'dependencies = [\n\t"alpha<2",\n\t"small"\n\t# end\n]\n',
}


def manifest(body: str, *, crlf: bool) -> bytes:
    text = (
        "# top\n[tool.other] # odd order\nb = 1\na = { x = 1, y = [1,2] }\n\n"
        f'[project]\nname = "shop" # name\nversion = "1"\nrequires-python = ">=3.11"\n{body}'
        'description = "after"\n\n[project.urls] # urls\nhome = "https://example.org"\n\n'
        '[tool.another]\n# the end\n[dependency-groups]\ndocs = [ "inner" ]\n# really the end'
    )
    return text.replace("\n", "\r\n" if crlf else "\n").encode()


@pytest.mark.parametrize("crlf", [False, True], ids=["lf", "crlf"])
@pytest.mark.parametrize("shape", few(MANIFESTS, 2))
def test_edits_keep_comments_and_order(shop: Project, shape: str, crlf: bool) -> None:
    path = shop.folder / "pyproject.toml"
    before = manifest(MANIFESTS[shape], crlf=crlf)
    path.write_bytes(before)
    shop.ok("add", "beta==1.0", "--no-sync")
    added = path.read_bytes()
    assert tomllib.loads(added.decode())["project"]["dependencies"][-1] == "beta==1.0"
    lines = before.splitlines(keepends=True)
    kept = added.splitlines(keepends=True)
    for line in lines:
        if (
            b"dependencies" not in line
            and b'"small"' not in line
            and b'"alpha<2" # one' not in line
        ):
            assert line in kept, line
    for comment in [word for word in before.decode().split("\n") if "#" in word]:
        assert comment.partition("#")[2].strip() in added.decode()
    if crlf:
        assert added.count(b"\n") == added.count(b"\r\n")
    shop.ok("remove", "beta", "--no-sync")
    removed = tomllib.loads(path.read_bytes().decode())
    assert removed == tomllib.loads(before.decode())
    shop.ok("add", "inner==1.0", "--group", "new-group", "--no-sync")
    shop.ok("add", "extra", "--optional", "speed", "--no-sync")
    text = path.read_bytes().decode()
    data = tomllib.loads(text)
    assert data["dependency-groups"]["new-group"] == ["inner==1.0"]
    assert data["project"]["optional-dependencies"]["speed"] == ["extra>=1.0"]
    assert data["tool"] == tomllib.loads(before.decode())["tool"]
    assert "# really the end" in text
    if crlf:
        assert text.count("\n") == text.count("\r\n")


def test_a_failed_add_leaves_every_byte(shop: Project, index: Index) -> None:
    shop.ok("sync")
    before = snapshot(shop.folder)
    for arguments in (
        ("alpha==77",),
        ("beta<1",),
        ("never-published",),
        ("inner==1.0", "beta==77"),
    ):
        shop.fails(1, "add", *arguments)
        assert snapshot(shop.folder) == before
    index.fault("*/small-1.0*.whl", status=500)
    shop.fails(3, "add", "small")
    after = snapshot(shop.folder, ignore=(".venv/.stamp",))
    assert after == {name: what for name, what in before.items() if name != ".venv/.stamp"}
    index.heal()
    shop.ok("add", "small")
