"""An sdist becomes an object once, in an environment of its own, and whatever goes wrong is said."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from provenv.building import Built
from provenv.core.errors import (
    BuildError,
    InputError,
    IntegrityError,
    NetworkError,
    UnsatisfiableError,
)
from provenv.core.events import (
    BuildOutput,
    Event,
    ItemFinished,
    ItemStarted,
    PhaseFinished,
    PhaseStarted,
)
from provenv.core.files import remove_tree
from provenv.core.values import replace
from provenv.model.plan import Artifact
from provenv.store.verify import verify_object
from support import make_sdist, make_source, make_wheel
from unit.building.helpers import BACKEND, PYPROJECT, Bench, pack, sdist_of, this_interpreter

Demo = Callable[..., Artifact]


def imported(built: Built, expression: str, module: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", f"import {module}; print({expression})"],
        env={"PYTHONPATH": f"{built.object.folder}/site"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def test_an_sdist_becomes_an_object(bench: Bench, tmp_path: Path) -> None:
    path = make_sdist(tmp_path, "alpha", "1.2")
    built = bench.builder().build(sdist_of(path), base=str(tmp_path))
    assert (built.object.name, built.object.version) == ("alpha", "1.2")
    assert imported(built, "alpha.__version__", "alpha") == "1.2"
    assert verify_object(built.object) == []
    assert built.direct_url is None
    assert built.inputs == ()
    assert not built.cached
    assert bench.left_over() == []


def test_what_was_built_is_not_built_again(bench: Bench, tmp_path: Path) -> None:
    artifact = sdist_of(make_sdist(tmp_path, "alpha", "1.2"))
    first = bench.builder().build(artifact, base=str(tmp_path))
    bench.events.clear()
    (tmp_path / artifact.filename).unlink()
    again = bench.builder(offline=True).build(artifact, base=str(tmp_path))
    assert again.cached
    assert again.object.sha256 == first.object.sha256
    assert bench.events == []


def test_each_interpreter_has_a_build_of_its_own(bench: Bench, tmp_path: Path) -> None:
    artifact = sdist_of(make_sdist(tmp_path, "alpha", "1.2"))
    bench.builder().build(artifact, base=str(tmp_path))
    here = this_interpreter()
    other = replace(here, tags=("cp399-cp399-linux_x86_64", *here.tags))
    assert not bench.builder(interpreter=other).build(artifact, base=str(tmp_path)).cached


def test_the_same_sdist_gives_the_same_bytes(bench: Bench, demo: Demo, tmp_path: Path) -> None:
    artifact = demo("""
def build_wheel(folder, config_settings=None, metadata_directory=None):
    return write(folder, {"when.txt": os.environ["SOURCE_DATE_EPOCH"]})
""")
    built = bench.builder().build(artifact, base=str(tmp_path))
    assert Path(built.object.folder, "site/when.txt").read_text() == "1580601600"


def test_a_build_is_announced_and_followed(bench: Bench, tmp_path: Path) -> None:
    artifact = sdist_of(make_sdist(tmp_path, "alpha", "1.2"))
    bench.builder().build(artifact, base=str(tmp_path))
    assert bench.notes == ["building alpha 1.2 from its sdist"]
    assert "tiny_backend: at work" in bench.output
    kinds = [type(e) for e in bench.events if not isinstance(e, BuildOutput)][1:]
    assert kinds == [PhaseStarted, ItemStarted, ItemFinished, PhaseFinished]


def test_build_requirements_are_brought(bench: Bench, tmp_path: Path) -> None:
    bench.index.add(make_wheel(tmp_path / "served", "helper", "2.0"))
    path = make_sdist(tmp_path, "alpha", "1.2", build_requires=["helper>=1"], uses="helper")
    bench.builder().build(sdist_of(path), base=str(tmp_path))
    assert bench.left_over() == []


def test_an_undeclared_build_requirement_is_missing(bench: Bench, tmp_path: Path) -> None:
    path = make_sdist(tmp_path, "alpha", "1.2", uses="packaging")  # the tests' own Python has it
    with pytest.raises(BuildError) as caught:
        bench.builder().build(sdist_of(path), base=str(tmp_path))
    assert "No module named 'packaging'" in caught.value.message
    assert "not declared" in (caught.value.hint or "")


def test_requirements_that_the_backend_asks_for_are_brought(
    bench: Bench, demo: Demo, tmp_path: Path
) -> None:
    bench.index.add(make_wheel(tmp_path / "served", "helper", "2.0"))
    artifact = demo("""
