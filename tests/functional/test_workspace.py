"""Workspaces: each member has environments and a lock of its own, and libraries are used in place."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from support import Index, Project, make_source, make_wheel
from support.many import few
from support.project import command

EXAMPLE = Path(__file__).parents[2] / "examples/platform"
BACKEND = Path(__file__).parents[1] / "support/tiny_backend.py"


def service(project: Project, name: str, *requires: str, more: str = "") -> None:
    project.write(
        f"services/{name}/pyproject.toml",
        f'[project]\nname = "{name}"\nversion = "1.0"\nrequires-python = ">=3.11"\n'
        f"dependencies = {list(requires)!r}\n{more}",
    )


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    """Two services want different versions of ``core``; both use ``models``, which uses ``base``."""
    for name, version in (("core", "1.0"), ("core", "2.0"), ("extra", "1.0"), ("tool", "1.0")):
        index.add(make_wheel(tmp_path / "w", name, version))
    project.pyproject('[tool.provenv.workspace]\nmembers = ["services/*", "libs/*"]\n')
    service(project, "orders", "shop-models", "core<2")
    service(
        project,
        "billing",
        "shop_models>=1",
        "core>=2",
        more='[dependency-groups]\ntest = ["tool"]\n',
    )
    make_source(project.folder / "libs/models", "shop-models", "1.5", requires=["shop-base"])
    make_source(project.folder / "libs/base", "shop-base", "1.0", requires=["extra"])
    return project


def inside(project: Project, member: str) -> Project:
    """The same user in a member's folder."""
    found = Project(project.folder / member, home=project.home)
    found.env = project.env
    return found


def locked(project: Project, member: str) -> dict[str, str]:
    data = tomllib.loads(project.read(f"{member}/pylock.toml"))
    return {
        p["name"]: p.get("version", p.get("directory", {}).get("path")) for p in data["packages"]
    }


def test_each_member_has_its_own_lock_and_libraries_are_used_in_place(shop: Project) -> None:
    for name in ("orders", "billing"):
        inside(shop, f"services/{name}").ok("sync")
    assert locked(shop, "services/orders") == {
        "core": "1.0", "extra": "1.0", "shop-base": "../../libs/base", "shop-models": "../../libs/models",
    }  # fmt: skip
    assert locked(shop, "services/billing")["core"] == "2.0"
    assert not (shop.folder / "pylock.toml").exists()
    assert not (shop.folder / "libs/base/pylock.toml").exists()
    shop.write("libs/base/src/shop_base/__init__.py", "WORD = 'new'\n")
    for name in ("orders", "billing"):
        seen = shop.python(
            "import shop_base; print(shop_base.WORD)", environment=f"services/{name}/.venv"
        )
        assert seen == "new", "an edit in a library is seen at once"


def test_production_gets_wheels_of_the_libraries(shop: Project) -> None:
    orders = inside(shop, "services/orders")
    orders.ok("sync", "-e", "prod")
    file = orders.python("import shop_base; print(shop_base.__file__)", environment=".venvs/prod")
    assert "/.venvs/prod/" in file
    shop.write("libs/base/src/shop_base/__init__.py", "WORD = 'new'\n")
    told = orders.ok("sync", "-e", "prod")
    assert "generation 2" in told.stderr
    said = orders.python("import shop_base; print(shop_base.WORD)", environment=".venvs/prod")
    assert said == "new"


def test_editing_a_package_leaves_the_libraries_as_they_are(shop: Project) -> None:
    orders = inside(shop, "services/orders")
    orders.ok("sync")
    orders.ok("env", "edit", "core")
    orders.ok("status")
    shop.folder.rename(shop.folder.with_name("moved"))
    moved = Project(shop.folder.with_name("moved") / "services/orders", home=shop.home)
    file = moved.python("import shop_base; print(shop_base.__file__)")
    assert file == str(shop.folder.with_name("moved") / "libs/base/src/shop_base/__init__.py")


