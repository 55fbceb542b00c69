"""The tools that people use around a virtual environment, as they come from PyPI, take ours for one."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from provenv.tools.uv import find_uv
from support import Project

pytestmark = [pytest.mark.slow, pytest.mark.network]

SAY = "import sys, six; print(sys.prefix, sys.base_prefix)"
MANIFEST = """
    [project]
    name = "shop"
    version = "0.1.0"
    requires-python = ">=3.11"
    dependencies = ["{six}"]

    [dependency-groups]
    dev = ["ipykernel", "virtualenv"]

    [tool.provenv.environments]
    dev = {{ seed = ["pip", "setuptools", "wheel"] }}
"""


class Bench:
    """A venv with tools from PyPI, and projects that share one store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shop = self.project("shop")
        # The certificates of this machine, for old pips, too: a company's proxy is in there.
        certificates = os.environ.get("SSL_CERT_FILE")
        trusted = {"UV_SYSTEM_CERTS": "1", **({"PIP_CERT": certificates} if certificates else {})}
        own = {"UV_CACHE_DIR": str(folder / "uv-cache")}
        self.env = {**self.shop.env, **own, **trusted}

    def project(self, name: str, six: str = "six") -> Project:
        made = Project(self.folder / name, home=self.folder / "home")
        made.pyproject(MANIFEST.format(six=six))
        made.ok("sync")
        return made

    def get(self, *tools: str) -> None:
        """Install tools into the venv beside the projects."""
        if not (self.folder / "tools").exists():
            self.run(find_uv(), "venv", "--quiet", str(self.folder / "tools"))
        python = str(self.folder / "tools/bin/python")
        self.run(find_uv(), "pip", "install", "--quiet", "--python", python, *tools)

    def tool(self, name: str) -> str:
        return str(self.folder / "tools/bin" / name)

    def run(
        self, *command: str, cwd: Path | None = None, active: bool = False, code: int = 0
    ) -> str:
        """What a command prints, run in the shop; ``active``: with its environment activated."""
        env = dict(self.env)
        if active:
            env["VIRTUAL_ENV"] = str(self.venv)
            env["PATH"] = f"{self.venv}/bin:{env['PATH']}"
        done = subprocess.run(
            command,
            cwd=cwd or self.shop.folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout if code == 0 else done.stdout + done.stderr

    @property
    def venv(self) -> Path:
        return self.shop.folder / ".venv"

    @property
    def python(self) -> str:
        return str(self.venv / "bin/python")

    @property
    def base(self) -> str:
        return self.run(self.python, "-c", "import sys; print(sys.base_prefix)").strip()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("bench"))
    yield made
    status = made.shop.ok("status", "--json").json
    assert status["agrees"], f"a tool changed the environment: {status['drift']}"
    made.shop.ok("verify")


def test_pip(bench: Bench) -> None:
    pip = f"{bench.venv}/bin/pip"
    listed = json.loads(bench.run(pip, "list", "--format=json"))
    assert {"six", "pip", "setuptools", "wheel", "virtualenv"} <= {row["name"] for row in listed}
    assert "No broken requirements" in bench.run(pip, "check")
    assert f"from {bench.venv}/" in bench.run(pip, "--version")
    bench.get("pip")
    again = bench.run(bench.tool("pip"), "--python", str(bench.venv), "list", "--format=json")
    assert json.loads(again) == listed
    aimed = bench.run(pip, "install", "--dry-run", "--quiet", "--report", "-", "toml")
    assert json.loads(aimed)["install"][0]["metadata"]["name"] == "toml"


def test_what_the_seeded_pip_installs_is_there_until_the_next_sync(bench: Bench) -> None:
    shop = bench.project("changed")
    pip = str(shop.folder / ".venv/bin/pip")
    bench.run(pip, "install", "--quiet", "toml", cwd=shop.folder)
    assert shop.python("import toml; print(toml.__name__)") == "toml"
    assert "toml" in shop.fails(1, "status").stdout
    assert "RECORD" in bench.run(pip, "uninstall", "-y", "six", cwd=shop.folder, code=1)
    shop.ok("sync")
    assert shop.ok("status", "--json").json["agrees"]
    assert shop.python("import importlib.util as u; print(u.find_spec('toml'))") == "None"
    shop.ok("verify")


