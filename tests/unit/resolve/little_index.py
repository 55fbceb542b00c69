"""A little package index for these tests: wheels made on the spot, served as PEP 691 JSON or HTML."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def make_wheel(
    name: str,
    version: str,
    requires: Sequence[str] = (),
    *,
    extras: Sequence[str] = (),
    requires_python: str | None = None,
) -> tuple[str, bytes]:
    """A pure wheel's file name and bytes."""
    module = name.replace("-", "_")
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {requires_python}"] if requires_python else []
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": f"version = {version!r}\n",
        f"{info}/METADATA": "\n".join(lines) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={_urlsafe(text)},{len(text)}\n" for path, text in files.items()
    )
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
    return f"{module}-{version}-py3-none-any.whl", buffer.getvalue()


def _urlsafe(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@dataclass
class LittleIndex:
    """What is served.

    ``status`` answers by package, ``login`` demands credentials; ``asked``: by whom, for what.
    """

    url: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    yanked: set[str] = field(default_factory=set)
    status: dict[str, int] = field(default_factory=dict)
    login: tuple[str, str] | None = None
    html: bool = False
    without_hashes: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)

    def add(
        self,
        name: str,
        version: str,
        requires: Sequence[str] = (),
        *,
        extras: Sequence[str] = (),
        requires_python: str | None = None,
    ) -> bytes:
        filename, data = make_wheel(
            name, version, requires, extras=extras, requires_python=requires_python
        )
        self.files.setdefault(name, {})[filename] = data
        return data

    @property
    def simple(self) -> str:
        return f"{self.url}/simple"

    def answer(self, path: str, headers: Mapping[str, str]) -> tuple[int, str, bytes]:
        self.asked.append((headers.get("User-Agent", "").partition("/")[0], path))
        if self.login is not None:
            pair = base64.b64encode(":".join(self.login).encode()).decode()
            if headers.get("Authorization") != f"Basic {pair}":
                return 401, "text/plain", b"who are you?"
        parts = path.strip("/").split("/")
        if parts[0] == "simple":
            return self._page(parts[1])
        data = self.files.get(parts[1], {}).get(parts[2].removesuffix(".metadata"))
        if data is None:
            return 404, "text/plain", b"no such file"
        if path.endswith(".metadata"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                name = next(n for n in archive.namelist() if n.endswith("/METADATA"))
                data = archive.read(name)
        return 200, "application/octet-stream", data

    def _page(self, name: str) -> tuple[int, str, bytes]:
        status = self.status.get(name, 200 if name in self.files else 404)
        if status != 200:
            return status, "text/plain", b"refused"
        if self.html:
            rows = "".join(
                f'<a href="{self.url}/files/{name}/{file}{self._fragment(data)}">{file}</a><br>'
                for file, data in self.files[name].items()
            )
            return 200, "text/html", f"<!DOCTYPE html><html><body>{rows}</body></html>".encode()
        page = {
            "meta": {"api-version": "1.1"},
            "name": name,
            "files": [
                {
                    "filename": file,
                    "url": f"{self.url}/files/{name}/{file}",
                    "hashes": {"sha256": hashlib.sha256(data).hexdigest()},
                    "size": len(data),
                    "core-metadata": True,
                    "yanked": file in self.yanked,
                    "upload-time": "2024-01-01T00:00:00Z",
                }
                for file, data in self.files[name].items()
            ],
        }
        return 200, "application/vnd.pypi.simple.v1+json", json.dumps(page).encode()

    def _fragment(self, data: bytes) -> str:
        return "" if self.without_hashes else f"#sha256={hashlib.sha256(data).hexdigest()}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    index: LittleIndex

    def do_GET(self) -> None:
        status, kind, body = self.index.answer(self.path, dict(self.headers.items()))
        wanted = self.headers.get("Range")
        self.send_response(206 if status == 200 and wanted else status)
        if status == 200 and wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            total = len(body)
            start = int(first) if first else max(total - int(last), 0)
            stop = int(last) + 1 if first and last else total
            body = body[start:stop]
            self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{total}")
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="index"')
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        return


def serve(index: LittleIndex) -> ThreadingHTTPServer:
    """Serve ``index`` on a free port of loopback until the server is shut down."""
    handler = type("Handler", (_Handler,), {"index": index})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    index.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    ).start()
    return server
