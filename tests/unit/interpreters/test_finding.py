from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from provenv.core.errors import UnsatisfiableError, UsageError
from provenv.interpreters import Search, find, list_interpreters, read_python_version
from unit.interpreters.helpers import (
    PYENV,
    Heard,
    fake_python,
    installed_versions,
    nowhere,
    script,
)


def pyenv(root: Path, *versions: str, log: Path | None = None) -> Path:
    """A pyenv root with such versions, each a folder ``versions/3.12.1/bin/python``."""
    for name in versions:
        numbers = name.removeprefix("pypy").partition("-")[0].removesuffix("t")
        fake_python(
            root / "versions" / name / "bin/python",
            numbers if numbers.count(".") == 2 else f"{numbers}.0",
            log=log,
            implementation="pypy" if name.startswith("pypy") else "cpython",
            free_threaded=name.endswith("t"),
        )
    return root


def test_without_a_request_the_first_on_path_is_taken(tmp_path: Path, cache: str) -> None:
    fake_python(tmp_path / "a/python3", "3.11.5")
    fake_python(tmp_path / "b/python3", "3.13.0")
    search = nowhere(path=(str(tmp_path / "a"), str(tmp_path / "b")))
    assert find((), None, search, cache=cache).version == "3.11.5"
    assert find((), ">=3.12", search, cache=cache).version == "3.13.0"


def test_only_what_can_fit_is_run(tmp_path: Path, cache: str) -> None:
    log = tmp_path / "log"
    for minor in range(6, 14):
        fake_python(tmp_path / f"bin/python3.{minor}", f"3.{minor}.0", log=log)
    search = nowhere(path=(str(tmp_path / "bin"),))
    assert find(["3.9"], None, search, cache=cache).version == "3.9.0"
    assert log.read_text().split() == ["python3.9"]
    assert find((), None, search, cache=cache).version == "3.13.0"
    assert log.read_text().split() == ["python3.9", "python3.13"]


def test_folder_names_under_pyenv_rule_out_before_anything_runs(tmp_path: Path, cache: str) -> None:
    log = tmp_path / "log"
    root = pyenv(tmp_path / "pyenv", "3.11.7", "3.12.1", "3.13.0", log=log)
    found = find([">=3.11,<3.13"], None, nowhere(pyenv_root=str(root)), cache=cache)
    assert found.version == "3.12.1"
    assert len(log.read_text().split()) == 1
    assert found.source == "pyenv"


def test_what_is_not_preferred_runs_only_when_nothing_else_fits(tmp_path: Path, cache: str) -> None:
    log = tmp_path / "log"
    root = pyenv(tmp_path / "pyenv", "3.14.0rc1", "pypy3.12-7.3.20", "3.13.1t", "3.13.0", log=log)
    search = nowhere(pyenv_root=str(root))
    assert find((), None, search, cache=cache).version == "3.13.0"
    assert len(log.read_text().split()) == 1
    # a free-threaded CPython, the closest to what was not there
    (root / "versions/3.13.0/bin/python").unlink()
    assert find((), None, search, cache=cache).version == "3.13.1"
    assert find(["pypy"], None, search, cache=cache).implementation == "pypy"


def test_every_version_under_pyenvs_root_is_found_though_nothing_selects_it(
    tmp_path: Path, cache: str
) -> None:
    root = pyenv(tmp_path / "pyenv", "3.9.18", "3.10.13", "3.13.0")
    found = list_interpreters(nowhere(pyenv_root=str(root)), cache=cache)
    assert [i.version for i in found] == ["3.13.0", "3.10.13", "3.9.18"]


def test_pyenvs_shims_stand_for_what_pyenv_selects_and_do_not_run(
    tmp_path: Path, cache: str
) -> None:
    root = pyenv(tmp_path / "pyenv", "3.11.7", "3.12.1", "3.13.0")
    log = tmp_path / "log"
    script(root / "shims/python3", f"echo ran >> '{log}'; exec pyenv exec python3")
    (root / "version").write_text("3.11.7\n")
    fake_python(tmp_path / "bin/python3", "3.8.1")
    path = (str(root / "shims"), str(tmp_path / "bin"))
    search = nowhere(path=path, pyenv_root=str(root))
    assert find((), None, search, cache=cache).version == "3.11.7"
    chosen = nowhere(path=path, pyenv_root=str(root), pyenv_version=("3.12.1",))
    assert find((), None, chosen, cache=cache).version == "3.12.1"
    # the shims of another root are known by what they are
    foreign = nowhere(path=path)
    assert find((), None, foreign, cache=cache).version == "3.8.1"
    assert not log.exists()