def test_uv(bench: Bench) -> None:
    uv = find_uv()
    by_option = bench.run(uv, "pip", "list", "-p", str(bench.venv), "--format=json")
    assert "six" in {row["name"] for row in json.loads(by_option)}
    assert bench.run(uv, "pip", "list", "--format=json") == by_option
    assert bench.run(uv, "pip", "list", "--format=json", cwd=bench.folder, active=True) == by_option
    assert bench.run(uv, "python", "find").strip() == bench.python
    ran = bench.run(uv, "run", "--active", "--no-sync", "python", "-c", SAY, active=True)
    assert ran.split() == [str(bench.venv), bench.base]


def test_virtualenv_and_venv(bench: Bench) -> None:
    bench.get("virtualenv")
    makers = {
        "by-virtualenv": [bench.tool("virtualenv"), "-p", bench.python],
        "by-our-virtualenv": [bench.python, "-m", "virtualenv"],
        "by-venv": [bench.python, "-m", "venv"],
        "by-pinned-venv": [f"{bench.venv}/generations/1/bin/python", "-m", "venv"],
    }
    for name, maker in makers.items():
        made = bench.folder / name
        bench.run(*maker, str(made))
        code = "import sys, pip; print(sys.prefix, sys.base_prefix)"
        assert bench.run(f"{made}/bin/python", "-c", code).split() == [str(made), bench.base]
        assert str(bench.venv) not in os.readlink(f"{made}/bin/python")
        assert "six" not in bench.run(f"{made}/bin/pip", "list")


def test_poetry_and_pdm(bench: Bench) -> None:
    bench.get("poetry", "pdm")
    shop = bench.project("others")
    venv = str(shop.folder / ".venv")
    poetry = bench.tool("poetry")
    shown = bench.run(poetry, "env", "info", cwd=shop.folder)
    assert [line for line in shown.splitlines() if line.split() == ["Path:", venv]]
    assert "Valid:          True" in shown
    assert bench.run(poetry, "run", "python", "-c", SAY, cwd=shop.folder).split()[0] == venv
    ran = bench.run(poetry, "run", "python", "-c", SAY, active=True).split()
    assert ran[0] == str(bench.venv)
    assert (
        bench.run(bench.tool("pdm"), "run", "python", "-c", SAY, cwd=shop.folder).split()[0] == venv
    )
    assert shop.ok("status", "--json").json["agrees"]


def test_tox_and_nox(bench: Bench) -> None:
    bench.get("tox", "nox", "virtualenv")
    folder = bench.folder / "runs"
    folder.mkdir()
    (folder / "say.py").write_text(SAY + "\n")
    (folder / "tox.ini").write_text(
        f"[tox]\nno_package = true\n[testenv:made]\nbase_python = {bench.python}\n"
        "deps = six\ncommands = python say.py\n"
        f"[testenv:ours]\nallowlist_externals = *\ncommands = {bench.python} say.py\n"
    )
    (folder / "noxfile.py").write_text(
        "import nox\n"
        "@nox.session(venv_backend='none')\ndef ours(s): s.run('python', 'say.py')\n"
        "@nox.session(venv_backend='venv')\ndef venv(s): s.install('six'); s.run('python', 'say.py')\n"
        "@nox.session(venv_backend='virtualenv')\n"
        "def virtualenv(s): s.install('six'); s.run('python', 'say.py')\n"
    )
    tox = bench.run(bench.tool("tox"), "-e", "made,ours", cwd=folder, active=True)
    assert f"{folder}/.tox/made {bench.base}" in tox
    assert f"{bench.venv} {bench.base}" in tox
    nox = bench.run(bench.tool("nox"), "--force-python", bench.python, cwd=folder, active=True)
    said = [line.split() for line in nox.splitlines() if line.endswith(f" {bench.base}")]
    assert said[0][0] == str(bench.venv)
    assert len(said) == 3
    assert all(line[0].startswith(f"{folder}/.nox/") for line in said[1:])


