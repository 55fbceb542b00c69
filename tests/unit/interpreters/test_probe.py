from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from provenv.core.errors import UndecidedError
from provenv.interpreters import probe
from unit.interpreters.helpers import fake_python, real, script


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.7", "3.8", "3.11", "3.12", "3.13"])
def test_every_python_says_what_it_is(version: str, cache: str) -> None:
    found = probe(real(version), source="pyenv", cache=cache)
    assert found.minor == version
    assert found.implementation == "cpython"
    assert found.markers["python_version"] == version
    assert found.site_packages == f"lib/python{version}/site-packages"
    assert found.include == f"include/site/python{version}"
    assert found.home == os.path.dirname(found.executable)
    assert not os.path.islink(found.executable)
    assert found.tag.startswith(f"cp{version.replace('.', '')}-cp{version.replace('.', '')}")
    assert found.source == "pyenv"
    assert not found.free_threaded


def test_debians_python_reports_the_layout_of_environments_and_not_dist_packages(
    cache: str,
) -> None:
    if not os.path.exists("/usr/bin/python3") or not os.path.exists("/etc/debian_version"):
        pytest.skip("not a Debian with its own Python")
    found = probe("/usr/bin/python3", source="system", cache=cache)
    assert found.site_packages == f"lib/python{found.minor}/site-packages"
    assert found.home == "/usr/bin"


def test_markers_are_those_of_the_reference_implementation(this_python: str, cache: str) -> None:
    from packaging.markers import default_environment

    assert dict(probe(this_python, source="path", cache=cache).markers) == dict(
        default_environment()
    )


@pytest.mark.parametrize("version", ["3.6", "3.8", "3.13"])
@pytest.mark.parametrize("how", ["--symlinks", "--copies"])
def test_a_virtual_environments_python_is_its_base_interpreter(
    version: str, how: str, tmp_path: Path, cache: str
) -> None:
    base = real(version)
    subprocess.run([base, "-m", "venv", "--without-pip", how, str(tmp_path / "env")], check=True)
    inner = tmp_path / "nested"
    subprocess.run(
        [str(tmp_path / "env/bin/python"), "-m", "venv", "--without-pip", how, str(inner)],
        check=True,
    )
    for environment in (tmp_path / "env", inner):
        found = probe(str(environment / "bin/python"), source="path", cache=cache)
        assert os.path.samefile(found.executable, base)


def test_an_environment_of_generations_is_its_base_interpreter(
    tmp_path: Path, this_python: str, cache: str
) -> None:
    generation = tmp_path / ".venv/generations/1"
    (generation / "bin").mkdir(parents=True)
    (generation / "bin/python").symlink_to(this_python)
    (generation / "pyvenv.cfg").write_text(f"home = {os.path.dirname(this_python)}\n")
    for name in ("bin", "pyvenv.cfg"):
        (tmp_path / ".venv" / name).symlink_to(f"generations/1/{name}")
    found = probe(str(tmp_path / ".venv/bin/python"), source="path", cache=cache)
    assert found.executable == this_python


def test_an_environment_whose_base_is_gone_is_named_as_such(tmp_path: Path, cache: str) -> None:
    script(tmp_path / "env/bin/python", "exit 0")
    (tmp_path / "env/pyvenv.cfg").write_text("home = /nowhere/bin\n")
    with pytest.raises(UndecidedError, match="base interpreter is gone"):
        probe(str(tmp_path / "env/bin/python"), source="path", cache=cache)


