from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from provenv.core.errors import InputError, UsageError
from provenv.core.events import silent
from provenv.core.http import HttpSettings, Transport
from provenv.interpreters import parse_request
from provenv.interpreters.builds import Build, best, managed, open_source
from unit.interpreters.helpers import Heard

TRANSPORT = Transport(HttpSettings(offline=True))


def build(version: str, implementation: str = "cpython", *, threads: bool = False) -> Build:
    key = f"{implementation}-{version}{'t' if threads else ''}"
    return Build(
        key=key, implementation=implementation, version=version, free_threaded=threads, url=""
    )


BUILDS = [
    build("3.15.0a2"),
    build("3.14.0rc2"),
    build("3.14.0rc10"),
    build("3.13.2", threads=True),
    build("3.13.1"),
    build("3.13.2"),
    build("3.9.25"),
    build("3.12.4", "pypy"),
    build("3.11.9", "pypy"),
]


@pytest.mark.parametrize(
    ("request_", "requires", "key"),
    [
        ("3", None, "cpython-3.13.2"),
        ("3.13", None, "cpython-3.13.2"),
        ("3.13.1", None, "cpython-3.13.1"),
        ("3.13t", None, "cpython-3.13.2t"),
        ("3.14", None, "cpython-3.14.0rc10"),
        (">=3.9,<3.13", None, "cpython-3.9.25"),
        ("pypy", None, "pypy-3.12.4"),
        ("pypy3.11", None, "pypy-3.11.9"),
        ("3.12", None, "pypy-3.12.4"),
        ("3", "<3.13", "cpython-3.9.25"),
        ("3.9", ">=3.11", None),
        ("3.8", None, None),
    ],
)
def test_the_newest_ordinary_build_that_is_asked_for(
    request_: str, requires: str | None, key: str | None
) -> None:
    found = best(parse_request(request_), BUILDS, requires)
    assert (found.key if found else None) == key


def listed(tmp_path: Path, entries: dict[str, Any]) -> str:
    path = tmp_path / "mirror/list.json"
    path.parent.mkdir()
    path.write_text(json.dumps(entries))
    return str(path)


def test_of_a_list_only_what_promises_its_bytes_is_shown_to_uv(
    tmp_path: Path, heard: Heard
) -> None:
    entries = {
        "a": {"url": "x/a.tar.gz", "sha256": "0" * 64},
        "b": {"url": "https://example.org/b.tar.gz", "sha256": "1" * 64},
        "c": {"url": "c.tar.gz", "sha256": "2" * 63},
        "d": {"url": "d.tar.gz"},
    }
    source = open_source(listed(tmp_path, entries), None, TRANSPORT, str(tmp_path), heard)
    assert source.mirror is None
    assert source.list_file is not None
    kept = json.loads(Path(source.list_file).read_text())
    assert {key: entry["url"] for key, entry in kept.items()} == {
        "a": f"file://{tmp_path}/mirror/x/a.tar.gz",
        "b": "https://example.org/b.tar.gz",
    }
    assert [warning.rpartition(": ")[2] for warning in heard.warnings] == ["c, d"]


def test_a_folder_takes_the_place_of_all_servers(tmp_path: Path) -> None:
    source = open_source("/srv/pythons/", None, TRANSPORT, str(tmp_path), silent)
    assert source.options == [
        "--mirror", "file:///srv/pythons",
        "--pypy-mirror", "file:///srv/pythons",
        "--graalpy-mirror", "file:///srv/pythons",
    ]  # fmt: skip
    assert open_source(None, None, TRANSPORT, str(tmp_path), silent).options == []


@pytest.mark.parametrize("mirror", ["pythons", "ftp://example.org", "c:\\pythons"])
def test_what_is_no_address_is_refused(tmp_path: Path, mirror: str) -> None:
    with pytest.raises(UsageError, match="no mirror for Pythons"):
        open_source(mirror, None, TRANSPORT, str(tmp_path), silent)


def test_passwords_in_addresses_are_not_shown(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        open_source("ftp://me:secret@example.org", None, TRANSPORT, str(tmp_path), silent)
    assert "secret" not in caught.value.message
    with pytest.raises(InputError, match="cannot be read"):
        open_source(f"{tmp_path}/none.json", None, TRANSPORT, str(tmp_path), silent)


def test_what_uv_manages_is_told_by_its_folders(tmp_path: Path) -> None:
    names = [
        "cpython-3.13.1-linux-x86_64-gnu",
        "cpython-3.13.1+freethreaded-linux-x86_64-gnu",
        "pypy-3.11.9-linux-x86_64-gnu",
        ".temp",
        "something",
    ]
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / "cpython-3.13-linux-x86_64-gnu").symlink_to(names[0])
    assert {(one.key, one.implementation, one.free_threaded) for one in managed(str(tmp_path))} == {
        (names[0], "cpython", False),
        (names[1], "cpython", True),
        (names[2], "pypy", False),
    }
    assert managed(str(tmp_path / "nowhere")) == ()