def test_what_a_library_needs_is_noticed_by_those_who_use_it(shop: Project) -> None:
    orders = inside(shop, "services/orders")
    orders.ok("sync")
    assert orders.ok("lock").stderr.startswith("pylock.toml: nothing to do")
    orders.ok("lock")
    make_source(shop.folder / "libs/base", "shop-base", "1.0", requires=["extra", "tool"])
    result = orders.fails(1, "status", "--json")
    assert "member of the workspace" in result.json["stale"]
    orders.fails(1, "lock", "--check")
    orders.fails(1, "sync", "--locked")
    orders.ok("run", "python", "-c", "import tool")
    orders.ok("status")


@pytest.mark.slow
def test_what_nobody_reaches_disturbs_nobody(shop: Project) -> None:
    orders = inside(shop, "services/orders")
    orders.ok("sync")
    service(shop, "billing", "shop-models", "core>=2", "tool")
    orders.ok("status")
    shop.write("services/billing/pyproject.toml", "[project\n")
    orders.ok("status")
    orders.ok("lock", "--check")
    assert "nothing to do" in orders.ok("sync").stderr


def test_a_new_member_takes_the_place_of_a_package(shop: Project) -> None:
    orders = inside(shop, "services/orders")
    orders.ok("sync")
    make_source(
        shop.folder / "libs/extra", "extra", "7.0", files={"extra/__init__.py": "HERE = 1\n"}
    )
    orders.ok("run", "python", "-c", "import extra; extra.HERE")
    assert locked(shop, "services/orders")["extra"] == "../../libs/extra"
    shop.pyproject(
        '[tool.provenv.workspace]\nmembers = ["services/**", "libs/*"]\nexclude = ["./libs/ex*"]\n'
    )
    assert "extra" in orders.ok("sync").stderr
    assert locked(shop, "services/orders")["extra"] == "1.0"


def test_sources_that_name_members_work_too(shop: Project) -> None:
    workspace = "[tool.uv.sources]\nshop-models = { workspace = true }\n"
    service(shop, "orders", "shop-models", more=workspace)
    service(
        shop, "billing", "shop-models",
        more='[tool.uv.sources]\nshop-models = { path = "../../libs/models" }\n',
    )  # fmt: skip
    make_source(
        shop.folder / "libs/models", "shop-models", "1.5", requires=["shop-base; python_version > '3'"],
        more="[tool.uv.sources]\nshop-base = { workspace = true }\n",
    )  # fmt: skip
    for name in ("orders", "billing"):
        member = inside(shop, f"services/{name}")
        member.ok("sync")
        file = member.python("import shop_models, shop_base; print(shop_models.__file__)")
        assert file == str(shop.folder / "libs/models/src/shop_models/__init__.py")


def test_another_source_wins_over_a_member(shop: Project, index: Index, tmp_path: Path) -> None:
    index.add(make_wheel(tmp_path / "w", "shop-base", "0.9"))
    service(
        shop, "orders", "shop-base",
        more='[tool.uv.sources]\nshop-base = { index = "main" }\n'
        f'[[tool.uv.index]]\nname = "main"\nurl = "{index.url}"\n',
    )  # fmt: skip
    inside(shop, "services/orders").ok("lock")
    assert locked(shop, "services/orders") == {"shop-base": "0.9"}


@pytest.mark.parametrize("who", ["services/orders", "libs/models"])
def test_a_version_that_a_member_does_not_have_is_named(shop: Project, who: str) -> None:
    if who == "libs/models":
        make_source(shop.folder / who, "shop-models", "1.5", requires=["shop-base>=3"])
        wanted, has = "shop-base>=3", "libs/base/pyproject.toml, is version 1.0"
    else:
        service(shop, "orders", "shop-models>=2")
        wanted, has = "shop-models>=2", "libs/models/pyproject.toml, is version 1.5"
    result = inside(shop, "services/orders").fails(1, "lock")
    assert f"{who}/pyproject.toml: project.dependencies: asks for {wanted}" in result.stderr
    assert has in result.stderr
    assert not (shop.folder / "services/orders/pylock.toml").exists()


def test_members_are_chosen_by_name_or_path(shop: Project) -> None:
    shop.ok("sync", "--member", "orders")
    shop.ok("run", "-p", "services/orders", "python", "-c", "import core")
    shop.ok("-p", "orders", "status")
    shop.ok("lock", "-p", "billing")
    inside(shop, "libs/base").ok("status", "-p", "orders")
    result = shop.fails(2, "run", "-p", "ordres", "true")
    assert "Did you mean orders?" in result.stderr
    for call in ("status", "run true", "lock", "tree"):
        result = shop.fails(2, *call.split())
        assert "no project by itself" in result.stderr
        for name in ("orders", "billing", "shop-models", "shop-base"):
            assert name in result.stderr
    for call in ("store path --member orders", "-p orders store path"):
        assert "takes no --member" in shop.fails(2, *call.split()).stderr


