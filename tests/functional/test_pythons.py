"""``python``: what is on the machine, what is brought and removed, pins, and moving environments."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functional.test_json import check
from support import Project
from support.mirrors import Mirror, fake_python

SHIM = 'program="${0##*/}"\nexec "/opt/pyenv/libexec/pyenv" exec "$program" "$@"\n'


@pytest.fixture
def machine(project: Project) -> Project:
    """A home folder whose pyenv has made-up versions, none of them selected."""
    for version in ("3.12.98", "3.12.99", "3.13.98"):
        add(project, version)
    project.env["PATH"] = "/usr/bin:/bin"
    return project


@pytest.fixture
def locked(machine: Project) -> Project:
    """… and a project with a lock, so that no made-up Python has to resolve anything."""
    machine.depends()
    machine.ok("lock", "--python", sys.executable)
    return machine


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror(tmp_path / "mirror")


def versions(project: Project) -> Path:
    return project.home / ".pyenv/versions"


def add(project: Project, version: str, **changes: Any) -> Path:
    path = versions(project) / version / "bin/python"
    fake_python(path, version, **changes)
    path.with_name(f"python{version.rpartition('.')[0]}").symlink_to("python")
    return path


def shim(project: Project, name: str) -> Path:
    path = project.home / ".pyenv/shims" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{SHIM}")
    path.chmod(0o755)
    project.env["PATH"] = f"{path.parent}:/usr/bin:/bin"
    return path


def managed(project: Project) -> Path:
    return project.home / ".local/share/uv/python"


def installed(project: Project, *words: str) -> dict[str, Any]:
    """Path → row of what is installed."""
    rows = project.ok("python", "list", *words, "--json").json["installed"]
    return {row["path"]: row for row in rows}


# What there is


def test_all_versions_of_pyenv_are_listed_and_what_selects_them(machine: Project) -> None:
    found = installed(machine)
    for version in ("3.12.98", "3.12.99", "3.13.98"):
        row = found[str(versions(machine) / version / "bin/python")]
        assert (row["version"], row["source"], row["selected_by"]) == (version, "pyenv", [])
    (machine.home / ".pyenv/version").write_text("3.12.98\n")
    machine.write(".python-version", "3.13\n")
    machine.depends()
    found = installed(machine)
    assert found[str(versions(machine) / "3.12.98/bin/python")]["selected_by"] == ["pyenv global"]
    assert found[str(versions(machine) / "3.13.98/bin/python")]["selected_by"] == [
        "project",
        ".python-version",
    ]


def test_a_request_leaves_only_what_meets_it(machine: Project) -> None:
    assert {row["version"] for row in installed(machine, "3.13.98").values()} == {"3.13.98"}
    text = machine.ok("python", "list", ">=3.12.98,<3.12.99").stdout
    assert "3.12.98" in text
    assert "3.12.99" not in text


def test_who_uses_what_is_counted_and_the_end_of_life_said(locked: Project) -> None:
    old = add(locked, "3.8.99")
    locked.ok("sync", "--python", "3.12.98")
    found = installed(locked)
    row = found[str(versions(locked) / "3.12.98/bin/python")]
    assert row["used_by"] == [str(locked.folder / ".venv")]
    assert (row["end_of_life"], row["dead"]) == ("2028-10-31", False)
    assert (found[str(old)]["end_of_life"], found[str(old)]["dead"]) == ("2024-10-07", True)
    assert "no fixes since 2024-10-07" in locked.ok("python", "list", "3.8.99").stdout


def test_what_cannot_be_used_is_named_with_the_reason(machine: Project) -> None:
    (versions(machine) / "3.11.1/lib").mkdir(parents=True)
    (versions(machine) / "3.10.1").symlink_to("/nowhere/3.10.1")
    for name, body in {"3.9.1": "echo rubbish", "3.9.2": "kill -SEGV $$"}.items():
        path = versions(machine) / name / "bin/python"
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    shim(machine, "python3.12")
    (machine.home / "bin").mkdir()
    (machine.home / "bin/python3.7").symlink_to("/nowhere/python3.7")
    machine.env["PATH"] += f":{machine.home}/bin"
    rows = machine.ok("python", "list", "--json").json["unusable"]
    said = {os.path.relpath(row["path"], machine.home): row for row in rows}
    expected = {
        ".pyenv/versions/3.11.1": ("missing", "no interpreter in it"),
        ".pyenv/versions/3.10.1": ("missing", "leads to /nowhere/3.10.1, which is not there"),
        ".pyenv/versions/3.9.1/bin/python": ("broken", "rubbish"),
        ".pyenv/versions/3.9.2/bin/python": ("broken", "exit code -11"),
        ".pyenv/shims/python3.12": ("shim", "pyenv selects no version"),
        "bin/python3.7": ("missing", "leads to /nowhere/python3.7"),
    }
    for place, (kind, words) in expected.items():
        assert said[place]["kind"] == kind
        assert words in said[place]["reason"]
    assert "cannot be used:" in machine.ok("python", "list").stdout


def test_an_environment_of_condas_is_found(machine: Project) -> None:
    path = machine.home / "miniforge3/envs/science/bin/python"
    fake_python(path, "3.12.97")
    assert installed(machine)[str(path)]["source"] == "conda"


def test_every_real_version_of_this_machines_pyenv_is_found(machine: Project) -> None:
    root = Path(os.environ.get("PYENV_ROOT") or "/root/.pyenv")
    names = [p.name for p in (root / "versions").glob("[23].*")] if root.is_dir() else []
    if not names:
        pytest.skip("there is no pyenv with versions here")
    machine.env["PYENV_ROOT"] = str(root)
    found = {row["version"]: row for row in installed(machine).values() if row["source"] == "pyenv"}
    assert set(names) <= set(found)
    for name in names:
        assert found[name]["path"].startswith(f"{root}/versions/{name}/")
    for name in (min(names), max(names)):
        assert machine.ok("python", "find", name).stdout == f"{found[name]['path']}\n"


@pytest.mark.parametrize(
    ("request_", "version"),
    [
        ("3.12", "3.12.99"),
        ("3.12.98", "3.12.98"),
        (">=3.12.98,<3.12.99", "3.12.98"),
        ("cpython@3.12", "3.12.99"),
        ("python3.13", "3.13.98"),
        ("3.13.98t", "3.13.98t"),
        ("pypy3.12", "pypy3.12-9.9.9"),
        ("mine", "mine"),
        (".pyenv/versions/3.12.98", "3.12.98"),
        ("./.pyenv/versions/mine/bin/python", "mine"),
    ],
)
def test_find_understands_what_people_write(machine: Project, request_: str, version: str) -> None:
    fake_python(versions(machine) / "3.13.98t/bin/python", "3.13.98", free_threaded=True)
    fake_python(versions(machine) / "pypy3.12-9.9.9/bin/python", "3.12.97", implementation="pypy")
    fake_python(versions(machine) / "mine/bin/python", "3.12.96")
    machine.env["PATH"] = "/nowhere"
    result = machine.run("python", "find", request_, cwd=machine.home)
    assert result.stdout == f"{versions(machine)}/{version}/bin/python\n", str(result)


def test_find_says_no_or_that_it_does_not_understand(machine: Project) -> None:
    told = machine.fails(1, "python", "find", "3.12.55").stderr
    assert f"3.12.99  {versions(machine)}/3.12.99/bin/python" in told
    assert "3.12.55" in told
    told = machine.fails(2, "python", "find", "snake").stderr
    assert "'>=3.11,<3.13'" in told
    assert "pypy3.10" in told


# pyenv's shims


def test_a_shim_that_starts_nothing_is_named_as_what_it_is(locked: Project) -> None:
    path = shim(locked, "python3.12")
    for words in (("python", "find", str(path)), ("sync", "--python", str(path))):
        told = locked.fails(1, *words).stderr
        assert "it is a pyenv shim" in told
        assert "3.12.99, 3.12.98" in told
        assert "`--python 3.12.99`" in told


def test_a_shim_that_starts_something_stands_for_that(machine: Project) -> None:
    path = shim(machine, "python")
    (machine.home / ".pyenv/version").write_text("3.13.98\n")
    found = machine.ok("python", "find", str(path)).stdout
    assert found == f"{versions(machine)}/3.13.98/bin/python\n"
    machine.write(".python-version", "3.12\n")
    found = machine.ok("python", "find", str(path)).stdout
    assert found == f"{versions(machine)}/3.12.99/bin/python\n"


@pytest.mark.parametrize("before", [(), ("-v",)], ids=["short way", "long way"])
def test_run_does_not_fall_into_a_dead_shim(locked: Project, before: tuple[str, ...]) -> None:
    shim(locked, "tool3.9")
    program = versions(locked) / "3.12.98/bin/tool3.9"
    program.write_text("#!/bin/sh\necho ran\n")
    program.chmod(0o755)
    locked.ok("sync", "--python", "3.13.98")
    told = locked.fails(127, *before, "run", "tool3.9").stderr
    assert "tool3.9 is not in the environment" in told
    assert "pyenv shim" in told
    assert "3.12.98" in told


# Installing


def test_installing_from_a_list_on_disk_works_offline(machine: Project, mirror: Mirror) -> None:
    mirror.add_fake("3.14.98")
    mirror.add_fake("3.14.99")
    mirror.add_fake("3.12.90", implementation="pypy")
    words = ("python", "install", "3.14", "pypy", "--offline", "--mirror", str(mirror.list))
    told = machine.ok(*words, "--json").json["pythons"]
    assert [(one["implementation"], one["version"], one["made"]) for one in told] == [
        ("cpython", "3.14.99", True),
        ("pypy", "3.12.90", True),
    ]
    for one in told:
        assert one["path"].startswith(f"{managed(machine)}/")
        assert installed(machine)[one["path"]]["source"] == "uv"
    assert not (machine.home / ".local/bin").exists()
    again = machine.ok(*words, "--json").json["pythons"]
    assert [one["made"] for one in again] == [False, False]
    anew = machine.ok(*words, "--reinstall", "--json").json["pythons"]
    assert [one["made"] for one in anew] == [True, True]


def test_a_real_python_comes_from_the_mirror_and_makes_an_environment(
    locked: Project, mirror: Mirror
) -> None:
    version = mirror.add_real()
    locked.env["PROVENV_PYTHON_MIRROR"] = mirror.list.as_uri()
    told = locked.ok("python", "install", version, "--json").json["pythons"][0]
    locked.ok("sync", "--python", told["path"])
    prefix = os.path.dirname(os.path.dirname(told["path"]))
    assert locked.python("import sys; print(sys.base_prefix)") == prefix
    busy = locked.fails(1, "python", "uninstall", version).stderr
    assert f"{locked.folder}/.venv" in busy
    assert os.path.exists(told["path"])
    locked.ok("python", "uninstall", version, "--force")
    assert not os.path.exists(prefix)


def test_wrong_bytes_are_refused_and_nothing_of_them_stays(
    machine: Project, mirror: Mirror
) -> None:
    archive = mirror.add_fake("3.14.99")
    archive.write_bytes(archive.read_bytes() + b"\0")
    told = machine.fails(3, "python", "install", "3.14", "--mirror", str(mirror.list), "--json")
    assert told.json["error"]["kind"] == "integrity"
    details = told.json["error"]["details"]
    assert details["wanted"] in mirror.list.read_text()
    assert details["found"] != details["wanted"]
    assert [p.name for p in managed(machine).glob("[!.]*")] == []


def test_what_is_no_python_does_not_stay_either(machine: Project, mirror: Mirror) -> None:
    mirror.add_fake("3.14.99", library=False)
    told = machine.fails(3, "python", "install", "3.14", "--mirror", str(mirror.list))
    assert "was not installed" in told.stderr
    assert [p.name for p in managed(machine).glob("[!.]*")] == []


def test_a_list_must_promise_what_bytes_it_means(machine: Project, mirror: Mirror) -> None:
    mirror.add_fake("3.14.98")
    mirror.add_fake("3.14.99")
    (newest,) = (key for key in mirror.entries if "3.14.99" in key)
    mirror.entries[newest]["sha256"] = None
    mirror.write()
    told = machine.ok("python", "install", "3.14", "--mirror", str(mirror.list))
    assert f"what has no SHA-256 there does not count: {newest}" in told.stderr
    assert (managed(machine) / newest.replace("3.14.99", "3.14.98")).is_dir()
    assert not (managed(machine) / newest).exists()


def test_a_folder_stands_for_the_servers_of_uvs_own_list(
    machine: Project, mirror: Mirror, tmp_path: Path
) -> None:
    rows = machine.ok("python", "list", "3.13", "--installable", "--json").json["installable"]
    name = rows[0]["url"].rpartition("/releases/download/")[2].replace("%2B", "+")
    file = tmp_path / "folder" / name
    missing = machine.fails(3, "python", "install", "3.13", "--mirror", str(tmp_path / "folder"))
    assert f"the mirror has no {file}" in missing.stderr
    file.parent.mkdir(parents=True)
    shutil.copy(mirror.add_fake("3.13.99"), file)
    wrong = machine.fails(
        3, "python", "install", "3.13", "--offline", "--mirror", file.parents[1].as_uri()
    )
    assert "another SHA-256" in wrong.stderr


@pytest.fixture
def server(mirror: Mirror) -> Iterator[str]:
    """The mirror's folder over HTTP; its address."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Stay silent."""

    mirror.folder.mkdir()
    handler = functools.partial(Handler, directory=str(mirror.folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_mirror_over_http_as_the_project_names_it(
    machine: Project, mirror: Mirror, server: str
) -> None:
    mirror.add_fake("3.14.99")
    machine.depends(more=f'[tool.provenv]\npython-mirror = "{server}/downloads.json"\n')
    unknown = machine.ok("python", "list", "--offline", "--json").json
    assert unknown["installable"] is None
    assert "offline" in unknown["unknown"]
    machine.ok("python", "install", "3.14")
    gone = machine.fails(3, "python", "install", "3.14", "--mirror", f"{server}/no.json")
    assert "404" in gone.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("3.55",), 1, "no Python that can be installed is 3.55"),
        (("3.9.1",), 1, "no Python that can be installed is 3.9.1"),  # uv has no SHA-256 of it
        (("/usr/bin/python3",), 2, "is a path"),
        (("snake",), 2, "cannot understand"),
        (("3.13", "--mirror", "ftp://x"), 2, "no mirror"),
        (("3.13", "--mirror", "/nowhere.json"), 2, "cannot be read"),
    ],
)
def test_what_cannot_be_installed(
    machine: Project, words: tuple[str, ...], code: int, said: str
) -> None:
    assert said in machine.fails(code, "python", "install", *words).stderr


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1}'])
def test_a_list_that_is_none(machine: Project, tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    told = machine.fails(2, "python", "install", "3.13", "--mirror", str(tmp_path / "bad.json"))
    assert "is not a list of Python downloads" in told.stderr


def test_two_requests_that_mean_one_build_bring_it_once(machine: Project, mirror: Mirror) -> None:
    mirror.add_fake("3.14.99")
    words = ("python", "install", "3.14", "3.14.99", "--mirror", str(mirror.list), "--json")
    assert [one["made"] for one in machine.ok(*words).json["pythons"]] == [True, False]


def test_one_that_cannot_be_had_stops_before_anything_is_brought(
    machine: Project, mirror: Mirror
) -> None:
    mirror.add_fake("3.14.99")
    machine.fails(1, "python", "install", "3.14", "3.55", "--mirror", str(mirror.list))
    assert not managed(machine).exists()


def test_only_what_uv_manages_is_removed(machine: Project, mirror: Mirror) -> None:
    mirror.add_fake("3.12.97")
    machine.ok("python", "install", "3.12", "--mirror", str(mirror.list))
    told = machine.fails(2, "python", "uninstall", "3.13.98").stderr
    assert "`pyenv uninstall 3.13.98` removes it" in told
    assert (versions(machine) / "3.13.98").is_dir()
    machine.ok("python", "uninstall", "3.12")
    assert [p.name for p in managed(machine).glob("[!.]*")] == []
    assert (versions(machine) / "3.12.99").is_dir()
    machine.fails(1, "python", "uninstall", "3.55")
    machine.fails(2, "python", "uninstall", "/usr/bin/python3")


def test_sync_says_what_can_be_installed(locked: Project, mirror: Mirror) -> None:
    mirror.add_fake("3.14.97")
    locked.env["PROVENV_PYTHON_MIRROR"] = str(mirror.list)
    told = locked.fails(1, "sync", "--python", "3.14.97").stderr
    assert "3.12.99" in told
    assert "`provenv python install 3.14.97`" in told


def test_documents_of_what_was_brought_and_removed(machine: Project, mirror: Mirror) -> None:
    mirror.add_fake("3.14.97")
    words = ("python", "install", "3.14", "--mirror", str(mirror.list), "--json")
    check(machine.ok(*words).json, "provenv.python-install/1")
    check(machine.ok("python", "uninstall", "3.14", "--json").json, "provenv.python-uninstall/1")


# Pins


def test_pin_keeps_comments_and_says_which_interpreter_is_meant(machine: Project) -> None:
    machine.depends()
    machine.write(".python-version", "# ours\n3.11  # why\n3.10\n\n# end\n")
    told = machine.ok("python", "pin", "3.12", "--json").json
    assert (told["before"], told["after"]) == (["3.11", "3.10"], ["3.12"])
    assert told["path"] == str(versions(machine) / "3.12.99/bin/python")
    assert machine.read(".python-version") == "# ours\n3.12  # why\n\n# end\n"
    assert machine.ok("python", "pin").stdout.startswith("3.12 →")
    machine.ok("python", "pin", "3.13", ">=3.12, <3.13")
    assert machine.read(".python-version") == "# ours\n3.13  # why\n\n# end\n>=3.12,<3.13\n"
    machine.ok("python", "pin", "--rm")
    assert machine.read(".python-version") == "# ours\n# why\n# end\n"
    machine.fails(1, "python", "pin")
    machine.write(".python-version", "3.12\n")
    machine.ok("python", "pin", "--rm")
    assert not (machine.folder / ".python-version").exists()
    machine.fails(2, "python", "pin", "--rm")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("3.9",), 1, "contradicts requires-python '>=3.11'"),
        (("2",), 1, "contradicts"),
        (("<3.11",), 1, "contradicts"),
        (("/usr/bin/python3",), 2, "is a path"),
        (("snake",), 2, "cannot understand"),
        (("3.12", "--rm"), 2, "--rm"),
    ],
)
def test_a_pin_that_is_refused_writes_nothing(
    machine: Project, words: tuple[str, ...], code: int, said: str
) -> None:
    machine.depends()
    assert said in machine.fails(code, "python", "pin", *words).stderr
    assert not (machine.folder / ".python-version").exists()


