"""The recorded index as it lies in a folder, and its pages as PyPI would serve them.

    STORE/simple/<name>.json      a project's page exactly as the origin sent it (PEP 691)
    STORE/files/<path>            wheels, sdists and ``.metadata`` (PEP 658), by their path at the origin
    STORE/missing/<path>          empty; the origin answered 404 for this path

Every version of a recorded project stays in its page, because resolvers read them all. Only the
files that some resolver or installer asked for are there.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import os
import posixpath
import threading
import time
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

ORIGIN = "https://pypi.org/simple/"
FILES = "https://files.pythonhosted.org/"
JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "application/vnd.pypi.simple.v1+html"
_UPSTREAM = threading.Semaphore(8)  # requests to the origin under way at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One project's page, ready to send: ``bodies`` by (content type, is it gzip)."""

    etag: str
    bodies: dict[tuple[str, bool], bytes]


class Catalogue:
    """What was recorded, read for serving; with ``record``, also what was not yet.

    Thread-safe. ``base`` is the address that file URLs are rewritten to, with a final slash.
    """

    def __init__(self, store: str, *, base: str, record: bool = False) -> None:
        self.store = os.path.abspath(store)
        self.base = base
        self.record = record
        self._pages: dict[str, Page] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        for folder in ("simple", "files", "missing"):
            os.makedirs(os.path.join(self.store, folder), exist_ok=True)

    def names(self) -> list[str]:
        """Every recorded project."""
        found = os.listdir(os.path.join(self.store, "simple"))
        return sorted(file.removesuffix(".json") for file in found if file.endswith(".json"))

    def page(self, name: str) -> Page | None:
        """The page of project ``name`` (normalized), or None where it is not known."""
        page = self._pages.get(name)
        if page is None:
            with self._lock("simple/" + name):
                page = self._pages.get(name) or self._render(name)
            if page is not None and not self.record:
                self._pages[name] = page
        return page

    def file(self, path: str) -> str | None:
        """Where the file that the origin has under ``path`` lies here, or None."""
        clean = posixpath.normpath(unquote(path)).lstrip("/")
        if clean.startswith(".."):
            return None
        local = os.path.join(self.store, "files", clean)
        if os.path.isfile(local):
            return local
        if not self.record:
            return None
        with self._lock("files/" + clean):
            if os.path.isfile(local) or self._fetch(FILES + path.lstrip("/"), local, clean):
                return local
        wheel = path.removesuffix(".metadata")
        if wheel != path and (found := self.file(wheel)) is not None:
            _extract_metadata(found, local)
            return local
        return None

    def _lock(self, key: str) -> threading.Lock:
        with self._guard:
            return self._locks.setdefault(key, threading.Lock())

    def _render(self, name: str) -> Page | None:
        local = os.path.join(self.store, "simple", f"{name}.json")
        if not os.path.exists(local) and not (
            self.record and self._fetch(f"{ORIGIN}{name}/", local, "simple/" + name)
        ):
            return None
        with open(local, "rb") as stream:
            content = json.load(stream)
        for file in content["files"]:
            self._rewrite(file)
        body = json.dumps(content, separators=(",", ":")).encode()
        page = _html(name, content).encode()
        etag = '"' + hashlib.sha256(body).hexdigest()[:32] + '"'
        plain = {JSON_TYPE: body, HTML_TYPE: page, "text/html": page}
        bodies = {(kind, False): data for kind, data in plain.items()}
        bodies |= {(kind, True): gzip.compress(data, 6, mtime=0) for kind, data in plain.items()}
        return Page(etag=etag, bodies=bodies)

    def _rewrite(self, file: dict[str, object]) -> None:
        path = urlsplit(str(file["url"])).path.lstrip("/")
        file["url"] = self.base + path
        if not str(file["filename"]).endswith(".whl"):
            return
        # PyPI has metadata for every wheel; a mirror may lack it, and then it is taken from the wheel
        metadata = os.path.join(self.store, "files", path + ".metadata")
        if os.path.exists(metadata):
            with open(metadata, "rb") as stream:
                digest = {"sha256": hashlib.file_digest(stream, "sha256").hexdigest()}
            file["core-metadata"] = file["data-dist-info-metadata"] = digest
        else:
            file.setdefault("core-metadata", True)
            file.setdefault("data-dist-info-metadata", True)

    def _fetch(self, url: str, local: str, clean: str) -> bool:
        marker = os.path.join(self.store, "missing", clean.replace("/", "%2F"))
        if os.path.exists(marker):
            return False
        body = _get(url)
        if body is None:
            with open(marker, "wb"):
                return False
        os.makedirs(os.path.dirname(local), exist_ok=True)
        with open(local + ".part", "wb") as stream:
            stream.write(body)
        os.replace(local + ".part", local)
        return True


def _get(url: str, attempts: int = 5) -> bytes | None:
    """What the origin has there, or None for 404; name resolution and the like may fail a few times."""
    request = urllib.request.Request(url, headers={"Accept": JSON_TYPE + ", */*;q=0.1"})
    for attempt in range(attempts):
        try:
            with _UPSTREAM, urllib.request.urlopen(request, timeout=60) as answer:
                body: bytes = answer.read()
                return body
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            if attempt == attempts - 1:
                raise
        except OSError:
            if attempt == attempts - 1:
                raise
        time.sleep(0.25 * 2**attempt)
    raise AssertionError("unreachable")


def _extract_metadata(wheel: str, local: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        body = archive.read(min(names, key=len))
    with open(local + ".part", "wb") as stream:
        stream.write(body)
    os.replace(local + ".part", local)


def _html(name: str, content: dict[str, object]) -> str:
    """The same page for clients that read HTML (PEP 503, PEP 658, PEP 592)."""
    files = content["files"]
    assert isinstance(files, list)
    lines = [
        "<!DOCTYPE html>",
        '<html><head><meta name="pypi:repository-version" content="1.1">',
        f"<title>Links for {name}</title></head><body><h1>Links for {name}</h1>",
    ]
    for file in files:
        attributes = f'href="{file["url"]}#sha256={file["hashes"]["sha256"]}"'
        if file.get("requires-python"):
            attributes += f' data-requires-python="{html.escape(file["requires-python"])}"'
        metadata = file.get("core-metadata")
        if metadata:
            value = f"sha256={metadata['sha256']}" if isinstance(metadata, dict) else "true"
            attributes += f' data-core-metadata="{value}" data-dist-info-metadata="{value}"'
        if file.get("yanked"):
            reason = file["yanked"] if isinstance(file["yanked"], str) else ""
            attributes += f' data-yanked="{html.escape(reason)}"'
        lines.append(f"<a {attributes}>{file['filename']}</a><br>")
    lines.append("</body></html>")
    return "\n".join(lines)
