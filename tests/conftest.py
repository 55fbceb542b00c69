"""What every test gets: a clean environment, an index, a project; and which tests run."""

from __future__ import annotations

import os
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path

import pytest

from provenv.model.layout import HomeLayout
from support import Index, Project

_STRIPPED = ("PYTHON", "PIP_", "UV_", "PROVENV_", "VIRTUAL_ENV", "CONDA", "XDG_")
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy", "ftp_proxy"})
_home = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run the slow tests too (as CI=true does)")


def pytest_configure(config: pytest.Config) -> None:
    """Nothing of the caller's environment but PATH, locale and certificates reaches a test."""
    for key in list(os.environ):
        if key.startswith(_STRIPPED) or key.lower() in _PROXIES:
            del os.environ[key]
    config.stash[_home] = os.environ["HOME"] = tempfile.mkdtemp(prefix="provenv-test-home-")


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[_home], ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    skip_slow = pytest.mark.skip(reason="slow: run with --all")
    everything = config.getoption("--all") or os.environ.get("CI") == "true"
    for item in items:
        if "slow" in item.keywords and not everything:
            item.add_marker(skip_slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Slow and hostile tests start their processes without coverage, which costs each 0.1 s or more.

    They go where quick tests have been before, by the thousand.
    """
    if "slow" not in item.keywords and "hostile" not in item.path.parts:
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        for key in [key for key in os.environ if key.startswith("COVERAGE_")]:
            patch.delenv(key)
        return (yield)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if "network" in item.keywords and (reason := _network_trouble()):
        pytest.skip(f"network: {reason}")


@cache
def _network_trouble() -> str | None:
    """Why PyPI cannot be reached, asked once; None where it answers."""
    try:
        with urllib.request.urlopen("https://pypi.org/simple/six/", timeout=10):
            return None
    except (urllib.error.URLError, OSError) as error:
        return f"pypi.org does not answer: {error}"


@pytest.fixture
def home(tmp_path: Path) -> HomeLayout:
    """An empty home layout; the same folder that ``project`` uses as PROVENV_HOME."""
    return HomeLayout(str(tmp_path / "home" / "provenv"))


@pytest.fixture
def index() -> Iterator[Index]:
    """A running, empty package index."""
    with Index() as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, index: Index) -> Project:
    """An empty project folder whose provenv knows ``index`` and nothing else."""
    return Project(tmp_path / "shop", home=tmp_path / "home", index_url=index.url)