def test_requests_are_tried_in_order(tmp_path: Path, cache: str) -> None:
    search = nowhere(pyenv_root=str(pyenv(tmp_path / "pyenv", "3.11.7", "3.13.0")))
    assert find(["3.12", "3.11", "3.13"], None, search, cache=cache).version == "3.11.7"
    assert find(["3.11", "3.13"], ">=3.12", search, cache=cache).version == "3.13.0"


@pytest.mark.parametrize(
    ("versions", "requests", "expected"),
    [
        (("3.14.0rc1", "3.13.0"), [], "3.13.0"),
        (("3.14.0rc1", "3.13.0"), ["3.14"], "3.14.0rc1"),
        (("3.14.0rc1",), [], "3.14.0rc1"),
        (("3.14.0rc1", "3.13.0"), ["3.14.0rc1"], "3.14.0rc1"),
        (("pypy3.10-7.3.12", "3.9.1"), [], "3.9.1"),
        (("pypy3.10-7.3.12", "3.9.1"), ["pypy"], "3.10.0"),
        (("pypy3.10-7.3.12",), ["3.10"], "3.10.0"),
        (("pypy3.10-7.3.12", "3.10.1"), ["3.10"], "3.10.1"),
        (("3.13.1t", "3.13.0"), ["3.13"], "3.13.0"),
        (("3.13.1t", "3.13.0"), ["3.13t"], "3.13.1"),
        (("2.7.18", "3.6.1"), [], "3.6.1"),
        (("2.7.18", "3.6.1"), ["2.7"], "2.7.18"),
    ],
)
def test_final_releases_of_ordinary_cpython_are_preferred_unless_asked(
    versions: tuple[str, ...], requests: list[str], expected: str, tmp_path: Path, cache: str
) -> None:
    for number, name in enumerate(versions):  # on PATH, so that only the preference decides
        plain = name.removeprefix("pypy").partition("-")[0].removesuffix("t")
        fake_python(
            tmp_path / str(number) / "python",
            plain if plain.count(".") == 2 else f"{plain}.0",
            implementation="pypy" if name.startswith("pypy") else "cpython",
            free_threaded=name.endswith("t"),
        )
    path = tuple(str(tmp_path / str(number)) for number in range(len(versions)))
    assert find(requests, None, nowhere(path=path), cache=cache).version == expected


def test_request_and_requires_python_that_contradict_are_both_named(
    tmp_path: Path, cache: str
) -> None:
    search = nowhere(pyenv_root=str(pyenv(tmp_path / "pyenv", "3.9.18", "3.13.0")))
    with pytest.raises(UnsatisfiableError, match=r"3\.9 is asked for.*'>=3\.11'.*3\.9\.18"):
        find(["3.9"], ">=3.11", search, cache=cache)
    path = str(tmp_path / "pyenv/versions/3.9.18/bin/python")
    with pytest.raises(UnsatisfiableError, match=r">=3\.11"):
        find([path], ">=3.11", search, cache=cache)


def test_nothing_that_fits_lists_what_there_is(tmp_path: Path, cache: str) -> None:
    search = nowhere(pyenv_root=str(pyenv(tmp_path / "pyenv", "3.9.18", "3.13.0")))
    with pytest.raises(UnsatisfiableError) as caught:
        find(["3.5"], None, search, cache=cache)
    for version in ("3.9.18", "3.13.0"):
        assert f"{version}  {tmp_path}/pyenv/versions/{version}/bin/python" in caught.value.message
    with pytest.raises(UnsatisfiableError, match=r"'>=3\.14'"):
        find((), ">=3.14", search, cache=cache)
    with pytest.raises(UnsatisfiableError, match="none was found at all"):
        find((), None, nowhere(), cache=cache)


def test_bad_requires_python_is_a_usage_error(cache: str) -> None:
    with pytest.raises(UsageError, match="requires-python 'three'"):
        find((), "three", nowhere(), cache=cache)


def test_bad_interpreters_are_skipped_and_named(tmp_path: Path, cache: str, heard: Heard) -> None:
    bad = [
        script(tmp_path / "1/python3", "exec sleep 30"),
        script(tmp_path / "2/python3", "echo rubbish"),
        script(tmp_path / "3/python3", "kill -SEGV $$"),
    ]
    fake_python(tmp_path / "4/python3", "3.12.1")
    search = nowhere(path=tuple(str(tmp_path / str(n)) for n in range(1, 5)))
    found = find((), None, search, cache=cache, emit=heard, time_limit=0.5)
    assert found.version == "3.12.1"
    assert len(heard.warnings) == 3
    for path, warning in zip(bad, heard.warnings, strict=True):
        assert path in warning