def get_requires_for_build_wheel(config_settings=None):
    return ["helper", "absent; python_version < '3'"]
def build_wheel(folder, config_settings=None, metadata_directory=None):
    import helper
    return write(folder, {"version.txt": helper.__version__})
""")
    built = bench.builder().build(artifact, base=str(tmp_path))
    assert Path(built.object.folder, "site/version.txt").read_text() == "2.0"


def test_a_build_requirement_that_is_an_sdist_is_built_first(bench: Bench, tmp_path: Path) -> None:
    bench.index.add(make_sdist(tmp_path / "served", "helper", "2.0"))
    path = make_sdist(tmp_path, "alpha", "1.2", build_requires=["helper"], uses="helper")
    bench.builder().build(sdist_of(path), base=str(tmp_path))
    assert bench.notes == [
        "building alpha 1.2 from its sdist",
        "building helper 2.0 from its sdist",
    ]
    assert [e.phase for e in bench.events if isinstance(e, PhaseStarted)] == ["build"]


def test_a_circle_of_build_requirements_is_named(bench: Bench, tmp_path: Path) -> None:
    served = tmp_path / "served"
    bench.index.add(make_sdist(served, "alpha", "1.0", build_requires=["beta"]))
    bench.index.add(make_sdist(served, "beta", "1.0", build_requires=["alpha"]))
    artifact = sdist_of(served / "alpha-1.0.tar.gz")
    with pytest.raises(BuildError) as caught:
        bench.builder().build(artifact, base=str(served))
    assert "alpha → beta → alpha" in caught.value.message
    assert bench.left_over() == []


def test_equal_build_requirements_are_resolved_once(bench: Bench, tmp_path: Path) -> None:
    bench.index.add(make_wheel(tmp_path / "served", "helper", "2.0"))
    builder = bench.builder()
    asked = []
    for name in ("alpha", "beta"):
        path = make_sdist(tmp_path, name, "1.0", build_requires=["helper"], uses="helper")
        builder.build(sdist_of(path), base=str(tmp_path))
        asked.append(len(bench.index.paths()))
    assert asked[0] > 0
    assert asked[1] == asked[0]


def test_resolutions_outlive_the_run_and_the_network(bench: Bench, tmp_path: Path) -> None:
    bench.index.add(make_wheel(tmp_path / "served", "helper", "2.0"))
    one = make_sdist(tmp_path, "alpha", "1.0", build_requires=["helper"], uses="helper")
    two = make_sdist(tmp_path, "beta", "1.0", build_requires=["helper"], uses="helper")
    bench.builder().build(sdist_of(one), base=str(tmp_path))
    for record in Path(bench.layout.builds).glob("requires-*.json"):
        text = record.read_text().replace('"time":', '"time":1,"was":')
        record.write_text(text)
    built = bench.builder(offline=True).build(sdist_of(two), base=str(tmp_path))
    assert built.object.name == "beta"


def test_old_resolutions_are_made_anew(bench: Bench, tmp_path: Path) -> None:
    bench.index.add(make_wheel(tmp_path / "served", "helper", "2.0"))
    code = "def get_requires_for_build_wheel(config_settings=None):\n    return []\n"
    pyproject = PYPROJECT.replace("requires = []", 'requires = ["helper"]')
    say = """
def build_wheel(folder, config_settings=None, metadata_directory=None):
    import helper
    return write(folder, {"version.txt": helper.__version__})
