"""Locks as the tools themselves wrote them (files/README.md): what is installed, where, and for whom."""

from __future__ import annotations

import pytest

from provenv.formats.selecting import select
from unit.formats.reading import FILES, markers, read_file, versions

LOCKS = {
    "poetry": "poetry.lock",
    "poetry-1.4": "poetry.lock",
    "pdm": "pdm.lock",
    "pipenv": "Pipfile.lock",
    "uv": "uv.lock",
    "piptools": "requirements.txt",
}
WEB = {
    "anyio", "asgiref", "certifi", "click", "django", "h11", "httpcore", "httpx", "idna", "socksio",
    "sqlparse",
}  # fmt: skip
BEFORE_3_13 = {"typing-extensions"}
TEST = {"iniconfig", "packaging", "pluggy", "pygments", "pytest"}


@pytest.mark.parametrize("tool", LOCKS)
def test_what_is_always_installed(tool: str) -> None:
    found = versions(read_file(FILES / tool / LOCKS[tool]))
    assert set(found) == WEB | BEFORE_3_13
    assert found["django"] == "5.1.15"
    assert found["socksio"] == "1.0.0"  # of the extra httpx[socks]


@pytest.mark.parametrize("tool", ["poetry", "poetry-1.4", "pdm", "pipenv", "uv"])
def test_the_groups_that_the_tool_installs_without_being_asked(tool: str) -> None:
    foreign = read_file(FILES / tool / LOCKS[tool])
    found = versions(foreign, groups=foreign.default_groups, extras=foreign.default_extras)
    more = {"pycodestyle", "markdown"} if tool == "pdm" else set()  # all that is locked
    assert set(found) == WEB | BEFORE_3_13 | TEST | more


@pytest.mark.parametrize("tool", ["poetry", "poetry-1.4", "pdm", "uv"])
def test_a_group_and_an_extra_that_are_asked_for(tool: str) -> None:
    foreign = read_file(FILES / tool / LOCKS[tool])
    found = versions(foreign, groups=("lint",), extras=("docs",))
    assert set(found) == WEB | BEFORE_3_13 | {"pycodestyle", "markdown"}


@pytest.mark.parametrize("tool", ["poetry", "poetry-1.4", "uv"])
def test_the_version_for_this_python(tool: str) -> None:
    foreign = read_file(FILES / tool / LOCKS[tool])
    old = versions(foreign, groups=("dev",), extras=("docs",), version="3.9.18")
    assert old["django"] == "4.2.30"
    assert {"exceptiongroup", "tomli"} <= set(old)
    new = versions(foreign, extras=("docs",), version="3.13.0")
    assert new["django"] == "5.1.15"
    assert "exceptiongroup" not in new
    if tool != "poetry-1.4":  # which locks one version of these for all
        assert (old["markdown"], old["anyio"]) == ("3.9", "4.12.1")
        assert new["anyio"] == "4.16.0"


@pytest.mark.parametrize("tool", ["poetry", "poetry-1.4", "pdm", "uv"])
def test_what_windows_needs_besides(tool: str) -> None:
    foreign = read_file(FILES / tool / LOCKS[tool])
    here = versions(foreign)
    there = versions(foreign, platform="win32")
    assert set(there) - set(here) == {"colorama", "tzdata"}


@pytest.mark.parametrize("tool", LOCKS)
def test_every_entry_has_its_hashes(tool: str) -> None:
    foreign = read_file(FILES / tool / LOCKS[tool])
    for pin in foreign.pins:
        assert pin.files, pin.name
        assert all(len(file.hashes["sha256"]) == 64 for file in pin.files)


@pytest.mark.parametrize(
    ("tool", "names", "addresses"),
    [
        ("uv", True, True),
        ("poetry", True, False),
        ("pdm", True, False),
        ("pipenv", False, False),
        ("piptools", False, False),
    ],
)
def test_what_a_lock_says_of_its_files(tool: str, names: bool, addresses: bool) -> None:
    foreign = read_file(FILES / tool / LOCKS[tool])
    file = next(pin for pin in foreign.pins if pin.name == "click").files[0]
    assert bool(file.filename) == names
    assert bool(file.url) == addresses


def test_poetry_says_what_is_asked_for() -> None:
    foreign = read_file(FILES / "poetry" / "pyproject.toml")
    assert foreign.name == "shop"
    assert foreign.requires_python == ">=3.9,<4.0"
    assert foreign.dependencies == (
        "httpx[socks]>=0.28,<0.29",
        "click>=8.1,<8.2",
        "django>=4.2,<4.3 ; python_version < '3.10'",
        "django>=5.1,<5.2 ; python_version >= '3.10'",
        "colorama ; sys_platform == 'win32'",
    )
    assert foreign.extras == {"docs": ("markdown==3.*",)}
    assert foreign.groups == {"dev": ("pytest>=8,<9",), "lint": ("pycodestyle",)}
    assert foreign.default_groups == ("dev",)
    assert foreign.package is True


def test_pipenv_says_what_is_asked_for() -> None:
    foreign = read_file(FILES / "pipenv" / "Pipfile")
    assert set(foreign.dependencies) == {
        "httpx[socks]~=0.28",
        "click~=8.1.0",
        "django~=5.1.0",
        "colorama ; sys_platform == 'win32'",
    }
    assert foreign.groups == {"dev": ("pytest>=8,<9",)}
    assert foreign.requires_python == ">=3.12"
    assert foreign.indexes == ()  # PyPI needs no mention


def test_what_pipenv_does_not_pin_matters_only_where_it_applies() -> None:
    foreign = read_file(FILES / "pipenv" / "Pipfile.lock")
    assert foreign.unpinned == {"colorama": "colorama (Pipfile.lock)"}
    found = select(foreign, markers(platform="win32"), groups=(), extras=())
    assert found.missing == ("colorama",)