def test_a_path_may_be_an_executable_an_environment_or_a_prefix(
    tmp_path: Path, cache: str, this_python: str
) -> None:
    prefix = tmp_path / "opt/python"
    executable = fake_python(prefix / "bin/python3", "3.12.1")
    subprocess.run([this_python, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True)
    for request, expected in (
        (executable, executable),
        (str(prefix), executable),
        (str(tmp_path / "env"), this_python),
        (str(tmp_path / "env/bin/python"), this_python),
    ):
        found = find([request], None, nowhere(), cache=cache)
        assert found.executable == expected
        assert found.source == "request"


def test_a_path_with_no_interpreter_says_so(tmp_path: Path, cache: str) -> None:
    script(tmp_path / "tool", "echo rubbish")
    for request in (tmp_path, tmp_path / "missing"):
        with pytest.raises(UnsatisfiableError, match="no Python interpreter at"):
            find([str(request)], None, nowhere(), cache=cache)
    with pytest.raises(UnsatisfiableError, match="does not answer as a Python"):
        find([str(tmp_path / "tool")], None, nowhere(), cache=cache)


def test_a_path_with_no_interpreter_gives_way_to_the_next_request(
    tmp_path: Path, cache: str
) -> None:
    search = nowhere(pyenv_root=str(pyenv(tmp_path / "pyenv", "3.12.1")))
    assert find(["/missing/python", "3.12"], None, search, cache=cache).version == "3.12.1"
    with pytest.raises(UnsatisfiableError, match="no Python interpreter at /missing/python"):
        find(["/missing/python", "3.5"], None, search, cache=cache)


def test_active_environment_on_path_is_its_base(
    tmp_path: Path, cache: str, this_python: str
) -> None:
    subprocess.run(
        [this_python, "-m", "venv", "--without-pip", str(tmp_path / ".venv")], check=True
    )
    search = nowhere(path=(str(tmp_path / ".venv/bin"),))
    assert [i.executable for i in list_interpreters(search, cache=cache)] == [this_python]


def test_one_interpreter_under_many_names_is_listed_once(tmp_path: Path, cache: str) -> None:
    executable = fake_python(tmp_path / "real/python3.12", "3.12.1")
    script(tmp_path / "wrapped/python3", f"exec '{executable}'")
    for folder, name in (("a", "python"), ("a", "python3"), ("b", "python3.12")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).symlink_to(executable)
    search = nowhere(path=tuple(str(tmp_path / name) for name in ("a", "b", "real", "wrapped")))
    assert [i.executable for i in list_interpreters(search, cache=cache)] == [executable]


def test_uv_other_managers_system_prefixes_and_conda_are_looked_at(
    tmp_path: Path, cache: str
) -> None:
    fake_python(tmp_path / "uv/cpython-3.13.1-linux-x86_64-gnu/bin/python3.13", "3.13.1")
    (tmp_path / "uv/cpython-3.13.1-linux-x86_64-gnu/bin/python3").symlink_to("python3.13")
    fake_python(tmp_path / "asdf/3.12.7/bin/python3", "3.12.7")
    fake_python(tmp_path / "sys/python3", "3.11.2")
    fake_python(tmp_path / "opt/python-3.10/bin/python3", "3.10.4")
    fake_python(tmp_path / "conda/bin/python", "3.12.0")
    fake_python(tmp_path / "conda/envs/science/bin/python", "3.9.0")
    fake_python(tmp_path / "elsewhere/bin/python", "3.8.0")
    (tmp_path / "environments.txt").write_text(f"{tmp_path}/elsewhere\n{tmp_path}/gone\n")
    search = nowhere(
        uv_python_dir=str(tmp_path / "uv"),
        managed=(str(tmp_path / "asdf"),),
        system=(str(tmp_path / "sys"),),
        prefixes=(str(tmp_path / "opt"),),
        conda=(str(tmp_path / "conda"),),
        conda_list=str(tmp_path / "environments.txt"),
    )
    found = list_interpreters(search, cache=cache)
    assert [(i.version, i.source) for i in found] == [
        ("3.13.1", "uv"),
        ("3.12.7", "managed"),
        ("3.11.2", "system"),
        ("3.10.4", "system"),
        ("3.12.0", "conda"),
        ("3.9.0", "conda"),
        ("3.8.0", "conda"),
    ]


def test_pins_decide_where_nothing_is_asked_for(tmp_path: Path, cache: str, heard: Heard) -> None:
    root = str(pyenv(tmp_path / "pyenv", "3.11.7", "3.12.1", "3.13.0", "3.10.1"))
    search = nowhere(pyenv_root=root, pins=("3.11",))
    assert find((), None, search, cache=cache, emit=heard).version == "3.11.7"
    assert find(["3.12"], None, search, cache=cache, emit=heard).version == "3.12.1"
    exact = nowhere(pyenv_root=root, pins=("3.10.1",))
    assert find((), None, exact, cache=cache, emit=heard).version == "3.10.1"
    assert heard.warnings == []


@pytest.mark.parametrize("pin", ["3.5", "3.11", "3.11.7", "my-environment"])
def test_pin_that_cannot_be_met_is_passed_over_with_a_warning(
    pin: str, tmp_path: Path, cache: str, heard: Heard
) -> None:
    root = str(pyenv(tmp_path / "pyenv", "3.11.7", "3.13.0"))
    search = nowhere(pyenv_root=root, pins=("system", pin))
    assert find((), ">=3.12", search, cache=cache, emit=heard).version == "3.13.0"
    assert len(heard.warnings) == 1
    assert heard.warnings[0].startswith(f"the pinned Python {pin} is passed over")


def test_each_pin_that_contradicts_requires_python_is_named_by_its_own_name(
    tmp_path: Path, cache: str, heard: Heard
) -> None:
    root = str(pyenv(tmp_path / "pyenv", "3.9.1", "3.10.1", "3.13.0"))
    search = nowhere(pyenv_root=root, pins=("3.9", "3.10.1"))
    assert find((), ">=3.12", search, cache=cache, emit=heard).version == "3.13.0"
    assert [warning.split(" is passed")[0] for warning in heard.warnings] == [
        "the pinned Python 3.9",
        "the pinned Python 3.10.1",
    ]
    assert "3.9" not in heard.warnings[1]


def test_pyenv_version_goes_before_pins_and_after_requests(tmp_path: Path, cache: str) -> None:
    root = str(pyenv(tmp_path / "pyenv", "3.11.7", "3.12.1", "3.13.0"))
    search = nowhere(pyenv_root=root, pyenv_version=("3.12.1",), pins=("3.11",))
    assert find((), None, search, cache=cache).version == "3.12.1"
    assert find(["3.13"], None, search, cache=cache).version == "3.13.0"


def test_tool_versions_file_counts_where_there_is_no_python_version_file(tmp_path: Path) -> None:
    (tmp_path / ".tool-versions").write_text("nodejs 20.1.0\npython 3.12.1 3.11.7 # two\n")
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / ".tool-versions").write_text("nodejs 18.0.0\n")
    assert read_python_version(str(inner)) == ("3.12.1", "3.11.7")
    (tmp_path / ".python-version").write_text("3.13\n")
    assert read_python_version(str(inner)) == ("3.13",)


