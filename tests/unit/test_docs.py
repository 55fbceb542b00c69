"""What the pages say is held against what is there."""

from __future__ import annotations

import ast
import html
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import provenv
from provenv.cli.parser import VARIABLES, parse
from provenv.core import errors
from provenv.model import manifest, matrix, settings
from provenv.workspace.projects.context import open_project, read_locks
from provenv.workspace.syncing.locking import why_stale
from support import Project

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/*.md")]
    if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
)
_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
_CODE = re.compile(r"^(`{3,}).*?^\1|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def anchor(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def leads_somewhere(page: Path, target: str) -> bool:
    path, _, wanted = target.partition("#")
    there = (page.parent / path).resolve() if path else page
    if not there.exists() or not wanted:
        return there.exists()
    return wanted in map(anchor, re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = [a or b for a, b in _LINK.findall(_CODE.sub("", page.read_text()))]
    outside = re.compile(r"[a-z][a-z+.-]*:")
    assert [t for t in targets if not outside.match(t) and not leads_somewhere(page, t)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_scripts_that_are_named_can_be_run(page: Path) -> None:
    named = set(
        re.findall(r"(?<![\w/])(?:\./)?(scripts/[a-z-]+|\.ci/run)\b(?!/)", page.read_text())
    )
    assert [name for name in sorted(named) if not os.access(ROOT / name, os.X_OK)] == []


def test_the_lowest_python_is_the_same_everywhere() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lowest = settings["project"]["requires-python"].removeprefix(">=")
    assert settings["tool"]["mypy"]["python_version"] == lowest
    assert settings["tool"]["ruff"]["target-version"] == "py" + lowest.replace(".", "")
    major, minor = lowest.split(".")
    assert f"sys.version_info < ({major}, {minor})" in (ROOT / "scripts/python").read_text()
    assert f"Python {lowest} or later" in (ROOT / "CONTRIBUTING.md").read_text()


def page(name: str) -> str:
    return (ROOT / name).read_text()


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level."""
    level = heading.partition(" ")[0]
    start = text.index(f"\n{heading}\n") + len(heading) + 2
    end = re.search(rf"^#{{1,{len(level)}}} ", text[start:], re.MULTILINE)
    return text[start : start + end.start()] if end else text[start:]


def columns(text: str, *wanted: int) -> list[tuple[str, ...]]:
    """The given cells of every row of the tables in ``text``, heads left out."""
    rows: list[tuple[str, ...]] = []
    body = False
    for line in text.splitlines():
        rule = line.startswith("|") and set(line) <= set("| -")
        body = rule or (body and line.startswith("|"))
        if body and not rule:
            cells = [cell.strip() for cell in line[1:].split(" | ")]
            rows.append(tuple(cells[index] for index in wanted))
    return rows


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def commands_in(text: str) -> Iterator[str]:
    """Calls of provenv: in blocks of shell, in indented ones, and between backticks."""
    fences = r"^(`{3,})(\w*)\n(.*?)^\1$"
    for block in re.finditer(fences, text, re.MULTILINE | re.DOTALL):
        if block[2] == "sh":
            yield from re.findall(r"^provenv .*$", block[3], re.MULTILINE)
    rest = re.sub(fences, "", text, flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"^ {4}(provenv .*)$", rest, re.MULTILINE)
    yield from re.findall(r"`(provenv -?[a-z][^`\n]*)`", rest)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_are_understood(path: Path) -> None:
    """Each is one that the parser takes; it raises for any other."""
    for call in commands_in(path.read_text()):
        if "…" not in call and "COMMAND" not in call:
            words = shlex.split(call, comments=True)[1:]
            words = ["1" if word in ("N", "A", "B") else word for word in words]
            command = next((word for word in words if not word.startswith("-")), None)
            assert parse(words).command == command, call


def test_commands_are_found_wherever_pages_have_them() -> None:
    text = "`provenv sync -e prod`\n\n    provenv lock\n\n`provenv.toml`\n"
    text += "```sh\nprovenv gc  # now\nls\n```\n"
    assert [*commands_in(text)] == ["provenv gc  # now", "provenv lock", "provenv sync -e prod"]
    assert len([*commands_in(page("README.md"))]) > 10


def test_the_configuration_is_what_the_code_knows() -> None:
    text = section(page("docs/concepts.md"), "## Configuration")
    tables = re.split(r"^`\[", text, flags=re.MULTILINE)[1:]
    assert [[quoted(cell)[0] for (cell,) in columns(t, 0)] for t in tables] == [
        sorted(settings.TOOL_KEYS),
        sorted(settings.ENVIRONMENT_KEYS),
        sorted(settings.DOCTOR_KEYS),
        sorted(settings.EVIDENCE_KEYS),
        sorted(settings.INDEX_KEYS),
        sorted(settings.WORKSPACE_KEYS),
        sorted(matrix.MATRIX_KEYS),
    ]


def test_the_example_of_a_configuration_is_whole() -> None:
    text = section(page("docs/concepts.md"), "## Configuration")
    example = re.findall(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[0]
    project = """
[project]
name = "shop"
optional-dependencies = { postgres = [] }
[dependency-groups]
dev = []
test = []
old-api = []
new-api = []
"""
    read = manifest.parse_manifest(project + example)
    assert read.environment("staging").link_mode == "copy"
    table = tomllib.loads(example)["tool"]["provenv"]
    assert set(table) == settings.TOOL_KEYS
    used = {key for environment in table["environments"].values() for key in environment}
    assert used == settings.ENVIRONMENT_KEYS
    assert {key for index in table["index"] for key in index} == settings.INDEX_KEYS
    assert set(table["workspace"]) == settings.WORKSPACE_KEYS
    assert set(table["matrix"]) == matrix.MATRIX_KEYS


def variables_read() -> set[str]:
    """Environment variables that the code asks a mapping called ``environ`` for, by constant name."""
    found: set[str] = set()
    for path in (ROOT / "src/provenv").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                asked, name = node.func.value, node.args[0] if node.args else None
                if node.func.attr != "get":
                    continue
            elif isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
                asked, name = node.comparators[0], node.left
            else:
                continue
            called = getattr(asked, "id", getattr(asked, "attr", ""))
            if called in ("environ", "own") and isinstance(name, ast.Constant):
                found.add(str(name.value))
    return found


def test_environment_variables_are_those_that_are_read() -> None:
    from provenv.tools import uv

    text = section(page("docs/concepts.md"), "## Environment variables")
    listed = {name for (cell,) in columns(text, 0) for name in quoted(cell)}
    composed = {
        *(f"{tool}_INDEX_<NAME>_{part}" for tool in ("PROVENV", "UV") for part in ("USERNAME", "PASSWORD")),
        "HTTP_PROXY",
        "HTTPS_PROXY",
    }  # fmt: skip
    read = {name for name in variables_read() if not name.islower()}
    assert listed == read | uv._PASSED_ON | composed
    assert {name for names in VARIABLES for name in names.split(", ")} <= listed


def test_exit_codes_are_those_of_the_errors() -> None:
    def tree(base: type[errors.ProvenvError]) -> Iterator[type[errors.ProvenvError]]:
        yield base
        for below in base.__subclasses__():
            if below.__module__ == errors.__name__:
                yield from tree(below)

    text = section(page("docs/concepts.md"), "## Exit codes")
    listed = {kind: int(code) for code, cell in columns(text, 0, 1) for kind in quoted(cell)}
    assert listed == {error.kind: error.exit_code for error in tree(errors.ProvenvError)}


def test_the_page_of_findings_is_what_the_rules_say() -> None:
    from provenv.doctor.page import findings_page

    assert page("docs/reference/findings.md") == findings_page()


def test_the_tables_of_modules_are_what_the_docstrings_say() -> None:
    script = [sys.executable, str(ROOT / "scripts/rooms"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", [*ROOT.glob("docs/*.md"), *ROOT.glob("docs/decisions/*.md")])
def test_modules_that_are_named_exist(path: Path) -> None:
    rooms = [folder.name for folder in (ROOT / "src/provenv").iterdir() if folder.is_dir()]
    named = re.findall(rf"`(?:src/provenv/)?((?:{'|'.join(rooms)})/[\w/]+\.py)`", path.read_text())
    assert [name for name in named if not (ROOT / "src/provenv" / name).exists()] == []


def test_every_dependency_has_its_reason() -> None:
    from packaging.requirements import Requirement

    text = page("docs/decisions/0006-dependencies.md")
    settings = tomllib.loads(page("pyproject.toml"))
    asked = {Requirement(item).name for item in settings["project"]["dependencies"]}
    assert {quoted(cell)[0] for (cell,) in columns(text, 0)} == asked


def test_the_short_way_imports_what_the_page_says(project: Project) -> None:
    project.depends()
    project.ok("sync")
    code = (
        f"import sys; sys.path.insert(0, {str(Path(provenv.__file__).parents[1])!r}); "
        "before = set(sys.modules); from provenv.cli import hot; "
        "print(hot.attempt(['sync', '-q']), *sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        cwd=project.folder, env=project.env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    text = page("docs/architecture.md")
    listed = set(quoted(text[text.index("<!-- short way -->") :].partition("<!-- end -->")[0]))
    answer, *loaded = done.stdout.split()
    assert answer == "0"
    assert set(loaded) <= listed
    # a process whose coverage is measured has imported some of Python's own before
    assert {name for name in listed - set(loaded) if name.startswith("provenv")} == set()


def test_what_lies_on_disk_is_on_the_page(project: Project) -> None:
    project.depends()
    project.ok("sync")
    text = section(page("docs/concepts.md"), "## On disk")
    own, home = project.folder / ".venv", project.home / "provenv"
    there = [*own.iterdir(), *(own / "current/.provenv").iterdir(), *home.iterdir()]
    there += (home / "store").iterdir()
    assert [
        path.name for path in there if not re.search(rf"\b{re.escape(path.name.strip('.'))}", text)
    ] == []


def test_the_examples_lock_answers_its_manifest() -> None:
    shop = open_project(str(ROOT / "examples/shop"))
    assert why_stale(shop, read_locks(shop)) is None


def test_the_picture_shows_the_session_that_its_script_runs() -> None:
    script = ast.parse(page("scripts/picture"))
    session = next(
        ast.literal_eval(node.value)
        for node in script.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "SESSION"
    )
    shown = html.unescape(page("docs/demo.svg")).replace("\xa0", " ")
    assert [command for _, command in session if command not in shown] == []
    assert "font-face" not in shown  # nothing is fetched when it is looked at


@pytest.mark.parametrize("path", sorted((ROOT / "scripts").iterdir()), ids=lambda path: path.name)
def test_scripts_can_be_read_by_what_runs_them(path: Path) -> None:
    text = path.read_text()
    if text.startswith("#!/usr/bin/env python3\n"):
        compile(text, path, "exec")
        return
    assert text.startswith(("#!/bin/sh\n", "# Sourced by "))
    read = subprocess.run(["sh", "-n", path], capture_output=True, text=True, check=False)
    assert (read.returncode, read.stderr) == (0, "")


def test_every_decision_is_listed() -> None:
    listed = re.findall(r"\]\(decisions/(\S+?\.md)\)", page("docs/README.md"))
    assert listed == sorted(path.name for path in (ROOT / "docs/decisions").glob("*.md"))
