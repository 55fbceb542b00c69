"""A package index on loopback that answers as PyPI does, and fails on demand.

    with Index() as index:
        index.add(make_wheel(...))                      # served at index.url
        index.add(other, to="private")                  # … at index.url_of("private")
        index.protect("private", "me", "secret")
        index.fault("*.whl", status=500, times=2)
        index.requests                                  # what was asked, in order

PEP 503 (HTML) and PEP 691 (JSON) by ``Accept``, PEP 658 metadata, PEP 700 sizes and upload times,
PEP 592 yanking, PEP 740 provenance, PEP 792 statuses, ETag and 304, range requests, HTTP/1.1 keep-alive.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import socket
import tarfile
import threading
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.parser import Parser
from email.utils import formatdate
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

MAIN = "main"
_JSON = "application/vnd.pypi.simple.v1+json"
_HTML = "application/vnd.pypi.simple.v1+html"


@dataclass(frozen=True, slots=True)
class Request:
    """One request that came in; header names are lower-case."""

    method: str
    path: str
    headers: Mapping[str, str]
    status: int


@dataclass(slots=True)
class _File:
    filename: str
    content: bytes
    sha256: str
    project: str
    version: str
    metadata: bytes | None
    requires_python: str | None
    yanked: bool | str
    upload_time: str | None
    publisher: Mapping[str, str] | None = None


@dataclass(slots=True)
class _Fault:
    pattern: str
    times: int | None
    status: int | None = None
    cut: int | None = None
    wrong: bool = False
    rate: int | None = None
    hang: float | None = None
    redirect: str | None = None
    page: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Index:
    """Several package indexes behind one port; start it with ``with``."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._files: dict[str, dict[str, _File]] = {MAIN: {}}
        self._logins: dict[str, str] = {}
        self._statuses: dict[tuple[str, str], dict[str, str]] = {}
        self.attests = False
        self._faults: list[_Fault] = []
        self._guard = threading.Lock()
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.close_connections()
        self._server.server_close()

    @property
    def origin(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """The simple API's address of the main index."""
        return self.url_of(MAIN)

    def url_of(self, name: str, *, login: str = "") -> str:
        """The simple API's address of the index ``name``; ``login`` is ``user:password``."""
        host = self.origin.removeprefix("http://")
        return f"http://{login + '@' if login else ''}{host}/{name}/simple/"

    def file_url(self, filename: str, *, of: str = MAIN) -> str:
        """Where a file is served."""
        return f"{self.origin}/{of}/files/{filename}"

    def add(
        self,
        path: Path,
        *,
        to: str = MAIN,
        yanked: bool | str = False,
        upload_time: str | None = "2024-01-01T00:00:00Z",
        metadata: bool = True,
        publisher: Mapping[str, str] | None = None,
    ) -> str:
        """Serve a wheel or sdist and return its address; ``metadata=False`` leaves PEP 658 out.

        ``publisher`` is said to have attested it (PEP 740); an index says nothing of that before
        ``attests`` is set.
        """
        content = path.read_bytes()
        text = _read_metadata(path)
        headers = Parser().parsestr(text or "", headersonly=True)
        fallback = path.name.removesuffix(".tar.gz").split("-")
        entry = _File(
            filename=path.name,
            content=content,
            sha256=hashlib.sha256(content).hexdigest(),
            project=_normalized(headers.get("Name") or fallback[0]),
            version=headers.get("Version") or fallback[1],
            metadata=text.encode() if text and metadata and path.suffix == ".whl" else None,
            requires_python=headers.get("Requires-Python"),
            yanked=yanked,
            upload_time=upload_time,
            publisher=publisher,
        )
        with self._guard:
            self._files.setdefault(to, {})[path.name] = entry
        return self.file_url(path.name, of=to)

    def remove(self, filename: str, *, of: str = MAIN) -> None:
        """Stop serving a file."""
        with self._guard:
            del self._files[of][filename]

    def status(self, project: str, status: str, reason: str = "", *, of: str = MAIN) -> None:
        """Say a project's status (PEP 792); a quarantined one has no files any more."""
        self._statuses[of, project] = {"status": status, **({"reason": reason} if reason else {})}

    def protect(self, name: str, user: str, password: str) -> None:
        """Answer 401 to whoever does not give this user name and password (HTTP Basic)."""
        self._files.setdefault(name, {})
        self._logins[name] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def fault(
        self,
        pattern: str,
        *,
        times: int | None = None,
        status: int | None = None,
        cut: int | None = None,
        wrong: bool = False,
        rate: int | None = None,
        hang: float | None = None,
        redirect: str | None = None,
        page: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Fail where the path matches a glob (``*.whl``, ``*/simple/six/``), ``times`` times or always.

        Args:
            pattern: Of the whole path, without query.
            times: How often, before things are well again.
            status: Answer with this HTTP status.
            cut: Close the connection after so many bytes of the body (-1: before any answer).
            wrong: Send other bytes of the same length.
            rate: Send at most so many bytes a second.
            hang: Be silent for so many seconds before the answer.
            redirect: Answer 302 to this address; ``{path}`` stands for the path that was asked.
            page: Answer with this HTML.
            headers: More headers for the answer (for example ``Retry-After``).
        """
        with self._guard:
            self._faults.append(
                _Fault(
                    pattern, times, status, cut, wrong, rate, hang, redirect, page, headers or {}
                )
            )

    def heal(self) -> None:
        """Forget all faults."""
        with self._guard:
            self._faults.clear()

    def paths(self, pattern: str = "*") -> list[str]:
        """The paths of the requests so far that match a glob."""
        return [request.path for request in self.requests if fnmatch(request.path, pattern)]

    def _fault_for(self, path: str) -> _Fault | None:
        with self._guard:
            for fault in self._faults:
                if fnmatch(path, fault.pattern) and fault.times != 0:
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None

    def _answer(self, path: str, accept: str, authorization: str | None) -> _Answer:
        name, _, rest = path.removeprefix("/").partition("/")
        with self._guard:
            files = dict(self._files.get(name, {}))
        if name in self._logins and authorization != self._logins[name]:
            return _Answer(401, b"", headers={"WWW-Authenticate": f'Basic realm="{name}"'})
        if rest.startswith("files/"):
            return _file_answer(files, rest.removeprefix("files/"))
        if rest.startswith("integrity/"):
            return _provenance_answer(files, rest.removeprefix("integrity/"))
        if not (match := re.fullmatch(r"simple/(?:([^/]+)/)?", rest)):
            return _Answer(404, b"not here")
        project = match.group(1)
        if project is None:
            return _projects_answer(sorted({file.project for file in files.values()}), accept)
        found = [file for file in files.values() if file.project == project]
        status = self._statuses.get((name, project))
        if status is not None and status["status"] == "quarantined":
            found = []
        base = f"{self.origin}/{name}/files"
        return _project_answer(project, found, base, accept, status, attests=self.attests)


@dataclass(slots=True)
class _Answer:
    status: int
    body: bytes
    kind: str = "text/plain"
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'


def _file_answer(files: Mapping[str, _File], filename: str) -> _Answer:
    forever = {"Cache-Control": "max-age=365000000, immutable, public"}
    if filename in files:
        return _Answer(200, files[filename].content, "application/octet-stream", forever)
    owner = files.get(filename.removesuffix(".metadata"))
    if owner is not None and owner.metadata is not None:
        return _Answer(200, owner.metadata, "application/octet-stream", forever)
    return _Answer(404, b"no such file")


def _projects_answer(names: list[str], accept: str) -> _Answer:
    if _wants_json(accept):
        body = {"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in names]}
        return _Answer(200, json.dumps(body).encode(), _JSON)
    links = "".join(f'<a href="{name}/">{name}</a><br>\n' for name in names)
    return _Answer(200, f"<!DOCTYPE html><html><body>\n{links}</body></html>".encode(), _HTML)


def _provenance_answer(files: Mapping[str, _File], filename: str) -> _Answer:
    publisher = files[filename].publisher if filename in files else None
    if publisher is None:
        return _Answer(404, b"no attestations")
    bundle = {"publisher": {**publisher, "claims": None}, "attestations": [{"version": 1}]}
    body = {"version": 1, "attestation_bundles": [bundle]}
    return _Answer(200, json.dumps(body).encode(), "application/vnd.pypi.integrity.v1+json")


def _project_answer(
    name: str,
    files: list[_File],
    base: str,
    accept: str,
    status: Mapping[str, str] | None = None,
    *,
    attests: bool = False,
) -> _Answer:
    if not files and status is None:
        return _Answer(404, b"no such project")
    fresh = {"Cache-Control": "max-age=600, public", "Vary": "Accept"}
    if _wants_json(accept):
        body = {
            "meta": {"api-version": "1.1"},
            "name": name,
            "versions": sorted({file.version for file in files}),
            "files": [_json_file(file, base, attests=attests) for file in files],
        }
        if status is not None:
            body["project-status"] = status
        return _Answer(200, json.dumps(body).encode(), _JSON, fresh)
    links = "".join(_html_file(file, base) for file in files)
    page = f"<!DOCTYPE html><html><body>\n{links}</body></html>"
    return _Answer(200, page.encode(), "text/html; charset=utf-8", fresh)


def _json_file(file: _File, base: str, *, attests: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "filename": file.filename,
        "url": f"{base}/{file.filename}",
        "hashes": {"sha256": file.sha256},
        "size": len(file.content),
        "upload-time": file.upload_time,
        "yanked": file.yanked,
        "requires-python": file.requires_python,
    }
    if file.upload_time is None:
        del row["upload-time"]
    if attests:
        where = f"{base.removesuffix('files')}integrity/{file.filename}"
        row["provenance"] = where if file.publisher is not None else None
    if file.metadata is not None:
        row["core-metadata"] = {"sha256": hashlib.sha256(file.metadata).hexdigest()}
    return row


def _html_file(file: _File, base: str) -> str:
    attributes = ""
    if file.requires_python:
        attributes += f' data-requires-python="{html.escape(file.requires_python)}"'
    if file.yanked:
        attributes += f' data-yanked="{html.escape(str(file.yanked))}"'
    if file.metadata is not None:
        digest = hashlib.sha256(file.metadata).hexdigest()
        attributes += f' data-core-metadata="sha256={digest}"'
    address = f"{base}/{file.filename}#sha256={file.sha256}"
    return f'<a href="{address}"{attributes}>{file.filename}</a><br>\n'


def _wants_json(accept: str) -> bool:
    """Whether JSON is asked for, with a weight no lower than HTML's (RFC 9110, 12.5.1)."""
    weights = {"json": 0.0, "html": 0.0}
    for item in accept.split(","):
        kind, _, parameters = item.strip().partition(";")
        weight = re.search(r"q=([\d.]+)", parameters)
        for what in weights:
            if kind.endswith(what):
                weights[what] = max(weights[what], float(weight.group(1)) if weight else 1.0)
    return weights["json"] > 0 and weights["json"] >= weights["html"]


def _read_metadata(path: Path) -> str | None:
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".dist-info/METADATA"):
                    return archive.read(name).decode()
        return None
    with tarfile.open(path) as archive:
        for member in archive:
            if member.name.count("/") == 1 and member.name.endswith("/PKG-INFO"):
                stream = archive.extractfile(member)
                return stream.read().decode() if stream else None
    return None


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], index: Index) -> None:
        super().__init__(address, _Handler)
        self.index = index
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Wake the threads that wait for another request on a kept connection."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                self._open.discard(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        pass

    def do_GET(self) -> None:
        index = self.server.index
        path = unquote(urlsplit(self.path).path)
        fault = index._fault_for(path) or _Fault(path, None)
        if fault.hang is not None:
            index._closing.wait(fault.hang)
        answer = self._faulty(fault, path) or index._answer(
            path, self.headers.get("Accept", ""), self.headers.get("Authorization")
        )
        answer.headers.update(fault.headers)
        self._select(answer)
        headers = {name.lower(): value for name, value in self.headers.items()}
        index.requests.append(Request(self.command, path, headers, answer.status))
        if fault.cut == -1:
            self.close_connection = True
            return
        self._send(answer, fault)

    def do_HEAD(self) -> None:
        self.do_GET()

    @staticmethod
    def _faulty(fault: _Fault, path: str) -> _Answer | None:
        if fault.redirect is not None:
            return _Answer(302, b"", headers={"Location": fault.redirect.format(path=path)})
        if fault.page is not None:
            return _Answer(200, fault.page.encode(), "text/html; charset=utf-8")
        if fault.status is not None:
            return _Answer(fault.status, b"a fault on demand")
        return None

    def _select(self, answer: _Answer) -> None:
        """Turn a 200 into 304 or 206 where the request asks for that."""
        if answer.status != 200:
            return
        answer.headers.update({"ETag": answer.etag, "Accept-Ranges": "bytes"})
        if self.headers.get("If-None-Match") == answer.etag:
            answer.status, answer.body = 304, b""
            return
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if wanted is None or not any(wanted.groups()):
            return
        size = len(answer.body)
        first, last = wanted.groups()
        start = int(first) if first else max(size - int(last), 0)
        end = min(int(last), size - 1) if first and last else size - 1
        if start > end:
            answer.status, answer.body = 416, b""
            answer.headers["Content-Range"] = f"bytes */{size}"
            return
        answer.status, answer.body = 206, answer.body[start : end + 1]
        answer.headers["Content-Range"] = f"bytes {start}-{end}/{size}"

    def _send(self, answer: _Answer, fault: _Fault) -> None:
        body = answer.body
        if fault.wrong:
            body = bytes(byte ^ 0xFF for byte in body)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Last-Modified", formatdate(1704067200, usegmt=True))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD" or answer.status == 304:
            return
        if fault.cut is not None:
            body = body[: fault.cut]
            self.close_connection = True
        self._write(body, fault.rate)

    def _write(self, body: bytes, rate: int | None) -> None:
        if rate is None:
            self.wfile.write(body)
            return
        piece = max(rate // 20, 1)
        for at in range(0, len(body), piece):
            if self.server.index._closing.is_set():
                return
            self.wfile.write(body[at : at + piece])
            time.sleep(piece / rate)
