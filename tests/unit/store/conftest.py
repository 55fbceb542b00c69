"""A home folder for each test, and a short way to put a wheel into its store."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provenv.core.files import remove_tree
from provenv.model.layout import HomeLayout
from provenv.store.ingest import ingest
from provenv.store.objects import StoredObject
from unit.store.server import Server
from unit.store.wheelmaker import Made, Wheel

Put = Callable[[Wheel | Made], StoredObject]


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[HomeLayout]:
    home = HomeLayout(str(tmp_path / "home"))
    yield home
    remove_tree(home.root)


@pytest.fixture
def put(layout: HomeLayout, tmp_path: Path) -> Put:
    def put(wheel: Wheel | Made) -> StoredObject:
        made = wheel if isinstance(wheel, Made) else wheel.save(tmp_path / "wheels")
        return ingest(
            layout, str(made.path), filename=made.filename, sha256=made.sha256, size=made.size
        )

    return put


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.shutdown()
    running.server_close()