def test_a_pin_that_nothing_here_meets_is_written_and_said(machine: Project) -> None:
    machine.depends()
    told = machine.ok("python", "pin", "3.12.55").stderr
    assert "no interpreter here is 3.12.55" in told
    assert machine.read(".python-version") == "3.12.55\n"


def test_who_decides_on_the_interpreter(locked: Project) -> None:
    """The table in docs/how-to/pythons.md, from the last row to the first."""
    add(locked, "3.14.98")
    add(locked, "3.11.98")
    locked.env["PATH"] = "/nowhere"

    def chosen(*words: str, **env: str) -> str:
        locked.env |= env
        shutil.rmtree(locked.folder / ".venv", ignore_errors=True)
        version: str = locked.ok("sync", *words, "--json").json["python"]
        return version

    assert chosen() == "3.14.98"
    (locked.folder.parent / ".tool-versions").write_text("nodejs 20\npython 3.13.98\n")
    assert chosen() == "3.13.98"
    locked.write(".python-version", "3.12.98\n")
    assert chosen() == "3.12.98"
    assert chosen(PYENV_VERSION="3.12.99") == "3.12.99"
    text = locked.read("pyproject.toml")
    locked.pyproject(f'{text}\n[tool.provenv.environments]\ndev = {{ python = "3.11" }}\n')
    locked.ok("lock", "--python", sys.executable)
    assert chosen() == "3.11.98"
    assert chosen("--python", "3.14") == "3.14.98"
    locked.pyproject(text)
    locked.write(".python-version", "3.9\n")
    add(locked, "3.9.98")
    del locked.env["PYENV_VERSION"]
    assert chosen() == "3.14.98"  # requires-python stands above all pins


