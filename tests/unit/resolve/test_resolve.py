from __future__ import annotations

import itertools
import os
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.pylock import Package, Pylock

from provenv.core.errors import InputError
from provenv.core.events import Noted, Warned
from provenv.core.values import replace
from provenv.model.interpreter import Interpreter
from provenv.model.lock import is_edited, parse_lock, render_lock, tool_table
from provenv.model.manifest import parse_manifest
from provenv.resolve import resolve_requirements
from provenv.tools.uv import find_uv
from unit.resolve.little_index import LittleIndex, make_wheel
from unit.resolve.locking import Project, selected, versions

HEAD = '[project]\nname = "demo"\nversion = "1"\nrequires-python = ">=3.11,<4"\n'


def web(index: LittleIndex) -> str:
    """A small web of packages, and a manifest with an extra and two groups over it."""
    index.add("alpha", "1.0", ["beta>=1"])
    index.add("beta", "1.0")
    index.add("beta", "1.5", ['winonly; sys_platform == "win32"'])
    index.add("winonly", "0.1")
    index.add("gamma", "2.0", ["delta; extra == 'fast'"], extras=["fast"])
    index.add("delta", "3.0", ["beta"])
    index.add("tester", "7.0", ["winonly", "gamma"])
    return (
        HEAD
        + 'dependencies = ["alpha"]\n'
        + '[project.optional-dependencies]\ncli = ["gamma[fast]"]\n'
        + '[dependency-groups]\ndev = [{include-group = "test"}, "delta"]\ntest = ["tester"]\n'
    )


def test_one_lock_says_what_belongs_to_which_extra_and_group(
    project: Project, index: LittleIndex, interpreter: Interpreter
) -> None:
    lock = project.lock(web(index))
    linux = {**interpreter.markers, "sys_platform": "linux"}
    windows = {**interpreter.markers, "sys_platform": "win32"}
    assert selected(lock, linux) == {"alpha": "1.0", "beta": "1.5"}
    assert set(selected(lock, windows)) == {"alpha", "beta", "winonly"}
    assert set(selected(lock, linux, extras=["cli"])) == {"alpha", "beta", "gamma", "delta"}
    assert set(selected(lock, linux, groups=["test"])) == {
        "alpha", "beta", "tester", "gamma", "winonly",
    }  # fmt: skip
    assert set(selected(lock, linux, groups=["dev"])) == set(versions(lock))
    for extras, groups in itertools.product([(), ("cli",)], [(), ("dev",), ("test",)]):
        chosen = lock.select(extras=extras, dependency_groups=groups)
        ours = selected(lock, interpreter.markers, extras=extras, groups=groups)
        assert {package.name: str(package.version) for package, _ in chosen} == ours
    assert (lock.extras, lock.dependency_groups) == (["cli"], ["dev", "test"])
    assert lock.default_groups == ["dev"]
    assert str(lock.requires_python) == "<4,>=3.11"
    assert lock.created_by == "provenv"


def test_the_selection_is_what_uv_itself_exports(
    project: Project, index: LittleIndex, interpreter: Interpreter, tmp_path: Path
) -> None:
    text = web(index)
    lock = project.lock(text)
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "pyproject.toml").write_text(text)
    environ = {**project.settings.environ, "UV_CACHE_DIR": project.settings.cache}
    uv = [find_uv(), "--quiet", "--project", str(plain)]
    subprocess.run(
        [*uv, "lock", "--default-index", index.simple, "--python", interpreter.executable],
        env=environ,
        check=True,
    )
    groups_of = [(), ("dev",), ("test",), ("dev", "test")]
    for extras, groups in itertools.product([(), ("cli",)], groups_of):
        options = [f"--extra={e}" for e in extras] + [f"--group={g}" for g in groups]
        done = subprocess.run(
            [*uv, "export", "--frozen", "--no-default-groups", "--no-emit-project", "--format",
             "pylock.toml", *options],
            env=environ, check=True, capture_output=True, text=True,
        )  # fmt: skip
        exported = Pylock.from_dict(tomllib.loads(done.stdout))
        for platform in ("linux", "win32", "darwin"):
            markers = {**interpreter.markers, "sys_platform": platform}
            ours = selected(lock, markers, extras=extras, groups=groups)
            assert ours == selected(exported, markers), (extras, groups, platform)