"""
    seen = []
    for version in ("1", "2"):
        files = {"pyproject.toml": pyproject, "backend.py": BACKEND + code + say + f"# {version}"}
        built = bench.builder().build(sdist_of(pack(tmp_path, files)), base=str(tmp_path))
        seen.append(Path(built.object.folder, "site/version.txt").read_text())
        for record in Path(bench.layout.builds).glob("requires-*.json"):
            record.write_text(record.read_text().replace('"time":', '"time":1,"was":'))
        bench.index.add(make_wheel(tmp_path / "served", "helper", "3.0"))
        remove_tree(f"{bench.layout.cache}/uv")  # which honours the index's max-age
    assert seen == ["2.0", "3.0"]


def test_a_failing_backend_shows_what_it_wrote(bench: Bench, tmp_path: Path) -> None:
    path = make_sdist(tmp_path, "alpha", "1.2", fail="the frobnicator is missing")
    with pytest.raises(BuildError) as caught:
        bench.builder().build(sdist_of(path), base=str(tmp_path))
    error = caught.value
    assert error.message.startswith(
        "alpha 1.2 cannot be built: its build backend 'tiny_backend' failed"
    )
    assert "the frobnicator is missing" in error.message
    output = error.details["output"]
    assert isinstance(output, list)
    assert output[-1] == "the frobnicator is missing"
    assert error.hint
    assert bench.left_over() == []
    assert not list(Path(bench.layout.wheels).rglob("object.json"))


def test_only_the_last_lines_are_kept(bench: Bench, demo: Demo, tmp_path: Path) -> None:
    artifact = demo("""
def build_wheel(folder, config_settings=None, metadata_directory=None):
    for number in range(1000):
        print("line", number)
    raise SystemExit(1)
""")
    with pytest.raises(BuildError) as caught:
        bench.builder().build(artifact, base=str(tmp_path))
    output = caught.value.details["output"]
    assert isinstance(output, list)
    assert output == [f"line {number}" for number in range(940, 1000)]
    assert len(bench.output) == 1000


def test_warnings_of_a_backend_are_output(bench: Bench, demo: Demo, tmp_path: Path) -> None:
    artifact = demo("""
def build_wheel(folder, config_settings=None, metadata_directory=None):
    import warnings
    warnings.warn("classifiers are out of fashion")
    return write(folder, {})
""")
    bench.builder().build(artifact, base=str(tmp_path))  # a warning would fail this test
    assert "classifiers are out of fashion" in "\n".join(bench.output)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ImportError('no such luck')", "cannot be imported"),
        ("del build_wheel", "failed"),
        ("def build_wheel(*a, **k): os._exit(0)", "without an answer"),
        ("def build_wheel(*a, **k): return '../demo.whl'", "is no wheel"),
        ("def build_wheel(*a, **k): os.kill(os.getpid(), 9)", "signal 9"),
        ("def get_requires_for_build_wheel(*a, **k): return 'x'", "no list of requirements"),
    ],
)
def test_broken_backends(bench: Bench, demo: Demo, tmp_path: Path, code: str, said: str) -> None:
    with pytest.raises(BuildError, match=said):
        bench.builder().build(demo(code), base=str(tmp_path))


def test_the_environment_of_a_build_is_clean(bench: Bench, demo: Demo, tmp_path: Path) -> None:
    artifact = demo("""
def build_wheel(folder, config_settings=None, metadata_directory=None):
    import json, shutil
    text = json.dumps({**os.environ, "which": shutil.which("python"), "prefix": sys.prefix})
    return write(folder, {"environ.json": text})
""")
    bench.environ.update(
        {
            "PYTHONPATH": "/elsewhere",
            "VIRTUAL_ENV": "/elsewhere",
            "PIP_INDEX_URL": "https://user:secret@example.org",
            "PROVENV_INDEX_CORP_PASSWORD": "secret",
            "UV_INDEX_CORP_PASSWORD": "secret",
            "CFLAGS": "-O1",
        }
    )
    built = bench.builder().build(artifact, base=str(tmp_path))
    import json

    seen = json.loads(Path(built.object.folder, "site/environ.json").read_text())
    assert "secret" not in str(seen)
    assert "/elsewhere" not in str(seen)
    assert seen["CFLAGS"] == "-O1"
    assert seen["HOME"] == bench.environ["HOME"]
    assert seen["which"] == seen["PATH"].split(os.pathsep)[0] + "/python"
    assert seen["prefix"].startswith(os.path.realpath(bench.layout.tmp))


def test_an_interrupt_ends_the_backend_and_its_children(
    bench: Bench, demo: Demo, tmp_path: Path
) -> None:
    artifact = demo("""