def test_what_is_skipped_is_said_once_in_a_call(locked: Project) -> None:
    add(locked, "3.14.99").write_text("#!/bin/sh\necho rubbish\n")
    locked.env["PATH"] = "/nowhere"
    told = locked.ok("sync").stderr
    assert told.count("interpreter skipped") == 1
    assert f"{versions(locked)}/3.14.99/bin/python" in told


def test_a_change_of_tool_versions_is_noticed(locked: Project) -> None:
    locked.write(".tool-versions", "python 3.12.98\n")
    assert locked.ok("sync", "--json").json["python"] == "3.12.98"
    locked.write(".tool-versions", "python 3.13.98\n")
    assert locked.ok("sync").stderr.startswith("dev: generation 2 (Python 3.13.98")


@pytest.mark.parametrize("pin", ["system", "no-such-version", "3.12.55"])
def test_a_pin_that_says_nothing_does_not_stop_a_sync(locked: Project, pin: str) -> None:
    locked.ok("sync", "--python", "3.12.98")
    locked.write(".python-version", f"{pin}\n")
    locked.ok("sync")


def test_an_environment_whose_interpreter_is_gone_gets_one_of_the_same_minor(
    locked: Project,
) -> None:
    locked.ok("sync", "--python", "3.12.98")
    shutil.rmtree(versions(locked) / "3.12.98")
    assert "is gone" in str(locked.run("status"))
    told = locked.ok("sync")
    assert "the interpreter of this environment is gone" in told.stderr
    assert "Python 3.12.99" in told.stderr


