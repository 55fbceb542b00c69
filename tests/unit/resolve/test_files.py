from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from typing import Any

from provenv.resolve.files import give_files, take_files

INDEX = "https://example.org/simple"
LOCK = """version = 1

[[package]]
name = "a"
version = "1.0"
source = { registry = "https://example.org/simple" }
dependencies = [
    { name = "b" },
]
sdist = { url = "https://f/a-1.0.tar.gz", hash = "sha256:aa11", size = 5, upload-time = "TIME" }
wheels = [
    { url = "https://f/a-1.0-py3-none-any.whl", hash = "sha256:bb22", size = 7 },
    { url = "https://f/a-1.0-cp313-none-any.whl" },
]

[[package]]
name = "b"
version = "2.0"
source = { url = "https://f/b-2.0-py3-none-any.whl" }
wheels = [
    { url = "https://f/b-2.0-py3-none-any.whl", hash = "sha256:cc33" },
]
""".replace("TIME", "2024-05-10T11:23:10.216Z")
EXPECTED = {
    "name": "a",
    "version": "1.0",
    "index": INDEX,
    "sdist": {
        "url": "https://f/a-1.0.tar.gz",
        "upload-time": datetime(2024, 5, 10, 11, 23, 10, tzinfo=UTC),
        "size": 5,
        "hashes": {"sha256": "aa11"},
    },
    "wheels": [
        {"url": "https://f/a-1.0-py3-none-any.whl", "size": 7, "hashes": {"sha256": "bb22"}},
        {"url": "https://f/a-1.0-cp313-none-any.whl", "hashes": {}},
    ],
}


def given(lock: str) -> dict[str, Any]:
    _, files = take_files(lock)
    package: dict[str, Any] = {"name": "a", "version": "1.0", "index": INDEX}
    give_files(package, files)
    return package


def test_files_from_an_index_are_taken_out_and_given_back() -> None:
    text, _ = take_files(LOCK)
    a, b = tomllib.loads(text)["package"]
    assert set(a) == {"name", "version", "source", "dependencies"}
    assert len(b["wheels"]) == 1
    assert given(LOCK) == EXPECTED


def test_another_spelling_of_a_line_is_understood_too() -> None:
    other = LOCK.replace("size = 7 }", "size = 7, zstd = { size = 3 } }").replace(
        'hash = "sha256:aa11", size = 5', 'size = 5, hash = "sha256:aa11"'
    )
    assert given(other) == EXPECTED


def test_a_package_may_have_a_source_distribution_alone() -> None:
    alone = LOCK[: LOCK.index("wheels")] + LOCK[LOCK.index('[[package]]\nname = "b"') :]
    wanted = {key: value for key, value in EXPECTED.items() if key != "wheels"}
    assert given(alone) == wanted
    assert (
        given(alone.replace('hash = "sha256:aa11", size = 5', 'size = 5, hash = "sha256:aa11"'))
        == wanted
    )


def test_other_packages_get_nothing() -> None:
    package: dict[str, Any] = {"name": "b", "version": "2.0"}
    give_files(package, take_files(LOCK)[1])
    assert package == {"name": "b", "version": "2.0"}