@pytest.mark.slow
def test_the_root_may_be_a_project_itself(shop: Project) -> None:
    shop.pyproject(
        '[project]\nname = "whole"\nversion = "1"\nrequires-python = ">=3.11"\n'
        'dependencies = ["shop-base"]\n[tool.provenv.workspace]\nmembers = ["services/*", "libs/*"]\n'
    )
    shop.ok("sync")
    assert shop.python("import shop_base; print(shop_base.__file__)").startswith(
        str(shop.folder / "libs")
    )
    shop.ok("sync", "--all")
    told = shop.ok("status", "--all", "--json")
    assert [Path(r["root"]).name for r in told.json["results"]] == [
        "shop", "base", "models", "billing", "orders",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        ('members = ["../x"]', "members: item 0, '../x', is not a folder below"),
        ('members = ["services/*", "/etc"]', "members: item 1, '/etc', is not a folder below"),
        ('members = ["libs/*"]\nexclude = ["a/../../b"]', "exclude: item 0"),
        ('members = ["libs/nothing"]', "names 'libs/nothing', where there is no pyproject.toml"),
        ("members = 3", "must be an array"),
        ('members = ["libs/*"]\nshared = true', "unknown key"),
        ('members = ["libs/*", "copies/*"]', "two members are called 'shop-base'"),
        ('members = ["libs/*", "links/*"]', "links/base is, or lies behind, a link to"),
    ],
)
def test_a_workspace_that_cannot_be_is_refused(shop: Project, table: str, wanted: str) -> None:
    make_source(shop.folder / "copies/base", "Shop_Base", "1.0")
    (shop.folder / "links").mkdir()
    (shop.folder / "links/base").symlink_to(shop.folder / "libs/base")
    shop.pyproject(f"[tool.provenv.workspace]\n{table}\n")
    for project in (shop, inside(shop, "libs/base")):
        result = project.fails(2, "lock", "--all")
        assert wanted in result.stderr
        assert f"{shop.folder}/pyproject.toml" in result.stderr
        assert "tool.provenv.workspace" in result.stderr


def test_a_workspace_inside_another_is_refused(shop: Project) -> None:
    make_source(
        shop.folder / "libs/base", "shop-base", "1.0",
        more="[tool.provenv.workspace]\nmembers = []\n",
    )  # fmt: skip
    for project in (shop, inside(shop, "libs/base"), inside(shop, "services/orders")):
        result = project.fails(2, "lock", "--all")
        assert "libs/base/pyproject.toml" in result.stderr
        assert "a workspace inside another" in result.stderr


def test_a_pattern_that_matches_nothing_is_noted(shop: Project) -> None:
    shop.pyproject('[tool.provenv.workspace]\nmembers = ["libs/*", "apps/*"]\n')
    (shop.folder / "libs/notes").mkdir()  # no project: not a word
    result = shop.ok("lock", "--all")
    assert "'apps/*' matches no folder" in result.stderr
    assert "notes" not in result.stderr
    shop.pyproject("[tool.provenv.workspace]\nmembers = []\n")
    result = shop.fails(2, "lock", "--all")
    assert "the workspace has no members" in result.stderr
    result = inside(shop, "services/orders").fails(2, "lock", "--all")
    assert "is in no workspace" in result.stderr


def test_what_cannot_be_read_above_is_no_workspace(project: Project) -> None:
    member = inside(project, "inner")
    member.depends()
    (project.folder / "pyproject.toml").mkdir()
    member.ok("sync")
    assert "nothing to do" in member.ok("sync").stderr
    member.ok("lock")


def test_a_member_stays_on_the_short_way(shop: Project) -> None:
    orders = inside(shop, "services/orders")
    orders.ok("sync")
    stamp = (orders.folder / ".venv/.stamp").read_text()
    assert "nothing to do" in orders.ok("sync").stderr
    orders.ok("run", "true")
    assert (orders.folder / ".venv/.stamp").read_text() == stamp, "the long way writes a new one"
    os.utime(shop.folder / "pyproject.toml")
    orders.ok("sync")
    assert (orders.folder / ".venv/.stamp").read_text() != stamp