# Moving environments


def current(project: Project) -> str:
    told = json.loads(project.run("status", "--json").stdout)
    version: str = told["generation"]["python"]
    return version


def test_upgrade_moves_to_the_newest_patch_and_rollback_back(locked: Project) -> None:
    locked.ok("sync", "--python", "3.12.98")
    would = locked.ok("python", "upgrade", "--dry-run", "--json").json["environments"]
    assert [(m["before"], m["after"], m["state"]) for m in would] == [
        ("3.12.98", "3.12.99", "would-move")
    ]
    assert current(locked) == "3.12.98"
    (move,) = locked.ok("python", "upgrade", "--json").json["environments"]
    assert (move["after"], move["state"], move["generation"]) == ("3.12.99", "moved", 2)
    assert current(locked) == "3.12.99"
    assert locked.ok("sync").stderr == "dev: nothing to do: generation 2\n"
    (again,) = locked.ok("python", "upgrade", "--json").json["environments"]
    assert again["state"] == "newest"
    locked.ok("rollback")
    assert current(locked) == "3.12.98"
    link = os.readlink(locked.folder / ".venv/current/bin/python")
    assert link == str(versions(locked) / "3.12.98/bin/python")
    assert "nothing to do" in locked.ok("sync").stderr


def test_rollback_to_an_interpreter_that_is_gone_is_refused(locked: Project) -> None:
    locked.ok("sync", "--python", "3.12.98")
    locked.ok("python", "upgrade")
    shutil.rmtree(versions(locked) / "3.12.98")
    told = locked.fails(1, "rollback").stderr
    assert "3.12.98" in told
    assert current(locked) == "3.12.99"