def test_python_version_file_is_the_nearest_one_up_to_the_stop(tmp_path: Path) -> None:
    (tmp_path / ".python-version").write_text("3.9\n")
    inner = tmp_path / "project/src"
    inner.mkdir(parents=True)
    assert read_python_version(str(inner)) == ("3.9",)
    assert read_python_version(str(inner), stop=str(tmp_path / "project")) == ()
    (tmp_path / "project/.python-version").write_text("# ours\n3.12.1  # or\n3.11\n\n")
    assert read_python_version(str(inner), stop=str(tmp_path / "project")) == ("3.12.1", "3.11")


def test_search_comes_from_the_values_handed_over(tmp_path: Path) -> None:
    home = str(tmp_path)
    plain = Search.from_environ({}, home)
    assert plain.path == ()
    assert plain.pyenv_root == f"{home}/.pyenv"
    assert plain.uv_python_dir == f"{home}/.local/share/uv/python"
    told = Search.from_environ(
        {
            "PATH": f"/usr/bin:relative::{home}/bin",
            "PYENV_ROOT": "/pyenv",
            "PYENV_VERSION": "3.12.1:3.11.7",
            "UV_PYTHON_INSTALL_DIR": "/uv",
            "CONDA_PREFIX": "/conda/envs/a",
            "CONDA_EXE": "/conda/bin/conda",
        },
        home,
    )
    assert told.path == ("/usr/bin", f"{home}/bin")
    assert (told.pyenv_root, told.uv_python_dir) == ("/pyenv", "/uv")
    assert told.pyenv_version == ("3.12.1", "3.11.7")
    assert told.managed == (
        f"{home}/.asdf/installs/python",
        f"{home}/.local/share/mise/installs/python",
    )
    assert told.conda[:2] == ("/conda/envs/a", "/conda")


def test_all_of_this_machines_pyenv_is_found(cache: str, heard: Heard) -> None:
    versions = installed_versions()
    if not versions:
        pytest.skip("pyenv has no versions here")
    found = list_interpreters(nowhere(pyenv_root=str(PYENV)), cache=cache, emit=heard)
    assert {i.version for i in found} >= set(versions)
    assert heard.warnings == []
    assert all(os.path.isabs(i.executable) for i in found)