def test_nothing_of_the_users_environment_leaks_in(
    tmp_path: Path, cache: str, this_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json.py", "platform.py", "sitecustomize.py", "usercustomize.py"):
        (tmp_path / name).write_text("raise SystemExit('a module of the user was imported')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "json.py"))
    monkeypatch.chdir(tmp_path)
    assert probe(this_python, source="path", cache=cache).executable == this_python


def test_hanging_interpreter_is_given_up_in_time(tmp_path: Path, cache: str) -> None:
    path = script(tmp_path / "python", "exec sleep 30")
    started = time.monotonic()
    with pytest.raises(UndecidedError, match="did not end"):
        probe(path, source="path", cache=cache, time_limit=0.2)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "body",
    [
        "exit 0",
        "echo hello; exit 3",
        "kill -SEGV $$",
        "echo '<provenv-interpreter>{}</provenv-interpreter>'",
        "echo '<provenv-interpreter>[]</provenv-interpreter>'",
        "echo '<provenv-interpreter>not json</provenv-interpreter>'",
        "printf '<provenv-interpreter>{\"version\": '",
        "head -c 100000 /dev/urandom",
    ],
)
def test_rubbish_is_an_error_that_names_the_executable(
    body: str, tmp_path: Path, cache: str
) -> None:
    path = script(tmp_path / "python", body)
    with pytest.raises(UndecidedError) as caught:
        probe(path, source="path", cache=cache)
    assert path in caught.value.message
    assert "interpreter" not in json.loads(Path(cache).read_bytes())["interpreters"][path]


def test_a_wrapper_that_chatters_is_understood_and_stands_for_what_it_starts(
    tmp_path: Path, this_python: str, cache: str
) -> None:
    path = script(tmp_path / "python3", f"echo loading modules; exec '{this_python}' \"$@\"")
    assert probe(path, source="path", cache=cache).executable == this_python


def test_a_shim_is_named_as_what_it_is_and_not_run(tmp_path: Path, cache: str) -> None:
    log = tmp_path / "log"
    body = f'echo ran >> \'{log}\'\nprogram=python3\nexec "/root/.pyenv/libexec/pyenv" exec "$program" "$@"'
    path = script(tmp_path / "shims/python3", body)
    with pytest.raises(UndecidedError, match="shim"):
        probe(path, source="path", cache=cache)
    assert not log.exists()


def test_what_is_known_is_not_asked_again(tmp_path: Path, cache: str) -> None:
    log = tmp_path / "log"
    path = fake_python(tmp_path / "python3.12", "3.12.1", log=log)
    first = probe(path, source="path", cache=cache)
    second = probe(path, source="system", cache=cache)
    assert log.read_text().split() == ["python3.12"]
    assert second.source == "system"
    assert (second.version, second.tags, second.markers) == (
        first.version,
        first.tags,
        first.markers,
    )


def test_changed_executable_is_asked_again(tmp_path: Path, cache: str) -> None:
    path = fake_python(tmp_path / "python3.12", "3.12.1")
    assert probe(path, source="path", cache=cache).version == "3.12.1"
    fake_python(tmp_path / "python3.12", "3.12.2")
    os.utime(path, ns=(0, 12345))
    assert probe(path, source="path", cache=cache).version == "3.12.2"


def test_a_wrappers_entry_ends_when_what_it_starts_changes(tmp_path: Path, cache: str) -> None:
    inner = fake_python(tmp_path / "real/python3.12", "3.12.1")
    log = tmp_path / "log"
    outer = script(tmp_path / "python3", f"echo ran >> '{log}'; exec '{inner}' \"$@\"")
    probe(outer, source="path", cache=cache)
    fake_python(tmp_path / "real/python3.12", "3.12.2")
    os.utime(inner, ns=(0, 12345))
    assert probe(outer, source="path", cache=cache).version == "3.12.2"
    assert log.read_text().split() == ["ran", "ran"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'{"format": 99, "interpreters": {}}',
        b'{"format": 1, "interpreters": []}',
        b'{"format": 1, "interpreters": {"PATH": 7}}',
        b'{"format": 1, "interpreters": {"PATH": {"key": [], "interpreter": {}}}}',
    ],
)
def test_broken_cache_is_replaced(content: bytes, tmp_path: Path, cache: str) -> None:
    path = fake_python(tmp_path / "python3.12", "3.12.1")
    Path(cache).parent.mkdir()
    Path(cache).write_bytes(content.replace(b"PATH", path.encode()))
    assert probe(path, source="path", cache=cache).version == "3.12.1"
    assert path in json.loads(Path(cache).read_bytes())["interpreters"]


def test_half_an_entry_is_asked_again(tmp_path: Path, cache: str) -> None:
    path = fake_python(tmp_path / "python3.12", "3.12.1")
    probe(path, source="path", cache=cache)
    content = json.loads(Path(cache).read_bytes())
    del content["interpreters"][path]["interpreter"]["markers"]
    Path(cache).write_text(json.dumps(content))
    assert probe(path, source="path", cache=cache).markers["python_version"] == "3.12"


def test_cache_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    path = fake_python(tmp_path / "python3.12", "3.12.1")
    (tmp_path / "file").write_text("")
    assert probe(path, source="path", cache=str(tmp_path / "file/cache.json")).version == "3.12.1"


def test_what_has_vanished_leaves_the_cache(tmp_path: Path, cache: str) -> None:
    gone = fake_python(tmp_path / "python3.11", "3.11.1")
    probe(gone, source="path", cache=cache)
    os.unlink(gone)
    kept = fake_python(tmp_path / "python3.12", "3.12.1")
    probe(kept, source="path", cache=cache)
    assert list(json.loads(Path(cache).read_bytes())["interpreters"]) == [kept]


PROBE_MANY = """
import sys
from provenv.interpreters import probe
for path in sys.argv[2:]:
    print(probe(path, source="path", cache=sys.argv[1]).version)
"""


def test_processes_that_write_at_once_neither_crash_nor_break_the_file(
    tmp_path: Path, cache: str
) -> None:
    paths = [fake_python(tmp_path / f"python3.{n}", f"3.{n}.0") for n in range(6, 12)]
    children = [
        subprocess.Popen(
            [sys.executable, "-c", PROBE_MANY, cache, *order],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for order in (paths, paths[::-1], paths)
    ]
    outputs = [child.communicate(timeout=60)[0].split() for child in children]
    assert [child.returncode for child in children] == [0, 0, 0]
    assert outputs[0] == outputs[2] == outputs[1][::-1] == [f"3.{n}.0" for n in range(6, 12)]
    assert json.loads(Path(cache).read_bytes())["format"] == 1