def test_every_file_has_a_hash_and_a_size_and_its_index(
    project: Project, index: LittleIndex
) -> None:
    lock = project.lock(web(index))
    for package in lock.packages:
        assert package.index == index.simple
        for wheel in package.wheels or ():
            assert len(wheel.hashes["sha256"]) == 64
            assert wheel.size == len(index.files[package.name][wheel.filename])


def test_edges_are_in_the_lock_with_those_of_extras_in_use(
    project: Project, index: LittleIndex
) -> None:
    lock = project.lock(web(index))
    edges = {p.name: [d["name"] for d in p.dependencies or ()] for p in lock.packages}
    assert edges == {
        "alpha": ["beta"],
        "beta": ["winonly"],
        "delta": ["beta"],
        "gamma": ["delta"],
        "tester": ["gamma", "winonly"],
        "winonly": [],
    }


def test_locking_again_gives_the_same_bytes(project: Project, index: LittleIndex) -> None:
    manifest = web(index)
    first = project.text(manifest)
    assert project.text(manifest) == first
    assert project.text(manifest, parse_lock(first)) == first
    again = parse_lock(first)
    assert not is_edited(again)
    assert tool_table(again)["manifest-digest"] == parse_manifest(manifest).lock_digest()


def test_adding_one_dependency_moves_nothing_else(project: Project, index: LittleIndex) -> None:
    manifest = web(index)
    before = project.lock(manifest)
    index.add("beta", "1.9")
    index.add("alpha", "1.1")
    index.add("newcomer", "1.0", ["beta"])
    more = manifest.replace('["alpha"]', '["alpha", "newcomer"]')
    after = project.lock(more, before)
    assert versions(after) == {**versions(before), "newcomer": "1.0"}
    kept = [line for line in render_lock(before).splitlines() if "digest" not in line]
    assert set(kept) <= set(render_lock(after).splitlines())


def test_upgrade_lets_go_of_what_it_names_or_of_everything(
    project: Project, index: LittleIndex
) -> None:
    manifest = web(index)
    before = project.lock(manifest)
    index.add("beta", "1.9")
    index.add("alpha", "1.1", ["beta>=1"])
    one = project.lock(manifest, before, upgrade=frozenset({"Alpha"}))
    assert versions(one) == {**versions(before), "alpha": "1.1"}
    everything = versions(project.lock(manifest, before, upgrade=True))
    assert (everything["alpha"], everything["beta"]) == ("1.1", "1.9")


def test_a_preference_that_no_longer_fits_gives_way(project: Project, index: LittleIndex) -> None:
    index.add("beta", "1.0")
    before = project.lock(HEAD + 'dependencies = ["beta"]\n')
    index.add("beta", "2.0")
    after = project.lock(HEAD + 'dependencies = ["beta>=2"]\n', before)
    assert versions(after) == {"beta": "2.0"}


def test_several_versions_of_one_name_stay_as_they_are(
    project: Project, index: LittleIndex, interpreter: Interpreter
) -> None:
    index.add("forked", "1.0", requires_python=">=3.11")
    index.add("forked", "2.0", requires_python=">=3.12")
    index.add("user", "1.0", ["forked"])
    manifest = HEAD + 'dependencies = ["user"]\n'
    before = project.lock(manifest)
    assert versions(before)["forked"] == "1.0 2.0"
    (edge,) = {d["version"] for p in before.packages for d in p.dependencies or ()} & {"2.0"}
    assert edge == "2.0"
    index.add("forked", "1.5", requires_python=">=3.11")
    index.add("forked", "2.5", requires_python=">=3.12")
    assert render_lock(project.lock(manifest, before)) == render_lock(before)
    old = {**interpreter.markers, "python_full_version": "3.11.2", "python_version": "3.11"}
    assert selected(before, old)["forked"] == "1.0"