def test_upgrade_heeds_what_the_project_asks_for(locked: Project) -> None:
    locked.ok("sync", "--python", "3.12.98")
    locked.write(".python-version", "3.12.98\n")
    (move,) = locked.ok("python", "upgrade", "--json").json["environments"]
    assert move["state"] == "held-back"
    assert ".python-version asks for 3.12.98" in move["reason"]
    assert locked.ok("python", "upgrade", "3.13", "--json").json["environments"] == []
    locked.fails(2, "python", "upgrade", "/usr/bin/python3")
    locked.fails(2, "python", "upgrade", "-e", "prod")
    locked.fails(2, "python", "upgrade", "-e", "prod", "--all")


def test_upgrade_leaves_what_a_rollback_chose(locked: Project) -> None:
    locked.ok("sync", "--python", "3.12.98")
    locked.ok("sync", "--python", "3.13.98")
    locked.ok("rollback", "--environment-only")
    (move,) = locked.ok("python", "upgrade", "--json").json["environments"]
    assert (move["state"], move["before"]) == ("held-back", "3.12.98")
    assert "rollback" in move["reason"]


def test_upgrade_of_one_environment_for_each_of_its_pythons(locked: Project) -> None:
    text = locked.read("pyproject.toml")
    more = '[tool.provenv.environments]\ntest = { python = ["3.12", "3.13"] }\n'
    locked.pyproject(f"{text}\n{more}")
    locked.ok("lock", "--python", sys.executable)
    locked.ok("sync", "-e", "test@3.12", "--python", "3.12.98")
    locked.ok("sync", "-e", "test@3.13")
    told = locked.ok("python", "upgrade", "-e", "test", "--json").json["environments"]
    assert {(m["environment"], m["after"], m["state"]) for m in told} == {
        ("test@3.12", "3.12.99", "moved"),
        ("test@3.13", "3.13.98", "newest"),
    }


