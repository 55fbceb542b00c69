"""Tools inside an environment see what they would see in any other one, linked or copied."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from provenv.tools.uv import find_uv
from support import Index, Project, build_library, make_wheel, needs_gcc
from support.many import few
from support.pips import pip_to_start
from support.wheels import module_name

MODES = ("linked", "hardlink", "copy")
PKGUTIL = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
TOOL = "import sys\ndef main():\n    print('tool', *sys.argv[1:])\n    return 3\n"


def publish(index: Index, folder: Path) -> list[str]:
    wheels = [
        make_wheel(
            folder, "Alpha.Lib", "1.0", requires=["beta>=1"], extras={"fast": ["gamma"]},
            files={"alpha/__init__.py": TOOL, "alpha/__main__.py": "print('as a module')\n",
                   "alpha/py.typed": "", "alpha/sub/__init__.py": "", "alpha/data.txt": "data\n"},
            entry_points={"console_scripts": {"alpha": "alpha:main", "alpha-obj": "beta:OBJ.run",
                                              "alpha extra": "alpha:main"},
                          "gui_scripts": {"alpha-gui": "alpha:main"},
                          "some.group": {"point": "alpha.sub", "other": "beta:OBJ"}},
            scripts={"alpha.py-script": "#!python\nimport alpha; print('script', alpha.__name__)\n",
                     "alpha-shell": '#!/bin/sh\necho shell "$@"\n'},
            data={"share/jupyter/kernels/alpha/kernel.json": "{}\n", "etc/alpha.conf": "x\n",
                  "share/man/man1/alpha.1": ".TH\n"},
            headers={"alpha.h": "#define ALPHA 1\n"},
        ),
        make_wheel(
            folder, "beta", "1.5",
            files={"beta.py": "class OBJ:\n    run = staticmethod(lambda: print('object'))\n",
                   "beta.pth": "import beta_start\n", "beta_start.py": "import sys; sys.beta = 1\n",
                   "beta_more.pth": "beta_path\n", "beta_path/beta_inside.py": "x = 1\n"},
            data={"share/jupyter/kernels/beta/kernel.json": "{}\n"},
        ),
        make_wheel(folder, "space-one", "1", files={"space/one.py": "x = 1\n"}),
        make_wheel(folder, "space-two", "1", files={"space/deep/two.py": "x = 2\n"}),
        make_wheel(folder, "old-one", "1", files={"old/__init__.py": PKGUTIL, "old/one.py": "x = 1\n"}),
        make_wheel(folder, "old-two", "1", files={"old/__init__.py": PKGUTIL, "old/two.py": "x = 2\n"}),
    ]  # fmt: skip
    for wheel in wheels:
        index.add(wheel)
    return ["alpha-lib", "beta", "space-one", "space-two", "old-one", "old-two"]


@pytest.fixture(params=few(MODES, 1))
def env(request: pytest.FixtureRequest, project: Project, index: Index, tmp_path: Path) -> Project:
    project.depends(*publish(index, tmp_path / "wheels"))
    project.ok("sync", "--link-mode", request.param)
    return project


def outside(project: Project, *command: str) -> str:
    done = subprocess.run(
        command, cwd=project.folder, env=project.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def python_of(project: Project) -> str:
    return str(project.folder / ".venv/bin/python")


@pytest.mark.slow
def test_pip_and_uv_list_what_is_there(env: Project) -> None:
    pip = [python_of(env), pip_to_start(), "--disable-pip-version-check"]
    uv = [find_uv(), "pip"]
    seen = {
        row["name"].lower().replace(".", "-"): row["version"]
        for row in json.loads(outside(env, *pip, "list", "--format=json"))
    }
    assert seen == {"alpha-lib": "1.0", "beta": "1.5"} | dict.fromkeys(
        ("space-one", "space-two", "old-one", "old-two"), "1"
    )
    listed = json.loads(outside(env, *uv, "list", "--format=json", "--python", python_of(env)))
    assert {row["name"]: row["version"] for row in listed} == seen
    assert "No broken requirements" in outside(env, *pip, "check")
    outside(env, *uv, "check", "--python", python_of(env))
    assert "Requires: beta" in outside(env, *pip, "show", "alpha-lib")
    assert "beta" in outside(env, *uv, "show", "alpha-lib", "--python", python_of(env))
    assert "beta==1.5" in outside(env, *pip, "freeze")
    inspected = json.loads(outside(env, *pip, "inspect"))
    assert {row["installer"] for row in inspected["installed"]} == {"provenv"}


def test_metadata_answers_everything(env: Project) -> None:
    found = json.loads(
        env.python(
            "import importlib.metadata as m, json\n"
            "d = m.distribution('Alpha.Lib')\n"
            "print(json.dumps({'files': sorted(map(str, d.files)), 'requires': d.requires,\n"
            "  'groups': sorted(m.entry_points().groups),\n"
            "  'scripts': sorted(e.name for e in m.entry_points(group='console_scripts')),\n"
            "  'loaded': m.entry_points(group='some.group')['point'].load().__name__,\n"
            "  'tops': m.packages_distributions()['alpha'],\n"
            "  'located': all(f.locate().exists() for f in d.files),\n"
            "  'text': next(f for f in d.files if f.name == 'data.txt').read_text()}))"
        )
    )
    assert {"alpha/__init__.py", "alpha/data.txt", "alpha/py.typed"} <= set(found["files"])
    assert found["requires"] == ["beta>=1", 'gamma ; extra == "fast"']
    assert found["groups"] == ["console_scripts", "gui_scripts", "some.group"]
    assert found["scripts"] == ["alpha", "alpha extra", "alpha-obj"]
    assert found["loaded"] == "alpha.sub"
    assert found["tops"] == ["Alpha.Lib"]
    assert found["located"]
    assert found["text"] == "data\n"


def test_scripts_of_every_shape(env: Project, tmp_path: Path) -> None:
    folder = env.folder / ".venv/bin"
    code = {"alpha": 3, "alpha-gui": 3, "alpha extra": 3}
    for name, said in {
        "alpha": "tool a b c", "alpha-gui": "tool a b c", "alpha extra": "tool a b c",
        "alpha-obj": "object", "alpha.py-script": "script alpha", "alpha-shell": "shell a b c",
    }.items():  # fmt: skip
        link = tmp_path / f"linked {name}"
        link.symlink_to(folder / name)
        for path in (folder / name, link):
            done = subprocess.run(
                [str(path), "a", "b c"],
                cwd="/",
                env=env.env,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.stdout.strip() == said, done.stderr
            assert done.returncode == code.get(name, 0)
        assert env.run("run", name, "a", "b c").stdout.strip() == said
    assert outside(env, python_of(env), "-m", "alpha") == "as a module\n"
    by_path = subprocess.run(
        ["sh", "-c", "alpha x"], env={**env.env, "PATH": f"{folder}:/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert by_path.stdout == "tool x\n"


def test_paths_of_the_environment(env: Project) -> None:
    venv = str(env.folder / ".venv")
    found = json.loads(
        env.python(
            "import sys, site, sysconfig, json, os, beta_inside, old.one, old.two\n"
            "import space.one, space.deep.two\n"
            "print(json.dumps({'prefix': sys.prefix, 'base': sys.base_prefix, 'exe': sys.executable,\n"
            "  'site': site.getsitepackages(), 'purelib': sysconfig.get_path('purelib'),\n"
            "  'beta': sys.beta, 'user': site.ENABLE_USER_SITE, 'path': sys.path,\n"
            "  'data': sorted(os.listdir(sys.prefix + '/share/jupyter/kernels'))}))"
        )
    )
    assert found["prefix"] == venv
    assert found["base"] != venv
    assert found["exe"] == f"{venv}/bin/python"
    assert found["purelib"].startswith(venv)
    # Debian's Python names more places, also in its own venvs; they are all inside.
    assert found["purelib"] in found["site"]
    assert all(path.startswith(f"{venv}/") for path in found["site"])
    assert found["beta"] == 1
    assert found["user"] is False
    assert found["data"] == ["alpha", "beta"]
    assert len(found["path"]) == len(set(found["path"]))
    assert (env.folder / ".venv/etc/alpha.conf").read_text() == "x\n"
    assert [
        path for path in (env.folder / ".venv/include").rglob("*") if (path / "alpha.h").exists()
    ]
    isolated = outside(env, python_of(env), "-I", "-c", "import alpha, sys; print(sys.prefix)")
    assert isolated.strip() == venv


def test_processes_that_it_starts_are_in_it(env: Project) -> None:
    program = env.write(
        "pool.py",
        """
        import multiprocessing, subprocess, sys

        def where(_):
            import alpha
            return sys.prefix, sys.executable, alpha.__file__

        if __name__ == "__main__":
            for way in multiprocessing.get_all_start_methods():
                with multiprocessing.get_context(way).Pool(1) as pool:
                    assert pool.map(where, [0]) == [where(0)], way
            code = "import sys; print(sys.prefix)"
            told = subprocess.check_output([sys.executable, "-c", code], text=True)
            assert told.strip() == sys.prefix
            assert sys._base_executable.startswith(sys.base_prefix + "/")
            print(sys.prefix)
        """,
    )
    venv = f"{env.folder}/.venv"
    assert outside(env, python_of(env), str(program)).strip() == venv
    assert env.ok("run", "python", str(program)).stdout.strip() == f"{venv}/generations/1"


def test_an_environment_made_from_it(env: Project, tmp_path: Path) -> None:
    made = tmp_path / "made"
    outside(env, python_of(env), "-m", "venv", "--without-pip", str(made))
    assert outside(
        env, str(made / "bin/python"), "-c", "import sys; print(sys.prefix)"
    ).strip() == str(made)
    done = subprocess.run(
        [made / "bin/python", "-c", "import alpha"], capture_output=True, check=False
    )
    assert b"No module named 'alpha'" in done.stderr
    outside(env, find_uv(), "venv", "--python", python_of(env), str(tmp_path / "by-uv"))


@pytest.mark.parametrize("start", [".venv/bin/activate", "generations"])
def test_activation_in_bash(env: Project, start: str) -> None:
    path = start if start != "generations" else ".venv/generations/1/bin/activate"
    text = outside(
        env, "bash", "-euc",
        f'old="$PATH"; source {path}; which python alpha; echo "$VIRTUAL_ENV"; '
        'python -c "import alpha, sys; print(sys.prefix)"; deactivate; '
        '[ "$PATH" = "$old" ] && echo restored; '
        'echo "${VIRTUAL_ENV:-none}"',
    )  # fmt: skip
    venv = str(env.folder / ".venv")
    assert text.split("\n") == [
        f"{venv}/bin/python", f"{venv}/bin/alpha", venv, venv, "restored", "none", "",
    ]  # fmt: skip


@needs_gcc
@pytest.mark.parametrize("mode", few(MODES, 1))
@pytest.mark.parametrize("name", ["topext", "package.inner"])
def test_extension_modules(
    project: Project, index: Index, tmp_path: Path, mode: str, name: str
) -> None:
    include = sysconfig.get_path("include")
    if not os.path.exists(f"{include}/Python.h"):
        pytest.skip("no headers of Python")
    last = name.rpartition(".")[2]
    source = (
        f'#define Py_LIMITED_API 0x030b0000\n#include "{include}/Python.h"\n'
        f'static struct PyModuleDef d = {{PyModuleDef_HEAD_INIT, "{last}"}};\n'
        f"PyMODINIT_FUNC PyInit_{last}(void) {{ PyObject *m = PyModule_Create(&d);\n"
        '  PyModule_AddIntConstant(m, "answer", 42); return m; }\n'
    ).replace(f'"{include}/Python.h"', "<Python.h>")
    os.environ["CPATH"] = include
    try:
        library = build_library(tmp_path / "build" / f"{last}.abi3.so", source)
    finally:
        del os.environ["CPATH"]
    path = f"{name.replace('.', '/')}.abi3.so"
    files: dict[str, str | bytes] = {path: library.read_bytes()}
    if "." in name:
        files["package/__init__.py"] = ""
    platform = module_name(sysconfig.get_platform())
    tag = f"cp311-abi3-{platform}"
    index.add(make_wheel(tmp_path / "w", "native", "1", files=files, tag=tag, purelib=False))
    project.depends("native")
    project.ok("sync", "--link-mode", mode, "--python", sys.executable)
    assert project.python(f"import {name} as m; print(m.answer)") == "42"
    assert project.python(f"import {name} as m, sys; print(m.__file__)").endswith(path)
    project.ok("verify")


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("mode", ["linked", "copy"])
def test_pytest_plugins_and_type_checkers(project: Project, mode: str) -> None:
    del project.env["PROVENV_INDEX_URL"]
    project.depends(
        "attrs", groups={"dev": ["pytest", "pytest-xdist", "pytest-cov", "mypy", "pip"]}
    )
    project.ok("sync", "--link-mode", mode)
    project.write(
        "test_it.py", "import attrs\ndef test_it():\n    assert attrs.__name__ == 'attrs'\n"
    )
    project.write(
        "typed.py", "import attrs\n@attrs.define\nclass A:\n    x: int\nreveal_type(A(1).x)\n"
    )
    done = project.ok("run", "pytest", "-n2", "--cov=.", "-q")
    assert "1 passed" in done.stdout
    assert "cov" in project.ok("run", "pytest", "--trace-config").stdout
    done = project.ok("run", "mypy", "--strict", "typed.py")
    assert 'type is "int"' in done.stdout.replace("builtins.", "")
