"""HTTP for a package client: pooled connections, retries with backoff, and careful credentials.

Credentials belong to an *origin* (scheme, host, port). They are sent to that origin alone, never to
the target of a redirect elsewhere, and never stand in a message: every URL that is shown has passed
:func:`redacted`.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit

from provenv.core.errors import NetworkError, UsageError
from provenv.core.events import Emit, Retrying, silent
from provenv.core.values import field, frozen

if TYPE_CHECKING:
    import urllib3

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
# What stands before the last "@" of an address's host part.
_USER = re.compile(r"^((?:[A-Za-z][A-Za-z0-9+.-]*:)?//)[^/?#]*@")
# … in the middle of a text; the user name of an SSH address alone is no secret, and part of it.
_LOGIN = re.compile(r"(https?://)[^/?#\s\"'`\\]*@|(://)[^/?#\s\"'`\\@:]*:[^/?#\s\"'`\\]*@")
_MAX_REDIRECTS = 5
_MAX_DELAY = 8.0
MOST = 4 << 30  # bytes of a file whose size nobody has promised
_MOST_WHOLE = (
    1 << 27
)  # bytes of an answer that is read whole: PyPI's greatest page has a quarter of it
_LITTLE = 1 << 16  # bytes that are read away, so that their connection can be used again


def load() -> None:
    """Load ahead what the first request would otherwise wait for."""
    import urllib3  # noqa: F401


@frozen
class Credentials:
    """A user name and a password (or token) for one origin."""

    username: str
    password: str = field(repr=False)

    def header(self) -> str:
        """The value of ``Authorization`` for HTTP Basic (RFC 7617)."""
        import base64

        pair = f"{self.username}:{self.password}".encode()
        return "Basic " + base64.b64encode(pair).decode()


def origin(url: str) -> str:
    """Scheme, host and port of ``url``, the unit that credentials belong to.

    Raises:
        UsageError: It is not an address.
    """
    parts, port = _split(url)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


def redacted(url: str) -> str:
    """``url`` as it may be shown: user name and password are replaced by ``****``.

    Works on what is no address at all, too, since that is what messages are about.
    """
    return _USER.sub(r"\1****@", url, count=1)


def hidden(text: str) -> str:
    """``text`` as it may be shown: in every address in it, user name and password are ``****``."""
    return _LOGIN.sub(r"\1\2****@", text) if "@" in text else text


def split_credentials(url: str) -> tuple[str, Credentials | None]:
    """``url`` without its user information, and that information where it was there.

    Raises:
        UsageError: It is not an address.
    """
    parts, _ = _split(url)
    if "@" not in parts.netloc:
        return url, None
    user, _, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    bare = urlunsplit(parts._replace(netloc=host))
    return bare, Credentials(username=unquote(name), password=unquote(password))


def _split(url: str) -> tuple[SplitResult, int | None]:
    """The parts of ``url`` and its port, the scheme's own where none is given."""
    try:
        parts = urlsplit(url)
        return parts, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError as error:
        raise UsageError(f"{redacted(url)}: not an address: {error}") from error


@frozen
class Response:
    """An answer, read to its end. Header names are lower-case; ``url`` is where redirects led."""

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes


@frozen
class HttpSettings:
    """How to reach servers; plain values, so that they can cross to a worker process.

    Attributes:
        credentials: By origin, see :func:`origin`.
        proxies: By scheme (``http``, ``https``), as in ``HTTP_PROXY``.
        no_proxy: Hosts, or suffixes of hosts, that are reached directly.
        attempts: How often a request is tried in all before it fails.
        timeout: Seconds without a byte before an attempt is given up; and after which an answer that
            arrives too slowly is (:mod:`provenv.core.pace`).
        offline: Refuse every request.
    """

    credentials: Mapping[str, Credentials] = field(default_factory=dict)
    proxies: Mapping[str, str] = field(default_factory=dict)
    no_proxy: tuple[str, ...] = ()
    attempts: int = 4
    timeout: float = 30.0
    backoff: float = 0.25
    offline: bool = False
    user_agent: str = "provenv"