def test_pre_commit(bench: Bench) -> None:
    bench.get("pre-commit")
    folder = bench.folder / "repository"
    folder.mkdir()
    (folder / "say.py").write_text(SAY + "\n")
    common = "entry: python say.py, pass_filenames: false, verbose: true"
    (folder / ".pre-commit-config.yaml").write_text(
        "repos:\n- repo: local\n  hooks:\n"
        f"  - {{id: a, name: a, language: system, {common}}}\n"
        f"  - {{id: b, name: b, language: python, additional_dependencies: [six], {common},\n"
        f"     language_version: '{bench.python}'}}\n"
    )
    bench.run("git", "init", "-q", cwd=folder)
    bench.run("git", "add", "-A", cwd=folder)
    said = bench.run(bench.tool("pre-commit"), "run", "--all-files", cwd=folder, active=True)
    ran = [line.split() for line in said.splitlines() if line.endswith(f" {bench.base}")]
    assert ran[0][0] == str(bench.venv)
    assert ran[1][0].startswith(f"{bench.folder}/home/.cache/pre-commit/")


KERNEL = """
import sys
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="shop")
client.execute("import six, sys; print(sys.prefix, six.__version__)")
while True:
    message = client.get_iopub_msg(timeout=60)
    if message["msg_type"] in ("stream", "error"):
        print(message["content"].get("text") or message["content"])
        break
client.stop_channels()
manager.shutdown_kernel(now=True)
"""


def test_a_jupyter_kernel_follows_a_switch(bench: Bench) -> None:
    bench.get("jupyter_client")
    shop = bench.project("notebook", six="six<1.17")
    python = str(shop.folder / ".venv/bin/python")
    bench.run(python, "-m", "ipykernel", "install", "--user", "--name", "shop", cwd=shop.folder)
    bench.env["JUPYTER_DATA_DIR"] = str(bench.folder / "home/.local/share/jupyter")
    first = bench.run(bench.tool("python"), "-c", KERNEL, cwd=bench.folder).split()
    shop.pyproject(MANIFEST.format(six="six>=1.17"))
    assert shop.ok("sync", "--json").json["made"]
    second = bench.run(bench.tool("python"), "-c", KERNEL, cwd=bench.folder).split()
    assert first == [str(shop.folder / ".venv"), "1.16.0"]
    assert second[0] == first[0]
    assert second[1] != first[1]
    assert shop.ok("status", "--json").json["agrees"]


def test_analysers_see_the_packages(bench: Bench) -> None:
    bench.get("jedi", "mypy", "ty", "types-six")
    source = bench.folder / "code.py"
    source.write_text("import six\nimport missing_module\nsix.text_type\n")
    code = (
        "import jedi, sys\n"
        f"project = jedi.Project({str(bench.shop.folder)!r}, environment_path={str(bench.venv)!r})\n"
        "script = jedi.Script('import virtualenv\\nvirtualenv.cli_r', project=project)\n"
        "print([c.name for c in script.complete(2, 16)], project.get_environment().executable)"
    )
    assert bench.run(bench.tool("python"), "-c", code).strip() == f"['cli_run'] {bench.python}"
    for command in (
        [bench.tool("mypy"), "--ignore-missing-imports", "--python-executable", bench.python],
        [bench.tool("ty"), "check", "--python", str(bench.venv)],
    ):
        source.write_text("import virtualenv\nvirtualenv.nothing_of_the_kind\n")
        said = bench.run(*command, str(source), cwd=bench.folder, code=1)
        assert "nothing_of_the_kind" in said