def test_settings_of_the_resolver_do_not_lose_the_preferences(
    project: Project, index: LittleIndex
) -> None:
    index.add("beta", "1.0")
    settings = '[tool.uv]\nprerelease = "allow"\nresolution = "highest"\nfork-strategy = "fewest"\n'
    manifest = HEAD + 'dependencies = ["beta"]\n' + settings
    before = project.lock(manifest)
    index.add("beta", "2.0")
    assert versions(project.lock(manifest, before)) == {"beta": "1.0"}


def test_conflicting_groups_get_locks_of_their_own(
    project: Project, index: LittleIndex, interpreter: Interpreter
) -> None:
    for version in ("1.0", "2.0", "3.0"):
        index.add("engine", version)
    index.add("shared", "1.0")
    manifest = (
        HEAD
        + 'dependencies = ["shared"]\n[dependency-groups]\nold = ["engine<2"]\nnew = ["engine>=2"]\n'
        + 'docs = ["shared"]\n'
        + '[tool.provenv]\nconflicts = [["old", "new"]]\n'
        + '[tool.provenv.environments]\nlegacy = { groups = ["old", "docs"] }\n'
        + 'modern = { groups = ["new"] }\n'
    )
    locks = project.locks(manifest)
    assert set(locks) == {None, "legacy", "modern"}
    assert versions(locks[None]) == {"shared": "1.0"}
    assert locks[None].dependency_groups == ["docs"]
    assert locks["legacy"].dependency_groups == ["old", "docs"]
    assert selected(locks["legacy"], interpreter.markers, groups=["old"])["engine"] == "1.0"
    assert "engine" not in selected(locks["legacy"], interpreter.markers)
    assert versions(locks["modern"]) == {"engine": "3.0", "shared": "1.0"}
    index.add("shared", "2.0")
    index.add("engine", "4.0")
    again = project.locks(manifest, locks)
    assert {k: render_lock(v) for k, v in again.items()} == {
        k: render_lock(v) for k, v in locks.items()
    }


@pytest.mark.parametrize("upgrade", [False, True, frozenset({"shared"})])
def test_a_lock_of_its_own_agrees_with_the_main_lock(
    project: Project, index: LittleIndex, upgrade: bool | frozenset[str]
) -> None:
    index.add("engine", "1.0")
    for version in ("1.0", "1.1", "2.0"):
        index.add("shared", version)
    manifest = (
        HEAD
        + 'dependencies = ["shared"]\n[dependency-groups]\nold = ["engine"]\nnew = ["engine"]\n'
        + 'docs = ["shared<2"]\n[tool.provenv]\nconflicts = [["old", "new"]]\n'
        + '[tool.provenv.environments]\nlegacy = { groups = ["old"] }\n'
    )
    locks = project.locks(manifest)
    index.add("engine", "1.1")
    index.add("shared", "1.2")
    again = project.locks(manifest, locks, upgrade=upgrade)
    assert versions(again["legacy"])["shared"] == versions(again[None])["shared"]
    assert versions(again[None])["shared"] == ("1.2" if upgrade else "1.1")
    assert versions(again["legacy"])["engine"] == ("1.1" if upgrade is True else "1.0")


def test_conflicts_declared_for_uv_stand_in_one_lock(
    project: Project, index: LittleIndex, interpreter: Interpreter
) -> None:
    index.add("engine", "1.0")
    index.add("engine", "2.0")
    manifest = (
        HEAD
        + '[project.optional-dependencies]\nold = ["engine<2"]\nnew = ["engine>=2"]\n'
        + '[tool.uv]\nconflicts = [[{ extra = "old" }, { extra = "new" }]]\n'
    )
    lock = project.lock(manifest)
    assert selected(lock, interpreter.markers, extras=["old"]) == {"engine": "1.0"}
    assert selected(lock, interpreter.markers, extras=["new"]) == {"engine": "2.0"}
    assert render_lock(project.lock(manifest, lock)) == render_lock(lock)