def test_a_moved_workspace_keeps_working(shop: Project, tmp_path: Path) -> None:
    shop.ok("sync", "--all")
    moved = tmp_path / "elsewhere"
    shop.folder.rename(moved)
    orders = inside(
        Project(moved, home=shop.home, index_url=shop.env["PROVENV_INDEX_URL"]), "services/orders"
    )
    orders.env = shop.env
    where = "import shop_base; print(shop_base.__file__)"
    assert orders.python(where).startswith(str(moved)), "at once, before provenv is called"
    orders.ok("run", "python", "-c", "import shop_base, core")
    assert orders.python(where).startswith(str(moved))
    orders.ok("lock", "--check")


def test_a_second_checkout_has_libraries_of_its_own(shop: Project, tmp_path: Path) -> None:
    shop.ok("sync", "--all")
    environments = shutil.ignore_patterns(".venv", ".venvs")
    shutil.copytree(shop.folder, tmp_path / "second", ignore=environments)
    orders = inside(Project(tmp_path / "second", home=shop.home), "services/orders")
    orders.env = {**shop.env, "PATH": "/nowhere"}  # nothing is looked for, resolved or built
    assert "generation 1" in orders.ok("sync").stderr
    orders.env = shop.env
    file = orders.python("import shop_base; print(shop_base.__file__)")
    assert file == str(tmp_path / "second/libs/base/src/shop_base/__init__.py")
    folder = next((orders.folder / ".venv/lib").glob("*/site-packages/shop_base-*.dist-info"))
    url = json.loads((folder / "direct_url.json").read_text())["url"]
    assert url == (tmp_path / "second/libs/base").as_uri()
    orders.ok("status")
    orders.ok("verify")


def test_all_members_at_once(shop: Project) -> None:
    result = shop.ok("lock", "--all")
    lines = result.stderr.splitlines()
    assert "orders: locked 4 packages" in lines
    assert lines[-1].startswith("all of 4 members")
    document = shop.ok("sync", "--all", "--json").json
    assert document["schema"] == "provenv.sync-many/1"
    assert {
        (Path(r["root"]).name, r["environment"], r["exit_code"]) for r in document["results"]
    } == {(name, "dev", 0) for name in ("base", "models", "billing", "orders")}
    assert all(r["result"]["made"] and r["error"] is None for r in document["results"])
    result = shop.ok("status", "--all")
    assert result.stdout.splitlines()[0].split() == ["shop-base", "in", "sync"]
    assert "nothing to do" in shop.ok("sync", "--all").stderr
    assert shop.ok("sync", "--all", "--quiet").stderr == ""
    document = shop.ok("lock", "--all", "--check", "--json").json
    assert {r["environment"] for r in document["results"]} == {None}
    document = shop.ok("sync", "--all", "-e", "test", "-e", "prod", "--json").json
    assert [r["environment"] for r in document["results"]] == ["test", "prod"] * 4
    shop.fails(2, "sync", "--all", "-p", "orders")


def test_all_members_take_the_short_way(shop: Project) -> None:
    """As ``sync`` in each of them does: nothing is resolved, looked for or built, and the same is said."""
    shop.ok("sync", "--all")
    poor = {"PATH": "/nowhere"}
    stamps = {path: path.read_text() for path in shop.folder.glob("*/*/.venv/.stamp")}
    assert len(stamps) == 4
    again = shop.ok("sync", "--all", "--json", env=poor).json["results"]
    assert {path: path.read_text() for path in stamps} == stamps, "the long way writes new ones"
    assert [r["result"]["made"] for r in again] == [False] * 4
    for path in stamps:
        shutil.rmtree(path.parent)
    made = shop.ok("sync", "--all", "--json", env=poor).json["results"]
    assert [(r["root"], r["environment"]) for r in made] == [(r["root"], "dev") for r in again]
    for now, before in zip(made, again, strict=True):
        own, was = now["result"], before["result"]
        assert (own["made"], own["generation"], own["previous"]) == (True, 1, None)
        for key in ("environment", "folder", "packages", "python", "executable", "link_mode"):
            assert own[key] == was[key]
        assert len(own["changes"]) == own["packages"]
    shop.ok("status", "--all")
    done = [r for r in shop.ok("log", "--json").json["operations"] if r["operation"] == "sync"]
    assert {r["outcome"] for r in done} == {"done"}
    assert len(done) == 8


