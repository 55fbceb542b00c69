"""What an index says of the files of a distribution: its simple page (PEP 503, PEP 691)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urljoin, urlsplit, urlunsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from provenv.core.errors import NetworkError
from provenv.core.http import Response, Transport, redacted, status_error
from provenv.core.values import field, frozen

_JSON = "application/vnd.pypi.simple.v1+json"
_ACCEPT = f"{_JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


@frozen
class IndexFile:
    """One file, as an index names it.

    ``version`` is normalized, ``yanked`` as PEP 592 has it, ``uploaded`` ISO 8601 where the index says it
    (PEP 700). ``metadata`` are the hashes of its metadata, which lie beside it (PEP 658, PEP 714).
    """

    filename: str
    version: str
    url: str
    hashes: Mapping[str, str]
    size: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    yanked: bool = False
    uploaded: str | None = None

    @property
    def is_wheel(self) -> bool:
        """Whether it needs no build."""
        return self.filename.endswith(".whl")


Pages = dict[tuple[str, str], tuple[IndexFile, ...]]
"""By index and normalized name, the files on pages that were read."""


@frozen
class ProjectPage:
    """What an index answered when it was asked for a project's page as JSON.

    Attributes:
        state: ``read``; ``same`` as the one with the given ``etag``; ``gone``: the index does not know the
            name; ``silent``: it has a page, and not as JSON.
        url: Where it came from; links on the page begin there.
        data: The page, where it was read: an object with ``files``. Nothing in it is checked.
        html: What a silent index answered instead.
    """

    state: Literal["read", "same", "gone", "silent"]
    url: str
    status: int = 200
    data: Mapping[str, Any] | None = field(default=None, repr=False)
    html: bytes = field(default=b"", repr=False)
    etag: str | None = None


def project_page(
    transport: Transport, index: str, name: str, *, etag: str | None = None
) -> ProjectPage:
    """Ask an index for all that it says of a project (PEP 691, and what later PEPs added to it).

    Raises:
        NetworkError: It does not answer, refuses, or the answer says that it is such a page and is none.
    """
    if not index.startswith(("http://", "https://")):
        return ProjectPage(state="silent", url=_address(index, name))
    return _fetched(transport, _address(index, name), etag)


def _address(index: str, name: str) -> str:
    return f"{index.rstrip('/')}/{canonicalize_name(name)}/"


def _fetched(transport: Transport, url: str, etag: str | None = None) -> ProjectPage:
    headers = {"Accept": _ACCEPT} | ({"If-None-Match": etag} if etag else {})
    answer = transport.get(url, headers=headers)
    if answer.status == 304 and etag:
        return ProjectPage(state="same", url=answer.url, status=304, etag=etag)
    if answer.status in (404, 410):
        return ProjectPage(state="gone", url=answer.url, status=answer.status)
    if answer.status != 200:
        raise status_error(answer.status, url)
    if not _is_json(answer):
        return ProjectPage(state="silent", url=answer.url, html=answer.body)
    try:
        data = json.loads(answer.body)
        if not isinstance(data, dict) or not isinstance(data.get("files"), list):
            raise ValueError("it lists no files")
    except (ValueError, RecursionError) as error:
        raise _no_page(url, error) from error
    return ProjectPage(state="read", url=answer.url, data=data, etag=answer.headers.get("etag"))


def _is_json(answer: Response) -> bool:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind.endswith("json")


def _no_page(url: str, error: Exception) -> NetworkError:
    return NetworkError(
        f"{redacted(url)}: the answer is not a page of an index: {error}",
        hint="Check the index's address: it must be that of the simple API.",
        details={"url": redacted(url), "page": True},
    )


def files_of(transport: Transport, index: str, name: str) -> tuple[IndexFile, ...] | None:
    """Every wheel and sdist of ``name`` on the index; None where the index does not know the name.

    Raises:
        NetworkError: It does not answer, refuses, or answers with something else.
    """
    url = _address(index, name)
    if index.startswith(("/", "file:")):
        return _local(url)
    page = _fetched(transport, url)
    if page.state == "gone":
        return None
    try:
        return listed(page)
    except ValueError as error:
        raise _no_page(url, error) from error


def listed(page: ProjectPage) -> tuple[IndexFile, ...]:
    """Every wheel and sdist on a page; a row of it that makes no sense is left out.

    Raises:
        ValueError: It is HTML, and none that can be read.
    """
    rows = page.data["files"] if page.data is not None else _html_rows(page.html)
    found = (_file(row, page.url) for row in rows if isinstance(row, Mapping))
    return tuple(file for file in found if file is not None)


def _local(url: str) -> tuple[IndexFile, ...] | None:
    folder = unquote(urlsplit(url).path)
    try:
        with open(f"{folder}index.html", "rb") as stream:
            html = stream.read()
    except OSError:
        return None
    return listed(ProjectPage(state="silent", url=f"file://{folder}index.html", html=html))


def _file(row: Mapping[str, Any], base: str) -> IndexFile | None:
    name, link, uploaded = (_text(row, key) for key in ("filename", "url", "upload-time"))
    version = version_of(name) if name is not None else None
    if name is None or link is None or version is None:
        return None
    try:
        url = urljoin(base, link)
    except ValueError:
        return None
    size, hashes = row.get("size"), row.get("hashes")
    return IndexFile(
        filename=name,
        version=version,
        url=url,
        hashes=hashes if isinstance(hashes, dict) else {},
        size=size if isinstance(size, int) else None,
        metadata=_metadata(row),
        yanked=row.get("yanked") not in (None, False),
        uploaded=uploaded,
    )


def _text(row: Mapping[str, Any], key: str) -> str | None:
    said = row.get(key)
    return said if isinstance(said, str) else None


def _metadata(row: Mapping[str, Any]) -> Mapping[str, str]:
    """Hashes of a file's metadata; empty also where the index has them and says no hash."""
    said = row.get("core-metadata", row.get("dist-info-metadata"))
    return said if isinstance(said, dict) else {}


def version_of(filename: str) -> str | None:
    """The version in the name of a wheel or sdist; None where it is neither."""
    try:
        if filename.endswith(".whl"):
            return str(parse_wheel_filename(filename)[1])
        return str(parse_sdist_filename(filename)[1])
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None


def _html_rows(body: bytes) -> list[dict[str, Any]]:
    parser = _Anchors()
    parser.feed(body.decode("utf-8", "replace"))
    return parser.rows


class _Anchors(HTMLParser):
    """Collects the links of a page; the hash stands in a link's fragment (PEP 503)."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a link."""
        values = dict(attrs)
        href = values.get("href")
        if tag != "a" or not href:
            return
        parts = urlsplit(href)
        hashes = {kind: found[0].lower() for kind, found in parse_qs(parts.fragment).items()}
        said = values.get("data-core-metadata", values.get("data-dist-info-metadata")) or ""
        kind, equals, value = said.partition("=")
        self.rows.append(
            {
                "filename": unquote(parts.path.rpartition("/")[2]),
                "url": urlunsplit(parts._replace(fragment="")),
                "hashes": hashes,
                "core-metadata": {kind: value.lower()} if equals else bool(said),
                "yanked": "data-yanked" in values,
            }
        )