def test_wheels_in_a_folder(project: Project, index: LittleIndex) -> None:
    (project.folder / "wheels").mkdir()
    filename, data = make_wheel("local", "1.0")
    (project.folder / "wheels" / filename).write_bytes(data)
    index.add("beta", "1.0")
    manifest = HEAD + 'dependencies = ["local", "beta"]\n[tool.uv]\nfind-links = ["wheels"]\n'
    lock = project.lock(manifest)
    found = {str(package.name): package for package in lock.packages}
    (wheel,) = found["local"].wheels or ()
    assert (wheel.path, wheel.size) == (f"wheels/{filename}", len(data))
    assert str(project.folder) not in render_lock(lock)
    (project.folder / "wheels" / filename.replace("1.0", "2.0")).write_bytes(
        make_wheel("local", "2.0")[1]
    )
    assert render_lock(project.lock(manifest, lock)) == render_lock(lock)
    assert versions(project.lock(manifest, lock, upgrade=True))["local"] == "2.0"


def test_an_environment_with_two_conflicting_groups_is_refused(
    project: Project, index: LittleIndex
) -> None:
    index.add("engine", "1.0")
    manifest = (
        HEAD
        + '[dependency-groups]\nold = ["engine"]\nnew = ["engine"]\n[tool.provenv]\n'
        + 'conflicts = [["old", "new"]]\n[tool.provenv.environments]\nboth = { groups = ["old", "new"] }\n'
    )
    with pytest.raises(InputError, match=r"environments\.both\.groups.*'old' and 'new'"):
        project.locks(manifest)


def test_without_requires_python_the_interpreter_is_the_lower_bound(
    project: Project, index: LittleIndex, interpreter: Interpreter
) -> None:
    index.add("beta", "1.0")
    lock = project.lock('[dependency-groups]\ndev = ["beta"]\n')
    assert str(lock.requires_python) == f">={interpreter.minor}"
    assert lock.packages[0].marker is not None


def test_environments_are_in_the_lock_where_the_manifest_restricts_them(
    project: Project, index: LittleIndex
) -> None:
    manifest = web(index)
    assert project.lock(manifest).environments is None
    only = manifest + "[tool.uv]\nenvironments = [\"sys_platform == 'linux'\"]\n"
    assert [str(m) for m in project.lock(only).environments or ()] == ['sys_platform == "linux"']


def test_directories_archives_and_repositories(
    project: Project, index: LittleIndex, tmp_path: Path
) -> None:
    index.add("beta", "1.0")
    for name in ("plain", "edited", "tracked"):
        source = tmp_path / name
        source.mkdir()
        (source / "pyproject.toml").write_text(
            f'[project]\nname = "{name}"\nversion = "0.3"\ndependencies = ["beta"]\n'
        )
    git = ["git", "-C", str(tmp_path / "tracked"), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q", "-b", "trunk"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    index.add("remote", "1.2")
    (tmp_path / "local-1.0-py3-none-any.whl").write_bytes(make_wheel("local", "1.0")[1])
    manifest = (
        HEAD
        + f'dependencies = ["plain", "edited", "tracked", "local", "remote @ {index.url}/files/remote/'
        + 'remote-1.2-py3-none-any.whl"]\n[tool.uv.sources]\nplain = { path = "../plain" }\n'
        + 'edited = { path = "../edited", editable = true }\n'
        + f'tracked = {{ git = "{(tmp_path / "tracked").as_uri()}", branch = "trunk" }}\n'
        + 'local = { path = "../local-1.0-py3-none-any.whl" }\n'
    )
    lock = project.lock(manifest)
    found: dict[str, Package] = {package.name: package for package in lock.packages}
    assert found["plain"].directory is not None
    assert found["plain"].directory.path == "../plain"
    assert found["edited"].directory is not None
    assert found["edited"].directory.editable is True
    assert found["tracked"].vcs is not None
    assert (found["tracked"].vcs.commit_id, found["tracked"].vcs.type) == (commit, "git")
    assert found["local"].archive is not None
    assert found["local"].archive.path == "../local-1.0-py3-none-any.whl"
    assert found["local"].archive.size == (tmp_path / "local-1.0-py3-none-any.whl").stat().st_size
    assert found["remote"].archive is not None
    (served,) = index.files["remote"].values()
    assert found["remote"].archive.size == len(served)
    assert found["edited"].dependencies == [{"name": "beta"}]
    (tmp_path / "tracked" / "more.txt").write_text("x")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "two"], check=True)
    assert render_lock(project.lock(manifest, lock)) == render_lock(lock)
    moved = project.lock(manifest, lock, upgrade=frozenset({"tracked"}))
    assert next(p for p in moved.packages if p.vcs).vcs.commit_id != commit  # type: ignore[union-attr]