def test_upgrade_of_a_stale_lock_fails_and_moves_nothing(locked: Project) -> None:
    locked.ok("sync", "--python", "3.12.98")
    locked.depends("nothing-of-the-kind")
    (move,) = locked.fails(1, "python", "upgrade", "--json").json["environments"]
    assert move["state"] == "failed"
    assert current(locked) == "3.12.98"


def test_upgrade_all_moves_the_environments_of_every_project(
    locked: Project, tmp_path: Path
) -> None:
    other = Project(tmp_path / "other", home=locked.home)
    gone = Project(tmp_path / "gone", home=locked.home)
    for project in (other, gone):
        project.env = locked.env
        shutil.copytree(locked.folder, project.folder, dirs_exist_ok=True)
    for project in (locked, other, gone):
        project.ok("sync", "--python", "3.12.98")
    locked.ok("sync", "-e", "prod", "--python", "3.13.98")
    for name in ("pyproject.toml", "pylock.toml"):
        (gone.folder / name).unlink()
    told = other.fails(1, "python", "upgrade", "--all", "--json").json["environments"]
    states = {(m["folder"], m["state"]) for m in told}
    assert states == {
        (f"{locked.folder}/.venv", "moved"),
        (f"{locked.folder}/.venvs/prod", "newest"),
        (f"{other.folder}/.venv", "moved"),
        (f"{gone.folder}/.venv", "failed"),
    }
    assert (current(locked), current(other)) == ("3.12.99", "3.12.99")


def test_upgrade_installs_the_newest_patch_first_where_asked(
    locked: Project, mirror: Mirror
) -> None:
    mirror.add_fake("3.12.100")
    mirror.add_fake("3.14.1")
    locked.ok("sync", "--python", "3.12.98")
    (move,) = locked.ok(
        "python", "upgrade", "--install", "--mirror", str(mirror.list), "--json"
    ).json["environments"]
    assert (move["after"], move["state"]) == ("3.12.100", "moved")
    assert move["executable"].startswith(str(managed(locked)))
    assert [p.name for p in managed(locked).glob("*3.14*")] == []
