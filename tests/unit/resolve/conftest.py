from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from packaging.markers import default_environment
from packaging.tags import sys_tags

from provenv.core.http import HttpSettings
from provenv.model.interpreter import Interpreter
from provenv.resolve import ResolveSettings
from unit.resolve.little_index import LittleIndex, serve
from unit.resolve.locking import Project


@pytest.fixture
def make_index() -> Iterator[Callable[[], LittleIndex]]:
    servers = []

    def make() -> LittleIndex:
        index = LittleIndex()
        servers.append(serve(index))
        return index

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def index(make_index: Callable[[], LittleIndex]) -> LittleIndex:
    return make_index()


@pytest.fixture(scope="session")
def interpreter() -> Interpreter:
    executable = os.path.realpath(sys.executable)
    return Interpreter(
        executable=executable,
        version=platform.python_version(),
        implementation="cpython",
        source="request",
        size=0,
        mtime_ns=0,
        markers=cast("dict[str, str]", default_environment()),
        tags=tuple(str(tag) for tag in sys_tags()),
        site_packages="lib/site-packages",
        include="include",
        home=os.path.dirname(executable),
    )


@pytest.fixture
def project(tmp_path: Path, index: LittleIndex, interpreter: Interpreter) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "GIT_CONFIG_GLOBAL")
    settings = ResolveSettings(
        cache=str(tmp_path / "uv-cache"),
        tmp=str(tmp_path / "tmp"),
        environ={name: os.environ[name] for name in kept if name in os.environ},
        interpreter=interpreter,
        http=HttpSettings(attempts=1, timeout=10),
        index_url=index.simple,
    )
    return Project(folder=folder, settings=settings, events=[])