def test_all_members_tell_of_each_environment_which_way_it_was_made(shop: Project) -> None:
    """One of two takes the short way, the other cannot: both were made."""
    shop.ok("sync", "--all", "-e", "test")
    for path in shop.folder.glob("*/*/.venvs"):
        shutil.rmtree(path)
    told = shop.ok("sync", "--all", "-e", "test", "-e", "prod", "--json").json["results"]
    assert [(r["environment"], r["result"]["made"]) for r in told] == [
        ("test", True),
        ("prod", True),
    ] * 4
    assert {r["result"]["generation"] for r in told} == {1}


def test_all_members_are_not_made_from_a_damaged_store(shop: Project) -> None:
    shop.ok("sync", "--all")
    orders = inside(shop, "services/orders")
    site = next((orders.folder / ".venv" / "lib").glob("python*/site-packages"))
    package = (site / "core").resolve()
    package.chmod(0o755)
    (package / "foreign.py").write_text("")
    for path in shop.folder.glob("*/*/.venv"):
        shutil.rmtree(path)
    shop.ok("sync", "--all")
    assert not (package / "foreign.py").exists()
    orders.ok("verify")


def test_one_package_is_upgraded_wherever_it_is(
    shop: Project, index: Index, tmp_path: Path
) -> None:
    shop.ok("lock", "--all")
    for version in ("1.9", "2.9"):
        index.add(make_wheel(tmp_path / "w", "core", version))
    shutil.rmtree(shop.home / "provenv/cache")  # uv trusts an index's answers for minutes
    told = shop.ok("lock", "--all", "--upgrade-package", "core")
    assert "shop-base: nothing to do" in told.stderr
    assert locked(shop, "services/orders")["core"] == "1.9"
    assert locked(shop, "services/billing")["core"] == "2.9"
    result = shop.fails(
        2, "lock", "--all", "--upgrade-package", "core", "--upgrade-package", "croe"
    )
    assert "in the lock of no member: croe" in result.stderr


def test_what_is_meant_twice_is_done_once(shop: Project) -> None:
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    both = f'python = ["{minor}", "cpython{minor}"]'
    shop.env["PATH"] = f"{os.path.dirname(sys.executable)}:{shop.env['PATH']}"
    service(shop, "orders", more=f"[tool.provenv.environments]\nboth = {{ {both} }}\n")
    shop.pyproject('[tool.provenv.workspace]\nmembers = ["services/orders"]\n')
    told = shop.ok("sync", "--all", "-e", "both", "-e", f"both@{minor}", "--json").json
    assert [r["environment"] for r in told["results"]] == [f"both@{minor}", f"both@cpython{minor}"]


def test_one_member_that_fails_stops_no_other(shop: Project) -> None:
    service(shop, "orders", "core==9")
    shop.write("services/broken/pyproject.toml", "[project\n")
    result = shop.fails(2, "sync", "--all")
    assert "2 of" not in result.stderr
    assert "3 of 5 members" in result.stderr
    assert "not services/broken, orders" in result.stderr
    assert "error: orders: No solution found" in result.stderr
    assert "error: services/broken: " in result.stderr
    assert (shop.folder / "services/billing/.venv/bin/python").exists()
    document = shop.fails(2, "sync", "--all", "--json").json
    by_name = {Path(r["root"]).name: r for r in document["results"]}
    assert by_name["orders"]["error"]["kind"] == "unsatisfiable"
    assert by_name["orders"]["exit_code"] == 1
    assert by_name["broken"]["result"] is None
    assert by_name["billing"]["exit_code"] == 0
    assert shop.run("status", "--all", "-q").code == 2


