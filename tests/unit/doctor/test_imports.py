"""What sources import against what a project declares: PV111–PV118."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from provenv.doctor.facts import EnvironmentFacts, EnvironmentSubject
from provenv.doctor.facts_sources import required_by_metadata
from provenv.doctor.modules import distribution_of, provided_by, standard_library
from provenv.doctor.shelf import Shelf
from provenv.doctor.sources import read_sources
from provenv.doctor.walk import walk
from provenv.model.layout import HomeLayout
from unit.doctor.helpers import Patient, places

SOURCE = '''\
"""import docstring"""
import os, yaml
from core.inner import thing as other
from . import sibling
from .sibling import web
try:
    import ujson as json
except ImportError:
    import json
try:
    import needed
except ValueError:
    pass
if TYPE_CHECKING:
    import hints
if sys.platform == "win32":
    import winreg_extra
def later():
    with open("x") as stream:
        import lazy
    match stream:
        case 1:
            import matched
async def more():
    for _ in ():
        import looped
class A:
    import inside
text = "import nothing"
importlib.import_module("by_name")
'''


def test_imports_are_read_from_the_syntax(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(SOURCE)
    read = read_sources(str(tmp_path), walk(str(tmp_path)), standard_library((3, 13)))
    found = {item.module: item for item in read.imports}
    assert set(found) == {
        "os", "yaml", "core.inner", "ujson", "json", "needed", "hints", "winreg_extra", "lazy",
        "matched", "looped", "inside", "by_name",
    }  # fmt: skip
    assert {name for name, item in found.items() if item.optional} == {
        "ujson", "json", "winreg_extra", "by_name",
    }  # fmt: skip
    assert {name for name, item in found.items() if item.typing} == {"hints"}
    assert {name for name, item in found.items() if item.late} == {"lazy", "matched", "looped"}
    assert found["core.inner"].line == 3
    assert found["core.inner"].names == ("thing",)


def test_what_is_not_the_projects_own_is_not_read(tmp_path: Path) -> None:
    for path in (
        "src/shop/__init__.py",
        "tests/test_it.py",
        "tests/fixtures/sample.py",
        ".hidden/x.py",
        "node_modules/x.py",
        "build/lib/x.py",
        "env/lib/python3.12/site-packages/x.py",
        "other/x.py",
        "src/shop/_vendor/x.py",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("import something\n")
    (tmp_path / "env/pyvenv.cfg").write_text("")
    (tmp_path / "other/pyproject.toml").write_text("")
    tree = walk(str(tmp_path))
    read = read_sources(str(tmp_path), tree, standard_library((3, 13)))
    files = {(str(Path(i.file).relative_to(tmp_path)), i.development) for i in read.imports}
    assert files == {("src/shop/__init__.py", False), ("tests/test_it.py", True)}
    assert tree.environments == [str(tmp_path / "env")]


def test_sources_that_are_no_python_are_named(patient: Patient) -> None:
    patient.project.depends()
    patient.project.write("old.py", "import os\nprint 'two'\n")
    finding = patient.one("PV118")
    assert places(finding, patient.folder) == ["old.py:2"]
    assert finding.weight == "note"


@pytest.mark.parametrize(
    ("python", "there", "gone"),
    [
        ((3, 8), {"distutils", "cgi", "parser", "os"}, {"tomllib", "zoneinfo"}),
        ((3, 11), {"distutils", "cgi", "tomllib"}, {"parser", "annotationlib"}),
        ((3, 14), {"annotationlib", "_thread", "sys"}, {"distutils", "cgi", "imp"}),
    ],
)
def test_the_standard_library_is_that_of_the_version(
    python: tuple[int, int], there: set[str], gone: set[str]
) -> None:
    names = standard_library(python)
    assert there <= names
    assert not gone & names


def test_a_module_tells_its_distribution() -> None:
    assert distribution_of("yaml.parser") == "pyyaml"
    assert distribution_of("google.protobuf.message") == "protobuf"
    assert distribution_of("My_Thing") == "my-thing"


@pytest.mark.usefixtures("shelf")
def test_the_store_knows_which_module_comes_with_what(patient: Patient, home: HomeLayout) -> None:
    patient.project.depends("pyyaml", "corp-billing", "corp-mail", "checker")
    patient.sync()
    from provenv.environments.generations import read_generation

    provided, commanding = provided_by(
        [read_generation(str(patient.folder / ".venv"), 1)], Shelf(home)
    )
    assert provided["yaml"] == {"pyyaml"}
    assert provided["corp.mail"] == {"corp-mail"}
    assert "corp" not in provided
    assert commanding == {"checker"}


@pytest.mark.usefixtures("shelf")
def test_imports_are_held_against_the_environment(patient: Patient) -> None:
    patient.project.depends(
        "web",
        "pyyaml",
        "corp-mail",
        "idle",
        groups={"dev": ["corp-billing", "checker", "pytest-odd"]},
    )
    patient.project.write(
        "src/shop/__init__.py",
        """
        import yaml, web, core
        import corp.mail
        from corp import billing
        import missing.part
        """,
    )
    patient.project.write("tests/test_shop.py", "import shop\nfrom corp import billing\n")
    patient.sync()
    result = patient.look(only=("PV11",))
    told = {f.code: f for f in result.findings}
    assert set(told) == {"PV111", "PV112", "PV113", "PV114"}
    assert told["PV111"].weight == "error"
    assert "module missing" in told["PV111"].seen
    assert told["PV111"].mend == "provenv add missing"
    assert places(told["PV111"], patient.folder) == ["src/shop/__init__.py:4"]
    assert told["PV112"].mend == "provenv add core"
    assert places(told["PV112"], patient.folder) == ["src/shop/__init__.py:1"]
    assert told["PV113"].seen == "declared and never imported: idle"
    assert told["PV113"].weight == "note"
    assert told["PV114"].seen.startswith("corp-billing ")
    assert places(told["PV114"], patient.folder) == ["src/shop/__init__.py:3"]
    assert not result.ok


@pytest.mark.usefixtures("shelf")
def test_what_may_be_missing_is_not_told(patient: Patient) -> None:
    patient.project.depends("pyyaml", extras={"fast": ["core"]}, groups={"docs": ["idle"]})
    patient.project.write(
        "app.py",
        """
        from __future__ import annotations
        import yaml, os, sys, helper, tests.tools, plain
        import core
        try:
            import ujson
        except ModuleNotFoundError:
            ujson = None
        if TYPE_CHECKING:
            import hints
        """,
    )
    patient.project.write("helper.py", "")
    patient.project.write("plain/below.py", "")
    patient.project.write("tests/tools.py", "import tools, conftest\n")
    patient.project.write("tests/conftest.py", "")
    patient.project.write("docs/conf.py", "import idle\n")
    patient.sync()
    assert patient.look(only=("PV11",)).findings == ()


@pytest.mark.usefixtures("shelf")
def test_what_tests_import_weighs_less(patient: Patient) -> None:
    patient.project.depends("core")
    patient.project.write("tests/test_it.py", "import absent\ndef test_it():\n    import written\n")
    patient.sync()
    absent, written = patient.seen("PV111")
    assert (absent.weight, absent.mend) == ("warning", "provenv add --group dev absent")
    assert (written.weight, places(written, patient.folder)) == ("note", ["tests/test_it.py:3"])


def test_without_an_environment_names_are_compared(patient: Patient) -> None:
    patient.project.depends("pyyaml", "python-frobnicate", "psycopg2")
    patient.project.write("app.py", "import yaml, frobnicate, psycopg2, requests\n")
    finding = patient.one("PV111")
    assert finding.weight == "warning"
    assert finding.mend == "provenv add requests"


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("requirements.txt", "PyYAML==6.0 --hash=sha256:00\nrequests>=2  # why\n-r more.txt\n", {"rich"}),
        ("Pipfile", '[packages]\nrequests = "*"\n[dev-packages]\nrich = "*"\n', {"yaml"}),
        ("pyproject.toml", '[tool.poetry.group.dev.dependencies]\nrich = "^13"\n', {"yaml", "requests"}),
        ("pyproject.toml", '[project]\nname = "x"\ndynamic = ["dependencies", "version"]\n', set()),
        ("setup.py", "", set()),
    ],
    ids=["requirements", "Pipfile", "Poetry", "dynamic", "setup.py"],
)  # fmt: skip
def test_where_projects_declare_what_they_need(
    patient: Patient, file: str, text: str, told: set[str]
) -> None:
    patient.project.write("requirements.txt", "")
    patient.project.write(file, text)
    patient.project.write("app.py", "import yaml, requests, rich\n")
    found = {f.seen.split()[1]: f for f in patient.seen("PV111")}
    assert set(found) == told
    assert {f.mend is None for f in found.values()} <= {file != "pyproject.toml"}


def test_what_the_backend_decides_on_is_read_from_the_metadata(patient: Patient) -> None:
    site = patient.folder / ".venv/lib/python3.12/site-packages/shop-1.0.dist-info"
    site.mkdir(parents=True)
    (site / "METADATA").write_text(
        "Name: shop\nRequires-Dist: PyYAML>=6\nRequires-Dist: x ; extra\n"
    )
    asked = EnvironmentSubject(name="dev", folder=str(patient.folder / ".venv"), default=True)
    made = EnvironmentFacts(asked=asked, there=True)
    assert required_by_metadata([made], "Shop") == frozenset({"pyyaml", "x"})
    assert required_by_metadata([made], "other") is None


@pytest.mark.usefixtures("shelf")
def test_a_namespace_itself_is_no_missing_module(patient: Patient) -> None:
    patient.project.depends("corp-mail", "corp-billing")
    patient.project.write("app.py", "import corp\nimport corp.mail, corp.billing\n")
    patient.sync()
    assert patient.look(only=("PV11",)).findings == ()


def test_a_module_that_went_from_the_standard_library(patient: Patient) -> None:
    patient.project.depends()
    patient.project.write("app.py", "import distutils.core, os\n")
    assert "Python 3.12" in patient.one("PV116").seen
    patient.project.write("app.py", "try:\n    import distutils\nexcept ImportError:\n    pass\n")
    assert patient.seen("PV116") == []


def test_a_file_that_hides_the_standard_library(patient: Patient) -> None:
    patient.project.depends()
    patient.project.write("random.py", "x = 1\n")
    patient.project.write("test.py", "")
    patient.project.write("__main__.py", "")
    patient.project.write("shop/random.py", "x = 1\n")  # within a package it hides nothing
    patient.project.write("shop/__init__.py", "")
    assert places(patient.one("PV117"), patient.folder) == ["random.py"]


def test_packages_of_a_global_interpreter(patient: Patient, tmp_path: Path) -> None:
    python = tmp_path / "opt/bin/python3.12"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    (tmp_path / "opt/lib/python3.12/site-packages/requests").mkdir(parents=True)
    (tmp_path / "opt/lib/python3.12/site-packages/yaml").mkdir()
    (patient.tools / "python").symlink_to(python)
    patient.project.depends("pyyaml")
    patient.project.write("app.py", "import requests, yaml\n")
    warning, note = patient.seen("PV115")
    assert warning.weight == "warning"
    assert "module requests" in warning.seen
    assert str(tmp_path / "opt/lib/python3.12/site-packages") in warning.seen
    assert warning.mend == "provenv add requests"
    assert (note.weight, "has yaml" in note.seen) == ("note", True)
    assert patient.seen("PV111") == []  # told once


def test_the_users_own_packages_count_as_global(patient: Patient, tmp_path: Path) -> None:
    python = tmp_path / "opt/bin/python3.12"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    (patient.tools / "python3").symlink_to(python)
    user = patient.project.home / ".local/lib/python3.12/site-packages"
    (user / "requests").mkdir(parents=True)
    patient.project.depends()
    patient.project.write("app.py", "import requests\n")
    assert str(user) in patient.one("PV115").seen


def test_a_link_in_a_circle_hides_nothing_beside_it(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"part_{number}.py").write_text("")
        (tmp_path / f"round_{number}.py").symlink_to(f"round_{number}.py")
    ((_, files, _),) = walk(str(tmp_path)).folders
    assert files == sorted(f"part_{number}.py" for number in range(20))


def test_a_folder_that_cannot_be_looked_into_is_named(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient.project.depends()
    patient.project.write("closed/part.py", "import missing\n")
    scandir = os.scandir

    def refusing(path: str) -> Any:
        if path == str(patient.folder / "closed"):  # for root, no folder is closed
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    finding = patient.one("PV118")
    assert finding.seen.startswith("1 folder could not be looked into")
    assert finding.seen.endswith("Permission denied")
    assert places(finding, patient.folder) == ["closed"]