def test_a_workspace_member_is_found(project: Project, index: LittleIndex) -> None:
    member = project.folder.parent / "packages" / "helper"
    member.mkdir(parents=True)
    (member / "pyproject.toml").write_text('[project]\nname = "Helper"\nversion = "2"\n')
    (project.folder.parent / "pyproject.toml").write_text(
        '[tool.uv.workspace]\nmembers = ["packages/*", "project"]\n'
    )
    manifest = (
        HEAD + 'dependencies = ["helper"]\n[tool.uv.sources]\nhelper = { workspace = true }\n'
    )
    (package,) = project.lock(manifest).packages
    assert package.directory is not None
    assert (package.directory.path, package.directory.editable) == ("../packages/helper", True)
    with pytest.raises(InputError, match=r"tool\.uv\.sources\.other.*has no member 'other'"):
        project.lock(manifest.replace("helper", "other"))


def test_workspace_without_a_workspace_says_so(project: Project) -> None:
    manifest = (
        HEAD + 'dependencies = ["helper"]\n[tool.uv.sources]\nhelper = { workspace = true }\n'
    )
    with pytest.raises(InputError, match="not in a uv workspace") as caught:
        project.lock(manifest)
    assert 'path = "../helper"' in str(caught.value.hint)


def test_the_project_itself_is_not_in_its_lock(project: Project, index: LittleIndex) -> None:
    index.add("beta", "1.0")
    index.add("plugin", "1.0", ["demo>=1"])
    manifest = (
        HEAD
        + '[project.optional-dependencies]\ncli = ["beta"]\n'
        + '[dependency-groups]\ndev = ["demo[cli]", "plugin"]\n'
    )
    lock = project.lock(manifest)
    assert versions(lock) == {"beta": "1.0", "plugin": "1.0"}
    assert next(p for p in lock.packages if p.name == "plugin").dependencies is None