def test_an_environment_that_one_member_lacks(shop: Project) -> None:
    service(shop, "orders", more='[tool.provenv.environments]\nnight = { inherits = "prod" }\n')
    document = shop.fails(2, "sync", "--all", "-e", "night", "--json").json
    codes = {Path(r["root"]).name: r["exit_code"] for r in document["results"]}
    assert codes == {"base": 2, "models": 2, "billing": 2, "orders": 0}


@pytest.mark.slow
@pytest.mark.parametrize("how", few([signal.SIGINT, signal.SIGTERM], 1))
def test_an_interrupt_ends_all_and_leaves_each_whole(
    shop: Project, index: Index, how: signal.Signals
) -> None:
    for name in ("orders", "billing"):
        inside(shop, f"services/{name}").ok("lock")
    shop.ok("sync", "-p", "shop-base")
    index.fault("*/files/core*.whl", rate=1)
    with subprocess.Popen(
        [*command(), "sync", "--all"], cwd=shop.folder, env=shop.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 30
        while not any("core" in r.path and r.path.endswith(".whl") for r in index.requests):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, how)
        try:
            _, errors = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert process.returncode == 128 + how, errors
    assert "Traceback" not in errors
    assert errors.count("interrupted; nothing is half-done") == 1
    for name in ("orders", "billing"):
        assert not (shop.folder / f"services/{name}/.venv").exists()
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    index.heal()
    shop.ok("sync", "--all")
    shop.ok("status", "--all")


def test_rows_are_drawn_while_a_person_watches(shop: Project) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*command(), "sync", "--all"], cwd=shop.folder, env={**shop.env, "TERM": "xterm"},
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
    ) as process:  # fmt: skip
        os.close(theirs)
        seen = b""
        try:
            while piece := os.read(ours, 65536):
                seen += piece
        except OSError:  # how a terminal says that nobody writes any more
            os.close(ours)
    text = seen.decode()
    assert process.returncode == 0, text
    assert "waiting" in text
    last = text[text.rindex("shop-base") :]  # the table, after the rows are gone
    assert "all of 4 members" in last
    assert "orders " in last


@pytest.mark.slow
def test_going_back_in_a_member(shop: Project) -> None:
    orders = inside(shop, "services/orders")
    orders.ok("sync")
    orders.ok("add", "tool")
    orders.ok("rollback")
    assert "tool" not in locked(shop, "services/orders")
    assert "tool" not in orders.read("pyproject.toml")
    orders.ok("status")
    make_source(shop.folder / "libs/base", "shop-base", "1.0", requires=["tool"])
    orders.ok("run", "python", "-c", "import tool")
    orders.ok("rollback")
    orders.fails(1, "lock", "--check")  # the library did not go back
    orders.ok("run", "python", "-c", "import tool")


# One lock for all


@pytest.fixture
def sharing(shop: Project) -> Project:
    shop.pyproject(
        '[tool.provenv.workspace]\nmembers = ["services/*", "libs/*"]\nshared-lock = true\n'
    )
    service(shop, "orders", "shop-models", "core<2", more='[dependency-groups]\ntest = ["orders[fast]"]\n'
            '[project.optional-dependencies]\nfast = ["tool"]\n')  # fmt: skip
    service(shop, "billing", "shop-models", "core", more='[dependency-groups]\ntest = ["extra"]\n')
    return shop


def test_one_lock_holds_what_each_member_selects(sharing: Project) -> None:
    orders, billing = inside(sharing, "services/orders"), inside(sharing, "services/billing")
    orders.ok("sync", "-e", "test")
    billing.ok("sync", "--locked")
    assert (sharing.folder / "pylock.toml").exists()
    assert not (orders.folder / "pylock.toml").exists()
    packages = {
        name: {
            p["name"] for p in project.ok("status", *more, "--json").json["generation"]["packages"]
        }
        for name, project, more in (("orders", orders, ("-e", "test")), ("billing", billing, ()))
    }
    assert packages["orders"] == {"core", "extra", "shop-base", "shop-models", "tool"}
    assert packages["billing"] == {"core", "extra", "shop-base", "shop-models"}
    assert billing.python("import core; print(core.__version__)") == "1.0", "the same for all"
    assert "shop-models (local)" in orders.ok("tree", "-e", "test").stdout
    assert "tool" in orders.ok("why", "tool", "-e", "test").stdout
    orders.fails(1, "why", "tool")
    for project in (sharing, orders):
        assert "nothing to do" in project.ok("lock").stderr
    sharing.ok("lock", "--check")


