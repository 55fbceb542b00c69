"""Serves a recorded package index on loopback, with PyPI's cache headers.

    python -m bench.replay --store FOLDER [--port 8765]            only what was recorded
    python -m bench.replay --store FOLDER --record                 asks PyPI for the rest, and keeps it

Pages carry an ETag and ``max-age=600``, files are immutable, connections stay open, file bodies go
out through sendfile(2). One thread a connection; pages are rendered and compressed before the first
client comes, so that the server's part of a measured run is a few system calls a request.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from typing import BinaryIO

from bench.catalogue import HTML_TYPE, JSON_TYPE, Catalogue

PORT = 8765
_PAGE_HEADERS = {
    "Cache-Control": "max-age=600, public",
    "Vary": "Accept, Accept-Encoding",
    "X-PyPI-Last-Serial": "1",
}
_FILE_HEADERS = {"Cache-Control": "max-age=365000000, immutable, public", "Accept-Ranges": "bytes"}
_REASONS = {200: "OK", 206: "Partial Content", 301: "Moved Permanently", 304: "Not Modified"}
_REASONS |= {404: "Not Found", 405: "Method Not Allowed", 502: "Bad Gateway"}


class Connection:
    """One client's connection: requests are answered in turn until it closes."""

    def __init__(self, catalogue: Catalogue, peer: socket.socket) -> None:
        self.catalogue = catalogue
        self.peer = peer
        self.method = ""

    def serve(self) -> None:
        """Answer until the client goes away."""
        self.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.peer, self.peer.makefile("rb") as reader, contextlib.suppress(OSError):
            while request := _read_request(reader):
                self.method, target, headers = request
                if self.method not in ("GET", "HEAD"):
                    self._send(405, {}, b"")
                    return
                self._answer(target.partition("?")[0], headers)
                if headers.get("connection", "").lower() == "close":
                    return

    def _answer(self, path: str, headers: Mapping[str, str]) -> None:
        try:
            if path.startswith("/simple/"):
                self._page(path, headers)
            else:
                self._file(path, headers)
        except OSError as error:
            if isinstance(error, ConnectionError):
                raise
            print(f"{path}: {error}", file=sys.stderr, flush=True)
            self._send(502, {}, str(error).encode())

    def _page(self, path: str, headers: Mapping[str, str]) -> None:
        name = path.removeprefix("/simple/").strip("/")
        normalized = re.sub(r"[-_.]+", "-", name).lower()
        if path != f"/simple/{normalized}/":
            self._send(301, {"Location": f"/simple/{normalized}/"}, b"")
            return
        page = self.catalogue.page(normalized)
        if page is None:
            self._send(404, {"Cache-Control": "max-age=600, public"}, b"404 Not Found")
            return
        kind = _wanted(headers.get("accept", ""))
        packed = "gzip" in headers.get("accept-encoding", "")
        out = {**_PAGE_HEADERS, "ETag": page.etag, "Content-Type": kind}
        if headers.get("if-none-match", "") == page.etag:
            self._send(304, out, b"")
            return
        if packed:
            out["Content-Encoding"] = "gzip"
        self._send(200, out, page.bodies[kind, packed])

    def _file(self, path: str, headers: Mapping[str, str]) -> None:
        local = self.catalogue.file(path)
        if local is None:
            self._send(404, {"Cache-Control": "max-age=600, public"}, b"404 Not Found")
            return
        with open(local, "rb", buffering=0) as stream:
            size = os.fstat(stream.fileno()).st_size
            out = {**_FILE_HEADERS, "ETag": f'"{os.path.basename(local)}-{size}"'}
            out["Content-Type"] = "application/octet-stream"
            start, stop = _range(headers.get("range", ""), size)
            if (start, stop) != (0, size):
                out["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
                self._send(206, out, b"", length=stop - start)
            else:
                self._send(200, out, b"", length=size)
            if self.method == "GET":
                while start < stop:
                    start += os.sendfile(self.peer.fileno(), stream.fileno(), start, stop - start)

    def _send(
        self, status: int, headers: Mapping[str, str], body: bytes, *, length: int | None = None
    ) -> None:
        lines = [f"HTTP/1.1 {status} {_REASONS[status]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if status != 304:
            lines.append(f"Content-Length: {len(body) if length is None else length}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        self.peer.sendall(head + body if self.method == "GET" else head)


def _read_request(reader: BinaryIO) -> tuple[str, str, dict[str, str]] | None:
    line = reader.readline(65536)
    if not line.strip():
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers: dict[str, str] = {}
    while (line := reader.readline(65536)) not in (b"\r\n", b"\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return method, target, headers


def _wanted(accept: str) -> str:
    if JSON_TYPE in accept:
        return JSON_TYPE
    return HTML_TYPE if HTML_TYPE in accept else "text/html"


def _range(value: str, size: int) -> tuple[int, int]:
    """First byte and the one after the last, of a single-range request or of the whole file."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", value)
    if match is None or not any(match.groups()):
        return 0, size
    first, last = match.groups()
    if not first:
        return max(0, size - int(last)), size
    return min(int(first), size), min(int(last) + 1, size) if last else size


def serve(catalogue: Catalogue, listener: socket.socket) -> None:
    """Accept connections for ever, each in a daemon thread of its own."""
    while True:
        peer, _ = listener.accept()
        threading.Thread(target=Connection(catalogue, peer).serve, daemon=True).start()


def main() -> int:
    """Serve until SIGTERM or Ctrl-C; prints the index's address once it is ready."""
    parser = argparse.ArgumentParser(prog="bench.replay", description="Serve a recorded index.")
    parser.add_argument("--store", required=True, metavar="FOLDER", help="what bench.record made")
    parser.add_argument("--port", type=int, default=PORT, help="%(default)s; 0: any free one")
    parser.add_argument("--record", action="store_true", help="ask PyPI for what is not there yet")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with socket.create_server(("127.0.0.1", args.port), backlog=512) as listener:
        port = listener.getsockname()[1]
        catalogue = Catalogue(args.store, base=f"http://127.0.0.1:{port}/", record=args.record)
        if not args.record:
            for name in catalogue.names():
                catalogue.page(name)
        print(f"http://127.0.0.1:{port}/simple/", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            serve(catalogue, listener)
    return 0


if __name__ == "__main__":
    sys.exit(main())