class Transport:
    """GET requests over pooled connections. Safe to share between threads.

    ``look_up`` is asked once for the credentials of an origin that answered 401 and is not in the
    settings (netrc or a keyring stand behind it).
    """

    def __init__(
        self,
        settings: HttpSettings,
        *,
        emit: Emit = silent,
        look_up: Callable[[str], Credentials | None] | None = None,
    ) -> None:
        self.settings = settings
        self._emit = emit
        self._look_up = look_up
        self._known: dict[str, Credentials | None] = dict(settings.credentials)
        self._pools: dict[str | None, urllib3.PoolManager] = {}

    def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> Response:
        """Fetch ``url`` whole. Any status that is not an error of the network is returned as it is.

        Raises:
            NetworkError: No answer after all attempts, offline, an unsafe redirect, or a body without
                an end (also one that only grows while it is unpacked).
        """
        for attempt in self._attempts(url):
            with attempt:
                raw, final = self._open(url, headers or {})
                try:
                    body = _whole(raw, url)
                finally:
                    raw.release_conn()
                self._check_passing(raw.status, url)
                return Response(
                    status=raw.status, url=final, headers=_lower(raw.headers), body=body
                )
        raise AssertionError("unreachable: the last attempt raises")

    def size(self, url: str) -> int | None:
        """How many bytes a file has, as far as its server says so; the file itself is not read.

        Raises:
            NetworkError: As :meth:`get`.
        """
        for attempt in self._attempts(url):
            with attempt:
                asked = {"Range": "bytes=0-0", "Accept-Encoding": "identity"}
                raw, _ = self._open(url, asked)
                _discard(raw)
                self._check_passing(raw.status, url)
                if raw.status == 206:
                    total = raw.headers.get("content-range", "").rpartition("/")[2]
                else:
                    total = raw.headers.get("content-length", "") if raw.status == 200 else ""
                return int(total) if total.isascii() and total.isdigit() else None
        raise AssertionError("unreachable: the last attempt raises")

    @contextlib.contextmanager
    def stream(
        self, url: str, *, chunk: int = 1 << 18, most: int = MOST
    ) -> Iterator[Iterator[bytes]]:
        """Open ``url`` and yield an iterator over pieces of its body, as they arrive.

        Opening is retried; once the body flows, an interruption raises :class:`NetworkError` and the
        caller begins again (it alone knows what to forget).

        Raises:
            NetworkError: No answer, a status other than 200 (``details``: ``status``), a cut body, or
                one of more than ``most`` bytes.
        """
        raw = None
        for attempt in self._attempts(url):
            with attempt:
                raw, _ = self._open(url, {"Accept-Encoding": "identity"})
                if raw.status != 200:
                    _discard(raw)
                    self._check_passing(raw.status, url)
                    raise status_error(raw.status, url)
                break
        assert raw is not None
        try:
            yield self._pieces(raw, url, chunk, most)
        finally:
            raw.close()

    def _pieces(
        self, raw: urllib3.BaseHTTPResponse, url: str, chunk: int, most: int
    ) -> Iterator[bytes]:
        import urllib3

        try:
            while piece := raw.read(chunk, decode_content=False):
                most -= len(piece)
                if most < 0:
                    raise _endless(url)
                yield piece
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise NetworkError(
                f"{redacted(url)}: the connection broke: {_reason(error)}",
                hint="Try again; what arrived so far is not trusted.",
                details={"url": redacted(url), "passing": True},
            ) from error

    def _attempts(self, url: str) -> Iterator[_Attempt]:
        if self.settings.offline:
            raise NetworkError(
                f"{redacted(url)} is needed, and this run is offline",
                hint="Run once without --offline.",
                details={"url": redacted(url), "offline": True},
            )
        delay = self.settings.backoff
        for number in range(1, self.settings.attempts + 1):
            attempt = _Attempt(url, last=number == self.settings.attempts)
            yield attempt
            if attempt.failure is None:
                return
            pause = min(delay, _MAX_DELAY)
            self._emit(
                Retrying(url=redacted(url), reason=attempt.failure, attempt=number, delay=pause)
            )
            time.sleep(pause)
            delay *= 2

    def _open(self, url: str, headers: Mapping[str, str]) -> tuple[urllib3.BaseHTTPResponse, str]:
        """Follow redirects; the answer, and the address (without credentials) that gave it."""
        start, inline = split_credentials(url)
        if inline is not None:
            self._known.setdefault(origin(start), inline)
        current = start
        for _ in range(_MAX_REDIRECTS + 1):
            # netrc and keyrings know hosts alone: a redirect must not get at them without encryption
            may_ask = origin(current) == origin(start) or current.startswith("https:")
            raw = self._request(current, headers, may_ask=may_ask)
            if raw.status not in _REDIRECTS or "location" not in raw.headers:
                return raw, current
            _discard(raw)
            current = _redirect(current, raw.headers["location"])
        raise NetworkError(
            f"{redacted(url)}: more than {_MAX_REDIRECTS} redirects",
            hint="The server sends requests in circles; ask whoever runs it.",
            details={"url": redacted(url)},
        )

    def _request(
        self, url: str, headers: Mapping[str, str], *, may_ask: bool
    ) -> urllib3.BaseHTTPResponse:
        raw = self._send(url, headers, self._known.get(origin(url)))
        unknown = origin(url) not in self._known
        if raw.status == 401 and unknown and may_ask and self._look_up is not None:
            found = self._known[origin(url)] = self._look_up(url)
            if found is not None:
                _discard(raw)
                raw = self._send(url, headers, found)
        return raw

    def _send(
        self, url: str, headers: Mapping[str, str], credentials: Credentials | None
    ) -> urllib3.BaseHTTPResponse:
        import urllib3

        scheme = urlsplit(url).scheme
        if scheme not in ("http", "https"):
            raise UsageError(f"{redacted(url)}: only http and https addresses can be fetched")
        sent = {"User-Agent": self.settings.user_agent, **headers}
        if credentials is not None:
            sent["Authorization"] = credentials.header()
        return self._pool(url).request(
            "GET",
            url,
            headers=sent,
            redirect=False,
            retries=False,
            preload_content=False,
            timeout=urllib3.Timeout(self.settings.timeout),
        )

    def _pool(self, url: str) -> urllib3.PoolManager:
        import urllib3

        from provenv.core.pace import paced

        proxy = self._proxy(url)
        if proxy not in self._pools:
            manager = _proxy_manager(proxy) if proxy else urllib3.PoolManager(maxsize=16)
            self._pools[proxy] = paced(manager, self.settings.timeout)
        return self._pools[proxy]

    def _proxy(self, url: str) -> str | None:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        for name in self.settings.no_proxy:
            bare = name.lstrip("*.").lower()
            if name == "*" or host == bare or host.endswith("." + bare):
                return None
        return self.settings.proxies.get(parts.scheme)

    @staticmethod
    def _check_passing(status: int, url: str) -> None:
        if status in _PASSING:
            raise _PassingStatus(status_error(status, url))