def test_a_common_lock_is_stale_where_any_member_changes(sharing: Project) -> None:
    sharing.ok("sync", "--all")
    orders = inside(sharing, "services/orders")
    assert "nothing to do" in orders.ok("sync").stderr
    service(sharing, "billing", "shop-models", "tool")
    assert "member of the workspace" in orders.fails(1, "status", "--json").json["stale"]
    orders.fails(1, "sync", "--locked")
    result = sharing.ok("sync", "--all", "--json").json
    assert {Path(r["root"]).name for r in result["results"] if r["result"]["made"]} == {"billing"}
    sharing.ok("status", "--all")


def test_members_in_conflict_over_a_common_lock_are_named(sharing: Project) -> None:
    service(sharing, "billing", "core>=2")
    result = sharing.fails(1, "lock")
    said = " ".join(result.stderr.split())
    assert "member orders depends on core<2" in said
    assert "member billing depends on core>=2" in said
    document = inside(sharing, "services/orders").fails(1, "lock", "--all", "--json").json
    assert [r["error"]["kind"] for r in document["results"]] == ["unsatisfiable"]


def test_adding_to_a_member_changes_the_common_lock(sharing: Project) -> None:
    sharing.ok("sync", "--all")
    orders = inside(sharing, "services/orders")
    orders.ok("add", "extra")
    assert '"extra>=1.0"' in orders.read("pyproject.toml")
    sharing.ok("status", "--all")
    sharing.ok("lock", "--check")
    before = sharing.read("pylock.toml")
    orders.fails(1, "add", "core>=3")
    assert sharing.read("pylock.toml") == before
    orders.ok("remove", "extra")


def test_going_back_leaves_a_common_lock_alone(sharing: Project) -> None:
    sharing.ok("sync", "--all")
    orders = inside(sharing, "services/orders")
    orders.ok("add", "tool")
    before = sharing.read("pylock.toml")
    result = orders.ok("rollback")
    assert "no file is restored" in result.stderr
    assert sharing.read("pylock.toml") == before
    assert "tool" in orders.read("pyproject.toml")
    is_there = "import importlib.util, sys; sys.exit(importlib.util.find_spec('tool') is None)"
    orders.fails(1, "run", "python", "-c", is_there)
    orders.ok("sync")
    orders.ok("run", "python", "-c", "import tool")


def test_where_a_sync_fails_the_common_lock_is_put_back(sharing: Project, index: Index) -> None:
    sharing.ok("sync", "--all")
    before = sharing.read("pylock.toml")
    index.fault("*/files/tool*.whl", status=404)
    orders = inside(sharing, "services/orders")
    orders.fails(3, "add", "tool")
    assert sharing.read("pylock.toml") == before
    sharing.ok("status", "--all")


@pytest.mark.parametrize("common", [False, True])
def test_an_export_says_where_libraries_are(shop: Project, *, common: bool) -> None:
    if common:
        shop.pyproject(
            '[tool.provenv.workspace]\nmembers = ["services/*", "libs/*"]\nshared-lock = true\n'
        )
        service(shop, "billing", "core")
    orders = inside(shop, "services/orders")
    orders.ok("lock")
    told = orders.ok("export", "--format", "requirements", "--no-hashes").stdout.splitlines()
    assert {"core==1.0", "extra==1.0", "-e ../../libs/base", "-e ../../libs/models"} < {*told}
    built = orders.ok("export", "--format", "requirements", "-e", "prod", "--no-hashes").stdout
    assert "../../libs/base" in built
    assert "-e ../../libs/base" not in built


def test_a_new_environment_from_a_common_lock_takes_the_short_way(sharing: Project) -> None:
    sharing.ok("sync", "--all")
    orders = inside(sharing, "services/orders")
    shutil.rmtree(orders.folder / ".venv")
    result = orders.ok("sync", env={"PATH": "/nowhere"})  # no uv, no interpreter to look for
    assert "generation 1" in result.stderr
    sharing.ok("status", "--all")