def test_dynamic_dependencies_are_asked_of_the_build_backend(
    project: Project, index: LittleIndex
) -> None:
    index.add("beta", "1.0")
    index.add("gamma", "2.0")
    (project.folder / "backend.py").write_text(
        "import os\n"
        "def get_requires_for_build_wheel(config_settings=None): return []\n"
        "get_requires_for_build_editable = get_requires_for_build_wheel\n"
        "def prepare_metadata_for_build_wheel(folder, config_settings=None):\n"
        "    os.mkdir(os.path.join(folder, 'demo-1.dist-info'))\n"
        "    lines = ['Metadata-Version: 2.1', 'Name: demo', 'Version: 1', 'Requires-Dist: beta',\n"
        "             'Provides-Extra: more', 'Requires-Dist: gamma; extra == \"more\"', '']\n"
        "    with open(os.path.join(folder, 'demo-1.dist-info', 'METADATA'), 'w') as out:\n"
        "        out.write(os.linesep.join(lines))\n"
        "    return 'demo-1.dist-info'\n"
        "prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel\n"
    )
    manifest = (
        '[project]\nname = "demo"\nrequires-python = ">=3.11"\n'
        'dynamic = ["version", "dependencies", "optional-dependencies"]\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (project.folder / "pyproject.toml").write_text(manifest)
    lock = project.lock(manifest)
    assert versions(lock) == {"beta": "1.0", "gamma": "2.0"}
    assert lock.extras == ["more"]
    assert [p.name for p in lock.packages if p.marker is None] == ["beta"]
    assert render_lock(project.lock(manifest, lock)) == render_lock(lock)


def test_an_index_without_sizes_is_completed(project: Project, index: LittleIndex) -> None:
    data = index.add("beta", "1.0")
    index.html = True
    lock = project.lock(HEAD + 'dependencies = ["beta"]\n')
    (wheel,) = lock.packages[0].wheels or ()
    assert wheel.size == len(data)
    assert ("provenv", "/files/beta/beta-1.0-py3-none-any.whl") in index.asked
    index.asked.clear()
    assert render_lock(project.lock(HEAD + 'dependencies = ["beta"]\n', lock)) == render_lock(lock)
    assert "provenv" not in {agent for agent, _ in index.asked}


def test_an_index_without_hashes_is_completed_and_that_is_said(
    project: Project, index: LittleIndex
) -> None:
    import hashlib

    data = index.add("beta", "1.0")
    index.html = index.without_hashes = True
    lock = project.lock(HEAD + 'dependencies = ["beta"]\n')
    (wheel,) = lock.packages[0].wheels or ()
    assert wheel.hashes["sha256"] == hashlib.sha256(data).hexdigest()
    (note,) = [event for event in project.events if isinstance(event, Noted)]
    assert "beta-1.0-py3-none-any.whl" in note.message
    assert wheel.size == len(data)


def test_nothing_from_outside_decides(project: Project, index: LittleIndex, tmp_path: Path) -> None:
    index.add("beta", "1.0")
    index.add("beta", "2.0b1")
    config = tmp_path / "xdg" / "uv"
    config.mkdir(parents=True)
    (config / "uv.toml").write_text('prerelease = "allow"\n')
    hostile = {
        "UV_PRERELEASE": "allow",
        "UV_INDEX_URL": "http://127.0.0.1:9/",
        "UV_CONSTRAINT": "/nowhere",
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"),
        "XDG_CONFIG_DIRS": str(tmp_path / "xdg"),
    }
    settings = replace(project.settings, environ={**project.settings.environ, **hostile})
    lock = project.lock(HEAD + 'dependencies = ["beta"]\n', settings=settings)
    assert versions(lock) == {"beta": "1.0"}


def test_uvs_old_table_of_development_dependencies_is_warned_of(
    project: Project, index: LittleIndex
) -> None:
    project.lock(HEAD + '[tool.uv]\ndev-dependencies = ["gone"]\n')
    (warning,) = [event for event in project.events if isinstance(event, Warned)]
    assert "tool.uv.dev-dependencies" in warning.message


def test_nothing_stays_behind(project: Project, index: LittleIndex) -> None:
    index.add("beta", "1.0")
    project.lock(HEAD + 'dependencies = ["beta"]\n')
    assert os.listdir(project.settings.tmp) == []
    assert os.listdir(project.folder) == []


def test_requirements_of_a_build_environment(
    project: Project, index: LittleIndex, interpreter: Interpreter
) -> None:
    web(index)
    lock = resolve_requirements(
        ["alpha", "gamma[fast]>=2"], interpreter=interpreter, settings=project.settings
    )
    assert set(selected(lock, interpreter.markers)) == {"alpha", "beta", "gamma", "delta"}
    lender = parse_manifest(
        HEAD
        + '[tool.uv]\nconstraint-dependencies = ["beta<1"]\n'
        + 'build-constraint-dependencies = ["beta<1.5"]\n'
    )
    constrained = resolve_requirements(
        ["alpha"], interpreter=interpreter, settings=project.settings, manifest=lender
    )
    assert versions(constrained) == {"alpha": "1.0", "beta": "1.0"}
    with pytest.raises(InputError, match="not a valid requirement"):
        resolve_requirements(["alpha=="], interpreter=interpreter, settings=project.settings)
