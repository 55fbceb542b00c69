"""Servers that drip: an answer that comes a few bytes at a time is given up.

A time limit on a socket is about one read. A server that sends a byte now and then keeps a client for
days with it, in the headers as well as in the body. Here the reads of one answer are counted together.
"""

from __future__ import annotations

import http.client
import io
import time
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

SLOWEST = 512  # bytes a second: eight downloads at once pass through 4 kB/s


class TooSlowError(OSError):
    """An answer arrives, and slower than anything that one would wait for."""


def slow(error: BaseException | None) -> str | None:
    """What is to be said where ``error`` comes of a :class:`TooSlowError`; None where it does not."""
    while error is not None:
        if isinstance(error, TooSlowError):
            return str(error)
        error = error.__cause__ or error.__context__
    return None


def paced(manager: urllib3.PoolManager, window: float) -> urllib3.PoolManager:
    """``manager``, whose answers bring :data:`SLOWEST` bytes a second in every ``window`` of seconds."""

    class Response(http.client.HTTPResponse):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            raw = self.fp.detach()
            self.fp = io.BufferedReader(_Paced(raw, window))

    class Plain(HTTPConnection):
        response_class = Response

    class Secure(HTTPSConnection):
        response_class = Response

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
    return manager


class _Paced(io.RawIOBase):
    """The bytes of one answer. Only the time spent waiting for the server counts, from the first on."""

    def __init__(self, raw: io.RawIOBase, window: float) -> None:
        self._raw = raw
        self._window = window
        self._begun = False
        self._waited = 0.0
        self._arrived = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        before = time.monotonic()
        count: int | None = self._raw.readinto(buffer)
        if self._begun:  # until the first byte, the socket's own limit holds
            self._waited += time.monotonic() - before
        self._begun = True
        self._arrived += count or 0
        if self._waited >= self._window:
            if count and self._arrived < SLOWEST * self._window:
                raise TooSlowError(
                    f"the server sends less than {SLOWEST} bytes a second "
                    f"({self._arrived} in {self._waited:.0f} s)"
                )
            self._waited, self._arrived = 0.0, 0
        return count

    def close(self) -> None:
        super().close()
        self._raw.close()
