"""Rollback: exact, offline, and of the files as much as was asked for."""

from __future__ import annotations

import errno
import os
import re
import shlex
from pathlib import Path

import pytest

import provenv
from support import Index, Project, make_wheel
from support.many import snapshot


@pytest.fixture
def shop(project: Project, index: Index, tmp_path: Path) -> Project:
    """Three generations: alpha 1, alpha 2, alpha 2 with beta."""
    for version in ("1", "2"):
        index.add(make_wheel(tmp_path / "w", "alpha", version))
    index.add(make_wheel(tmp_path / "w", "beta", "1"))
    project.pyproject(
        """
        [project]
        name = "shop"
        version = "1"
        requires-python = ">=3.11"
        # what we need
        dependencies = [
            "alpha==1",  # the first
        ]
        """
    )
    project.ok("sync")
    project.ok("add", "alpha==2")
    text = project.read("pyproject.toml")
    project.pyproject(text + "\n[tool.other]\nkept = true  # added later\n")
    project.ok("add", "beta")
    return project


def there(project: Project) -> str:
    return project.python(
        "import importlib.metadata as m\nprint(*sorted(f'{d.name}-{d.version}' for d in m.distributions()))"
    )


def test_it_restores_lock_and_specifiers_and_keeps_the_rest(shop: Project, index: Index) -> None:
    assert there(shop) == "alpha-2 beta-1"
    latest = shop.read("pylock.toml")
    index.fault("*", status=500)
    shop.ok("rollback", "--offline")
    assert there(shop) == "alpha-2"
    text = shop.read("pyproject.toml")
    assert "beta" not in text
    assert '"alpha==2",  # the first' in text
    assert "kept = true  # added later" in text
    assert "# what we need" in text
    shop.ok("sync", "--locked", "--offline")
    assert shop.ok("lock", "--check").code == 0
    assert shop.ok("status", "--json").json["agrees"]
    shop.ok("rollback", "--to", "1", "--offline")
    assert there(shop) == "alpha-1"
    assert '"alpha==1",  # the first' in shop.read("pyproject.toml")
    shop.ok("sync", "--locked", "--offline")
    shop.ok("rollback", "--to", "3")
    assert there(shop) == "alpha-2 beta-1"
    assert shop.read("pylock.toml") == latest
    assert shop.ok("verify").code == 0


def test_a_group_that_an_environment_needs_today_is_not_taken_away(shop: Project) -> None:
    """Else no command could read the manifest, and no rollback lead back."""
    shop.ok("env", "create", "lint", "--with", "beta")
    shop.ok("remove", "beta")
    before = (shop.read("pyproject.toml"), shop.read("pylock.toml"), there(shop))
    refused = shop.fails(1, "rollback")
    assert "generation 3 do not go with the rest of pyproject.toml" in refused.stderr
    assert "environments.lint.groups: there is no dependency group 'lint'" in refused.stderr
    assert (shop.read("pyproject.toml"), shop.read("pylock.toml"), there(shop)) == before
    shop.ok("rollback", "--environment-only")
    assert there(shop) == "alpha-2 beta-1"
    assert shop.read("pyproject.toml") == before[0]


def test_what_was_asked_for_elsewhere_since_is_not_taken_away_in_silence(shop: Project) -> None:
    shop.ok("remove", "beta")
    shop.ok("sync")
    shop.ok("add", "--group", "late", "beta==1")
    said = shop.ok("rollback").stderr
    assert "pyproject.toml asks no more for beta==1" not in said  # it is back in the environment
    shop.ok("rollback", "--to", "4")
    shop.ok("add", "--group", "late", "beta==1")
    said = shop.ok("rollback", "--to", "2").stderr
    assert "pyproject.toml asks no more for beta==1, which came since" in said
    assert "`provenv add --group late 'beta==1'` brings it back" in said
    shop.ok("add", "--group", "late", "beta==1")
    assert "asks no more" not in shop.ok("rollback", "--environment-only").stderr


def test_what_brings_it_back_is_what_a_shell_takes(shop: Project) -> None:
    shop.ok("remove", "beta")
    text = shop.read("pyproject.toml")
    first = "dependencies = [\n"
    assert first in text
    shop.pyproject(text.replace(first, f"""{first}    "beta; python_version < '3'",\n"""))
    shop.ok("sync")
    (command,) = re.findall("`(provenv add .*)` brings", shop.ok("rollback", "--to", "2").stderr)
    shop.ok(*shlex.split(command)[1:])
    assert "beta" in shop.read("pyproject.toml")


