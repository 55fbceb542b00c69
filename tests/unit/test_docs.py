"""What the pages say is held against what is there."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest

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