def _proxy_manager(address: str) -> urllib3.PoolManager:
    import urllib3

    bare, login = split_credentials(address)
    headers = {"Proxy-Authorization": login.header()} if login else None
    return urllib3.ProxyManager(bare, maxsize=16, proxy_headers=headers)


class _PassingStatus(Exception):  # noqa: N818  # never leaves this module
    def __init__(self, error: NetworkError) -> None:
        super().__init__(error.message)
        self.error = error


class _Attempt:
    """Swallows a failure that may pass, unless it is the last attempt."""

    def __init__(self, url: str, *, last: bool) -> None:
        self._url = url
        self._last = last
        self.failure: str | None = None

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        import urllib3

        if isinstance(error, _PassingStatus):
            if self._last:
                raise error.error from None
            self.failure = str(error)
            return True
        if isinstance(error, (urllib3.exceptions.HTTPError, OSError)):
            if self._last:
                raise NetworkError(
                    f"{redacted(self._url)}: {_reason(error)}",
                    hint="Check the address and the network, and try again.",
                    details={"url": redacted(self._url)},
                ) from error
            self.failure = _reason(error)
            return True
        return False


def status_error(status: int, url: str) -> NetworkError:
    """The error for an HTTP status that is not a success."""
    hints = {
        401: "Set credentials for this index (environment, netrc or keyring).",
        403: "The credentials for this index do not allow this.",
        404: "It is not there; check the name and the index.",
        410: "It was taken away for good; check the name and the index.",
    }
    return NetworkError(
        f"{redacted(url)}: HTTP status {status}",
        hint=hints.get(status, "Try again later."),
        details={"url": redacted(url), "status": status},
    )


def _redirect(source: str, location: str) -> str:
    """Where a redirect leads, without the credentials that the address may hold.

    Raises:
        NetworkError: To no address, to another kind of place, or from https to http.
    """
    try:
        target = urljoin(source, location)
        scheme = urlsplit(target).scheme
        bare, _ = split_credentials(target)
    except (ValueError, UsageError):
        target, scheme, bare = location, "", ""
    if scheme not in ("http", "https") or (scheme == "http" and urlsplit(source).scheme == "https"):
        raise NetworkError(
            f"{redacted(source)}: refuses to follow a redirect to {redacted(target)}",
            hint="The index redirects to a place that is less safe than itself.",
            details={"url": redacted(source), "target": redacted(target)},
        )
    return bare


def _whole(raw: urllib3.BaseHTTPResponse, url: str) -> bytes:
    """The body, decoded.

    Raises:
        NetworkError: It has no end that one would wait for.
    """
    pieces, size = [], 0
    while piece := raw.read(1 << 20, decode_content=True):
        pieces.append(piece)
        size += len(piece)
        if size > _MOST_WHOLE:
            raw.close()
            raise _endless(url)
    return b"".join(pieces)


def _endless(url: str) -> NetworkError:
    return NetworkError(
        f"{redacted(url)}: the answer does not end, and is given up",
        hint="Check the address: no index answers like that.",
        details={"url": redacted(url)},
    )


def _discard(raw: urllib3.BaseHTTPResponse) -> None:
    """Be done with an answer whose body is of no interest: read a short one, hang up on others."""
    left = raw.length_remaining
    if left is not None and left <= _LITTLE:
        raw.drain_conn()
    else:
        raw.close()


_CONNECTION = re.compile(r"^(<[^>]*>|\w+\(host=[^)]*\)): ")
"""With which urllib3 begins: the object that failed, by its class and number."""


def _reason(error: BaseException) -> str:
    from provenv.core.pace import slow

    if (told := slow(error)) is not None:
        return told
    inner = getattr(error, "reason", None)
    text = str(inner if isinstance(inner, BaseException) else error) or type(error).__name__
    return _CONNECTION.sub("", text, count=1)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