def test_what_an_environment_outside_projects_asks_for_no_more_is_told_by_its_name(
    shop: Project,
) -> None:
    shop.ok("env", "create", "out", "--global", "--with", "alpha==1")
    own = shop.home / "provenv/environments/out/pyproject.toml"
    shop.ok("add", "-e", "out", "beta; python_version < '3'")
    shop.ok("add", "-e", "out", "alpha==2")
    said = shop.ok("rollback", "-e", "out").stderr
    assert 'out asks no more for beta; python_version < "3", which came since' in said
    (command,) = re.findall("`(provenv add .*)` brings", said)
    assert "beta" not in own.read_text()
    project = shop.read("pyproject.toml")
    shop.ok(*shlex.split(command)[1:])
    assert "beta" in own.read_text()
    assert shop.read("pyproject.toml") == project


def test_a_rollback_of_a_rollback_goes_back(shop: Project) -> None:
    shop.ok("rollback")
    shop.ok("rollback")
    assert there(shop) == "alpha-2 beta-1"
    shop.ok("sync", "--locked")


def test_only_the_environment(shop: Project) -> None:
    before = snapshot(shop.folder, ignore=(".venv",))
    shop.ok("rollback", "--environment-only")
    assert snapshot(shop.folder, ignore=(".venv",)) == before
    assert there(shop) == "alpha-2"
    code = "import importlib.util as u; print(u.find_spec('beta'))"
    for _ in range(2):
        assert shop.ok("run", "python", "-c", code).stdout == "None\n"
    assert there(shop) == "alpha-2"
    shop.fails(1, "status")
    shop.ok("sync")
    assert there(shop) == "alpha-2 beta-1"


def test_run_goes_on_once_a_file_changes(shop: Project) -> None:
    shop.ok("rollback", "--environment-only")
    shop.pyproject(shop.read("pyproject.toml").replace("kept = true", "kept = false"))
    code = "import beta; print(beta.__version__)"
    assert shop.ok("run", "python", "-c", code).stdout == "1\n"


def test_after_gc(shop: Project) -> None:
    shop.ok("store", "gc", "--keep", "1")
    shop.fails(2, "rollback", "--to", "1")
    shop.ok("rollback", "--offline")
    assert there(shop) == "alpha-2"
    shop.ok("verify", "--all")
    shop.ok("store", "gc", "--keep", "0")
    shop.fails(2, "rollback")
    assert there(shop) == "alpha-2"
    shop.ok("verify", "--all")
    numbers = [row["number"] for row in shop.ok("history", "--json").json["generations"]]
    assert numbers == [2]
    shop.ok("add", "beta")
    assert shop.ok("history", "--json").json["generations"][-1]["number"] == 4


def test_damage_stops_it(shop: Project) -> None:
    store = shop.home / "provenv/store/wheels"
    victim = next(
        path
        for path in store.rglob("site/alpha/__init__.py")
        if "'1'" in path.read_text() or '"1"' in path.read_text()
    )
    victim.parent.chmod(0o755)
    (victim.parent / "evil.py").write_text("evil\n")
    before = snapshot(shop.folder)
    shop.fails(3, "rollback", "--to", "1")
    assert snapshot(shop.folder) == before
    assert there(shop) == "alpha-2 beta-1"


def test_what_a_rollback_left_is_no_victim_of_drift(shop: Project) -> None:
    shop.ok("rollback")
    (shop.folder / ".venv/bin/python3").unlink()
    shop.fails(1, "status")
    shop.ok("sync")
    assert there(shop) == "alpha-2"
    assert (shop.folder / ".venv/bin/python3").exists()


@pytest.mark.slow
def test_where_the_switch_fails_every_file_is_as_it_was(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ("pyproject.toml", "pylock.toml")
    before = [shop.read(name) for name in files]

    def refuse(*_: object, **__: object) -> None:
        assert [shop.read(name) for name in files] != before  # they were restored by now
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("provenv.environments.switch.switch", refuse)
    with pytest.raises(provenv.DiskError) as refused:
        provenv.rollback(provenv.open_project(str(shop.folder)), provenv.make_context(shop.env))
    assert [shop.read(name) for name in files] == before
    assert refused.value.details["safe"] == (
        "generation 3 is current and untouched; pyproject.toml and pylock.toml are as they were"
    )
