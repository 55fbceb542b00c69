"""What an index says of the files of a distribution: its simple page (PEP 503, PEP 691)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, unquote, urljoin, urlsplit, urlunsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from provenv.core.errors import NetworkError
from provenv.core.http import Transport, redacted, status_error
from provenv.core.values import field, frozen

_JSON = "application/vnd.pypi.simple.v1+json"
_ACCEPT = f"{_JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


@frozen
class IndexFile:
    """One file, as an index names it; ``version`` is normalized.

    ``metadata`` are the hashes of its metadata, which lie beside it (PEP 658, PEP 714).
    """

    filename: str
    version: str
    url: str
    hashes: Mapping[str, str]
    size: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_wheel(self) -> bool:
        """Whether it needs no build."""
        return self.filename.endswith(".whl")


def files_of(transport: Transport, index: str, name: str) -> tuple[IndexFile, ...] | None:
    """Every wheel and sdist of ``name`` on the index; None where the index does not know the name.

    Raises:
        NetworkError: It does not answer, refuses, or answers with something else.
    """
    url = f"{index.rstrip('/')}/{canonicalize_name(name)}/"
    if index.startswith(("/", "file:")):
        return _local(url)
    answer = transport.get(url, headers={"Accept": _ACCEPT})
    if answer.status in (404, 410):
        return None
    if answer.status != 200:
        raise status_error(answer.status, url)
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        rows = _json_rows(answer.body) if kind.endswith("json") else _html_rows(answer.body)
    except (ValueError, KeyError, TypeError) as error:
        raise NetworkError(
            f"{redacted(url)}: the answer is not a page of an index: {error}",
            hint="Check the index's address: it must be that of the simple API.",
            details={"url": redacted(url)},
        ) from error
    return _files(rows, answer.url)


def _local(url: str) -> tuple[IndexFile, ...] | None:
    folder = unquote(urlsplit(url).path)
    try:
        with open(f"{folder}index.html", "rb") as stream:
            return _files(_html_rows(stream.read()), f"file://{folder}index.html")
    except OSError:
        return None


def _files(rows: list[dict[str, Any]], base: str) -> tuple[IndexFile, ...]:
    found = []
    for row in rows:
        version = version_of(row["filename"])
        if version is not None:
            found.append(
                IndexFile(
                    filename=row["filename"],
                    version=version,
                    url=urljoin(base, row["url"]),
                    hashes=row.get("hashes") or {},
                    size=row.get("size"),
                    metadata=_metadata(row),
                )
            )
    return tuple(found)


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


def _json_rows(body: bytes) -> list[dict[str, Any]]:
    data = json.loads(body)
    rows: list[dict[str, Any]] = data["files"]
    return rows


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
            }
        )
