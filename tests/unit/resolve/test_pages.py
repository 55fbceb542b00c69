"""What an index says of files: JSON and HTML, and what is no page at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from provenv.core.errors import NetworkError
from provenv.core.http import HttpSettings, Transport
from provenv.resolve.pages import files_of, version_of
from support import Index, make_sdist, make_wheel, sha256_of

HTML = b"""<!doctype html><title>x</title>
<a href="../../files/Web_Kit-1.0.0-py3-none-any.whl#sha256=ABCD" data-requires-python="&gt;=3">a</a>
<a href="/files/web%2Dkit-1.0.tar.gz">b</a> <a>nothing</a> <a href="web-kit-1.0.exe">c</a>
"""


@pytest.fixture
def index() -> Iterator[Index]:
    with Index() as running:
        yield running


def test_json_as_pypi_answers(index: Index, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "web-kit", "1.0")
    sdist = make_sdist(tmp_path, "web-kit", "1.0")
    index.add(wheel)
    index.add(sdist)
    found = files_of(Transport(HttpSettings()), index.url, "Web.Kit")
    assert found is not None
    assert {(file.filename, file.version, file.is_wheel) for file in found} == {
        (wheel.name, "1.0", True),
        (sdist.name, "1.0", False),
    }
    first = next(file for file in found if file.is_wheel)
    assert first.hashes == {"sha256": sha256_of(wheel)}
    assert first.size == wheel.stat().st_size
    assert first.url == index.file_url(wheel.name)
    assert files_of(Transport(HttpSettings()), index.url, "nothing") is None


@contextmanager
def answering(kind: str, body: bytes) -> Iterator[str]:
    """The address of a server that has one answer to everything."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("kind", "body"),
    [("application/json", b"hello"), ("application/vnd.pypi.simple.v1+json", b"{}")],
    ids=["rubbish", "broken"],
)
def test_what_is_no_page_is_refused(kind: str, body: bytes) -> None:
    with (
        answering(kind, body) as base,
        pytest.raises(NetworkError, match="not a page of an index"),
    ):
        files_of(Transport(HttpSettings()), f"{base}/simple", "web-kit")


def test_html() -> None:
    with answering("text/html; charset=utf-8", HTML) as base:
        found = files_of(Transport(HttpSettings()), f"{base}/simple/", "web-kit") or ()
    wheel, sdist = found
    assert wheel.url == f"{base}/files/Web_Kit-1.0.0-py3-none-any.whl"
    assert (wheel.version, wheel.hashes) == ("1.0.0", {"sha256": "abcd"})
    assert (sdist.filename, sdist.hashes) == ("web-kit-1.0.tar.gz", {})


def test_rows_that_make_no_sense_are_left_out() -> None:
    good: dict[str, object] = {
        "filename": "web-1.0.tar.gz",
        "url": "web-1.0.tar.gz",
        "hashes": {},
        "yanked": None,
    }
    rows = [
        good,
        {**good, "filename": "web-2.0.tar.gz", "hashes": "?", "size": "?", "upload-time": 1},
        {**good, "filename": "web-3.0.tar.gz", "url": "http://[x/web-3.0.tar.gz"},
        {"filename": "web-4.0.tar.gz"},
        {"url": "web-5.0.tar.gz"},
        {**good, "filename": 6},
        "web-7.0.tar.gz",
    ]
    with answering("application/json", json.dumps({"files": rows}).encode()) as base:
        found = files_of(Transport(HttpSettings()), base, "web") or ()
    assert [(file.version, file.yanked) for file in found] == [("1.0", False), ("2.0", False)]
    assert (found[1].hashes, found[1].size, found[1].uploaded) == ({}, None, None)


@pytest.mark.parametrize(
    ("filename", "version"),
    [
        ("web-1.0-py3-none-any.whl", "1.0"),
        ("web-1.0.tar.gz", "1.0"),
        ("web-v1.zip", "1"),
        ("web-1.0.exe", None),
        ("web-1.0-cp27-none-win32.msi", None),
    ],
)
def test_versions_in_names(filename: str, version: str | None) -> None:
    assert version_of(filename) == version
