from __future__ import annotations

from collections.abc import Callable

import pytest

from provenv.core.errors import BuildError, InputError, NetworkError, UnsatisfiableError
from provenv.core.values import replace
from unit.resolve.little_index import LittleIndex
from unit.resolve.locking import Project

HEAD = '[project]\nname = "demo"\nversion = "1"\nrequires-python = ">=3.11,<4"\n'


def failing(project: Project, text: str, kind: type[Exception]) -> str:
    with pytest.raises(kind) as caught:
        project.lock(text)
    error = caught.value
    shown = f"{error}\n{getattr(error, 'hint', '')}"
    assert project.settings.tmp not in shown
    assert not set("│├╰×▶─\x1b") & set(shown)
    return shown


def test_what_cannot_be_satisfied_is_explained(project: Project, index: LittleIndex) -> None:
    index.add("beta", "1.0")
    index.add("alpha", "1.0", ["beta<2"])
    shown = failing(project, HEAD + 'dependencies = ["alpha", "beta>=2"]\n', UnsatisfiableError)
    assert "all versions of alpha depend on beta<2" in shown
    assert "beta>=2" in shown


def test_conflicting_groups_are_named(project: Project, index: LittleIndex) -> None:
    index.add("beta", "1.0")
    index.add("beta", "2.0")
    text = HEAD + '[dependency-groups]\nold = ["beta<2"]\nnew = ["beta>=2"]\n'
    shown = failing(project, text, UnsatisfiableError)
    assert "demo:old" in shown
    assert "demo:new" in shown


def test_a_project_without_a_name_does_not_show_a_made_up_one(
    project: Project, index: LittleIndex
) -> None:
    shown = failing(project, '[dependency-groups]\ndev = ["nothing-there"]\n', UnsatisfiableError)
    assert "nothing-there was not found" in shown
    assert "provenv-project" not in shown


def test_pythons_that_a_dependency_does_not_support_get_a_hint(
    project: Project, index: LittleIndex
) -> None:
    index.add("beta", "1.0", requires_python=">=3.13")
    shown = failing(project, HEAD + 'dependencies = ["beta"]\n', UnsatisfiableError)
    assert "Raise requires-python" in shown
    assert "; python_version >= '3.13'" in shown


@pytest.mark.parametrize("ban", ["true", '["source"]'])
def test_a_package_that_may_not_be_built(project: Project, index: LittleIndex, ban: str) -> None:
    folder = project.folder.parent / "source"
    folder.mkdir()
    (folder / "setup.py").write_text("raise SystemExit('must not run')\n")
    text = (
        HEAD
        + 'dependencies = ["source"]\n[tool.uv.sources]\nsource = { path = "../source" }\n'
        + f"[tool.provenv]\nno-build = {ban}\n"
    )
    shown = failing(project, text, UnsatisfiableError)
    assert "is disabled" in shown
    assert "tool.provenv.no-build" in shown


def test_an_sdist_that_may_not_be_built(project: Project, index: LittleIndex) -> None:
    index.files["source"] = {"source-1.0.tar.gz": b"not opened"}
    text = HEAD + 'dependencies = ["source"]\n[tool.provenv]\nno-build = true\n'
    shown = failing(project, text, UnsatisfiableError)
    assert "source==1.0 has no usable wheels" in shown
    assert "tool.provenv.no-build" in shown


def test_a_build_backend_that_fails(project: Project) -> None:
    folder = project.folder.parent / "source"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "source"\ndynamic = ["version"]\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (folder / "backend.py").write_text("raise RuntimeError('the compiler is on holiday')\n")
    text = HEAD + 'dependencies = ["source"]\n[tool.uv.sources]\nsource = { path = "../source" }\n'
    assert "the compiler is on holiday" in failing(project, text, BuildError)


def test_an_index_that_does_not_answer(
    project: Project, make_index: Callable[[], LittleIndex]
) -> None:
    corp = make_index()
    corp.add("beta", "1.0")
    corp.status["beta"] = 500
    text = (
        HEAD
        + f'dependencies = ["beta"]\n[[tool.provenv.index]]\nname = "corp"\nurl = "{corp.simple}"\n'
        + 'packages = ["beta"]\n'
    )
    shown = failing(project, text, NetworkError)
    assert "index 'corp'" in shown
    assert "500" in shown


def test_offline_without_a_cache_is_undecided_and_not_a_no(
    project: Project, index: LittleIndex
) -> None:
    index.add("beta", "1.0")
    away = replace(project.settings, offline=True)
    with pytest.raises(NetworkError, match="beta") as caught:
        project.lock(HEAD + 'dependencies = ["beta"]\n', settings=away)
    assert "network" in str(caught.value.hint)
    project.lock(HEAD + 'dependencies = ["beta"]\n')
    project.lock(HEAD + 'dependencies = ["beta"]\n', settings=away)


def test_a_directory_that_is_not_there(project: Project) -> None:
    text = HEAD + 'dependencies = ["gone"]\n[tool.uv.sources]\ngone = { path = "../gone" }\n'
    shown = failing(project, text, InputError)
    assert "gone" in shown


def test_a_setting_that_uv_would_pass_over_is_refused(project: Project, index: LittleIndex) -> None:
    index.add("beta", "1.0")
    text = HEAD + 'dependencies = ["beta"]\n[tool.uv]\nprerelease = "perhaps"\n'
    shown = failing(project, text, InputError)
    assert "tool.uv" in shown
    assert "perhaps" in shown


def test_a_repository_that_is_not_there(project: Project) -> None:
    gone = (project.folder.parent / "gone").as_uri()
    text = HEAD + f'dependencies = ["x @ git+{gone}"]\n'
    assert "does not appear to be a git repository" in failing(project, text, NetworkError)