def test_all_members_are_held_against_a_policy(sharing: Project) -> None:
    sharing.ok("sync", "--all")
    sharing.write(
        "provenv-policy.toml",
        'schema = 1\n[[rule]]\nid = "list"\nkind = "package"\ndeny = ["core"]\n',
    )
    inside(sharing, "services/orders").fails(1, "sync")
    sharing.fails(1, "sync", "--all")
    told = sharing.fails(1, "sync", "--all", "--locked", "--json").json["results"]
    assert {Path(r["root"]).name for r in told if r["exit_code"]} == {"orders", "billing"}


def test_a_common_lock_needs_names_and_no_conflicts(sharing: Project) -> None:
    service(
        sharing,
        "billing",
        more='[dependency-groups]\na = []\nb = []\n[tool.provenv]\nconflicts = [["a", "b"]]\n',
    )
    result = sharing.fails(2, "lock")
    assert "services/billing/pyproject.toml" in result.stderr
    assert "tool.provenv.conflicts" in result.stderr
    sharing.write("services/billing/pyproject.toml", "[dependency-groups]\na = []\n")
    assert "project.name: is missing" in sharing.fails(2, "lock").stderr


# The example


def example(project: Project) -> None:
    shutil.copytree(EXAMPLE, project.folder, dirs_exist_ok=True)


def conflict(project: Project) -> None:
    """What the example is about: no two of these services could share an environment."""
    project.ok("sync", "--all")
    for name, wanted in (
        ("orders", "order 7: 12.50 EUR (pydantic 1)"),
        ("billing", "order 7: 12.50 EUR (pydantic 2)"),
        ("catalog", "kettle: 39.99 EUR (markupsafe 2)"),
        ("notifier", "Dear Ada, your order is paid. (markupsafe 3)"),
    ):
        said = project.ok("run", "-p", name, "python", f"services/{name}/{name}.py").stdout
        assert said.strip() == wanted
    project.ok("status", "--all")
    text = project.read("libs/money/src/platform_money/__init__.py")
    project.write("libs/money/src/platform_money/__init__.py", text.replace("EUR", "CHF"))
    said = project.ok("run", "-p", "orders", "python", "services/orders/orders.py").stdout
    assert "CHF" in said


@pytest.mark.slow
def test_the_example_with_packages_of_the_same_shape(
    project: Project, index: Index, tmp_path: Path
) -> None:
    pydantic = (
        "VERSION = {version!r}\n"
        "class BaseModel:\n"
        "    @classmethod\n"
        "    def {load}(cls, data):\n"
        "        made = cls()\n"
        "        made.__dict__.update({{k: int(v) for k, v in data.items()}})\n"
        "        return made\n"
    )
    jinja = (
        "class Template:\n    def __init__(self, text):\n        self.text = text\n"
        "    def render(self, **values):\n        text = self.text\n"
        "        for key, value in values.items():\n"
        "            text = text.replace('{{ ' + key + ' }}', value)\n        return text\n"
    )
    frozen = (
        "import dataclasses\ndef frozen(cls):\n    return dataclasses.dataclass(frozen=True)(cls)\n"
    )
    for name, version, files in (
        ("pydantic", "1.10.9", pydantic.format(version="1.10.9", load="parse_obj")),
        ("pydantic", "2.9.1", pydantic.format(version="2.9.1", load="model_validate")),
        ("attrs", "24.1", frozen),
        ("jinja2", "3.1.4", jinja),
        ("markupsafe", "2.1.5", ""),
        ("markupsafe", "3.0.1", ""),
        ("pytest", "8.3", ""),
    ):
        index.add(make_wheel(tmp_path / "w", name, version, files={f"{name}/__init__.py": files}))
    backend = {"hatchling/__init__.py": "", "hatchling/build.py": BACKEND.read_text()}
    index.add(make_wheel(tmp_path / "w", "hatchling", "1.27.0", files=backend))
    example(project)
    conflict(project)


@pytest.mark.network
@pytest.mark.slow
def test_the_example_with_the_real_packages(project: Project) -> None:
    del project.env["PROVENV_INDEX_URL"]
    example(project)
    conflict(project)


def test_the_example_is_a_workspace_of_four_services() -> None:
    table = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["tool"]["provenv"]["workspace"]
    found = {p.name for pattern in table["members"] for p in EXAMPLE.glob(pattern)}
    assert {"orders", "billing", "catalog", "notifier"} < found
