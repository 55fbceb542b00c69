"""What an index says of files: JSON and HTML, and what is no page at all."""

from __future__ import annotations

from collections.abc import Iterator
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


@pytest.mark.parametrize("kind", ["html", "rubbish", "broken"])
def test_other_answers(kind: str) -> None:
    bodies = {
        "html": ("text/html; charset=utf-8", HTML),
        "rubbish": ("application/json", b"hello"),
        "broken": ("application/vnd.pypi.simple.v1+json", b"{}"),
    }

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", bodies[kind][0])
            self.end_headers()
            self.wfile.write(bodies[kind][1])

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            base = f"http://127.0.0.1:{server.server_address[1]}"
            transport = Transport(HttpSettings())
            if kind != "html":
                with pytest.raises(NetworkError, match="not a page of an index"):
                    files_of(transport, f"{base}/simple", "web-kit")
                return
            wheel, sdist = files_of(transport, f"{base}/simple/", "web-kit") or ()
        finally:
            server.shutdown()
            thread.join()
    assert wheel.url == f"{base}/files/Web_Kit-1.0.0-py3-none-any.whl"
    assert (wheel.version, wheel.hashes) == ("1.0.0", {"sha256": "abcd"})
    assert (sdist.filename, sdist.hashes) == ("web-kit-1.0.tar.gz", {})


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