def build_wheel(folder, config_settings=None, metadata_directory=None):
    import subprocess
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    print("started", os.getpid(), child.pid)
    child.wait()
""")
    pids: list[int] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, BuildOutput) and event.line.startswith("started"):
            pids.extend(int(word) for word in event.line.split()[1:])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.builder(emit=interrupt).build(artifact, base=str(tmp_path))
    assert len(pids) == 2
    deadline = time.monotonic() + 5
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(alive(pid) for pid in pids)
    assert bench.left_over() == []


def test_a_daemon_that_a_backend_leaves_is_not_waited_for(
    bench: Bench, demo: Demo, tmp_path: Path
) -> None:
    artifact = demo("""
def build_wheel(folder, config_settings=None, metadata_directory=None):
    import subprocess
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    print("daemon", child.pid, end="")
    return write(folder, {})
""")
    started = time.monotonic()
    bench.builder().build(artifact, base=str(tmp_path))
    assert time.monotonic() - started < 30
    (said,) = (line for line in bench.output if line.startswith("daemon"))
    deadline = time.monotonic() + 5
    while alive(int(said.split()[1])) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(int(said.split()[1]))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize("no_build", [True, ("alpha",)])
def test_builds_can_be_forbidden(
    bench: Bench, tmp_path: Path, no_build: bool | tuple[str, ...]
) -> None:
    artifact = sdist_of(make_sdist(tmp_path, "alpha", "1.2"))
    bench.builder().build(artifact, base=str(tmp_path))  # that it was built once does not matter
    with pytest.raises(UnsatisfiableError) as caught:
        bench.builder(no_build=no_build).build(artifact, base=str(tmp_path))
    assert "alpha 1.2" in caught.value.message
    assert "only an sdist" in caught.value.message
    assert "no-build" in (caught.value.hint or "")


def test_a_ban_reaches_build_requirements(bench: Bench, tmp_path: Path) -> None:
    bench.index.add(make_sdist(tmp_path / "served", "helper", "2.0"))
    root = make_source(tmp_path / "alpha", "alpha", "1.0", build_requires=["helper"])
    with pytest.raises(UnsatisfiableError, match="helper"):
        bench.builder(no_build=True).build_project(str(root), "alpha", editable=True)
    assert bench.output == []


def test_a_build_requirement_that_cannot_be_had_says_what_needs_it(
    bench: Bench, tmp_path: Path
) -> None:
    path = make_sdist(tmp_path, "alpha", "1.2", build_requires=["absent>=3"])
    with pytest.raises(UnsatisfiableError) as caught:
        bench.builder().build(sdist_of(path), base=str(tmp_path))
    assert caught.value.message.startswith(
        "alpha 1.2 cannot be built, because its build requirements"
    )
    assert "absent>=3" in caught.value.message
    assert caught.value.details["build-of"] == "alpha 1.2"


def test_a_failing_build_requirement_says_what_needs_it(bench: Bench, tmp_path: Path) -> None:
    bench.index.add(make_sdist(tmp_path / "served", "helper", "2.0", fail="no frobnicator"))
    path = make_sdist(tmp_path, "alpha", "1.2", build_requires=["helper"])
    with pytest.raises(BuildError) as caught:
        bench.builder().build(sdist_of(path), base=str(tmp_path))
    for part in ("alpha 1.2 cannot be built", "helper 2.0 cannot be built", "no frobnicator"):
        assert part in caught.value.message


def test_a_ban_on_one_package_leaves_the_others(bench: Bench, tmp_path: Path) -> None:
    artifact = sdist_of(make_sdist(tmp_path, "alpha", "1.2"))
    builder = bench.builder(no_build=("beta",))
    assert builder.build(artifact, base=str(tmp_path)).object.name == "alpha"


@pytest.mark.parametrize(("name", "version"), [("other", "1.2"), ("alpha", "1.3")])
def test_another_distribution_than_locked_is_refused(
    bench: Bench, tmp_path: Path, name: str, version: str
) -> None:
    artifact = sdist_of(make_sdist(tmp_path, "alpha", "1.2"), name, version)
    with pytest.raises(IntegrityError) as caught:
        bench.builder().build(artifact, base=str(tmp_path))
    assert caught.value.details["wanted"] == f"{name} {version}"
    assert caught.value.details["found"] == "alpha 1.2"
    assert not list(Path(bench.layout.wheels).rglob("object.json"))


def test_names_and_versions_are_compared_as_what_they_mean(bench: Bench, tmp_path: Path) -> None:
    artifact = sdist_of(make_sdist(tmp_path, "Al.Pha", "1.2.0"), "al-pha", "1.2")
    assert bench.builder().build(artifact, base=str(tmp_path)).object.name == "al-pha"


def test_other_bytes_than_locked_are_never_unpacked(bench: Bench, tmp_path: Path) -> None:
    artifact = sdist_of(make_sdist(tmp_path, "alpha", "1.2"))
    with pytest.raises(IntegrityError):
        bench.builder().build(replace(artifact, sha256="0" * 64), base=str(tmp_path))
    assert bench.output == []
    assert bench.left_over() == []


def test_a_wheel_for_another_interpreter_is_refused(
    bench: Bench, demo: Demo, tmp_path: Path
) -> None:
    artifact = demo('name = "demo-1.0-cp27-cp27m-win32.whl"')
    with pytest.raises(BuildError, match="not for Python"):
        bench.builder().build(artifact, base=str(tmp_path))


def test_a_folder_that_is_no_project(bench: Bench, tmp_path: Path) -> None:
    artifact = sdist_of(pack(tmp_path, {"README": "nothing here"}))
    with pytest.raises(InputError, match=r"neither pyproject\.toml nor setup\.py") as caught:
        bench.builder().build(artifact, base=str(tmp_path))
    assert caught.value.message.startswith("demo 1.0: ")  # not the folder that it was unpacked in


@pytest.mark.parametrize(
    ("pyproject", "said"),
    [
        ("[build-system]\n", "no `requires`"),
        ('[build-system]\nrequires = ["=x"]\n', "not a requirement"),
        ('[build-system]\nrequires = []\nbackend-path = ["../up"]\n', "outside"),
        ("[build-system\n", "not valid TOML"),
    ],
)
def test_broken_build_systems(bench: Bench, tmp_path: Path, pyproject: str, said: str) -> None:
    artifact = sdist_of(pack(tmp_path, {"pyproject.toml": pyproject}))
    with pytest.raises(InputError, match=said):
        bench.builder().build(artifact, base=str(tmp_path))


def test_an_interpreter_too_old_to_build_is_said(bench: Bench, tmp_path: Path) -> None:
    artifact = sdist_of(make_sdist(tmp_path, "alpha", "1.2"))
    old = replace(this_interpreter(), version="3.6.15")
    with pytest.raises(UnsatisfiableError, match=r"3\.7 or newer"):
        bench.builder(interpreter=old).build(artifact, base=str(tmp_path))


def test_offline_an_sdist_that_was_never_built_cannot_be_fetched(
    bench: Bench, tmp_path: Path
) -> None:
    path = make_sdist(tmp_path, "alpha", "1.2")
    bench.index.add(path)
    artifact = replace(sdist_of(path), path="", url=bench.index.file_url(path.name))
    with pytest.raises(NetworkError):
        bench.builder(offline=True).build(artifact, base=str(tmp_path))


def test_damaged_build_requirements_are_fetched_anew(bench: Bench, tmp_path: Path) -> None:
    bench.index.add(make_wheel(tmp_path / "served", "helper", "2.0"))
    one = make_sdist(tmp_path, "alpha", "1.0", build_requires=["helper"], uses="helper")
    two = make_sdist(tmp_path, "beta", "1.0", build_requires=["helper"], uses="helper")
    bench.builder().build(sdist_of(one), base=str(tmp_path))
    (helper,) = Path(bench.layout.wheels).rglob("site/helper")
    helper.chmod(0o755)
    (helper / "__init__.py").unlink()
    (helper / "planted.py").write_text("")
    assert bench.builder().build(sdist_of(two), base=str(tmp_path)).object.name == "beta"
    (helper,) = Path(bench.layout.wheels).rglob("site/helper")
    assert sorted(os.listdir(helper)) == ["__init__.py", "__pycache__"]
