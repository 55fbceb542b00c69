"""A server that answers byte for byte as an attacker likes, over http or https.

with Villain(lambda ask: ask.send(b"HTTP/1.1 200 OK\\r\\n\\r\\n") or ask.drip(b"x" * 99, 0.05)) as villain:
    …                                    # villain.url; villain.requests: what came in, as it was sent
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest


class Ask:
    """One request, and the way to answer it; what the client does not wait for is not sent."""

    def __init__(self, head: bytes, client: socket.socket, villain: Villain) -> None:
        self.head = head
        self.closing = villain.closing
        self._client = client
        self._villain = villain

    @property
    def path(self) -> str:
        """The path that was asked for."""
        return self.head.split(b" ", 2)[1].decode()

    def send(self, data: bytes) -> Self:
        """Send ``data`` at once."""
        self._client.sendall(data)
        self._villain.sent += len(data)
        return self

    def drip(self, data: bytes, pause: float) -> Self:
        """Send ``data`` a byte at a time."""
        for byte in data:
            self.send(bytes([byte]))
            if self.closing.wait(pause):
                break
        return self

    def flood(self, piece: bytes, seconds: float = 20) -> Self:
        """Send ``piece`` for as long as somebody takes it."""
        end = time.monotonic() + seconds
        while not self.closing.is_set() and time.monotonic() < end:
            self.send(piece)
        return self


class Villain:
    """One request a connection; ``answer`` says what is sent. ``sent`` counts bytes."""

    def __init__(
        self, answer: Callable[[Ask], object], *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.requests: list[bytes] = []
        self.sent = 0
        self._answer = answer
        self._tls = tls
        self.closing = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        """``http(s)://127.0.0.1:PORT``."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
            head = b""
            while b"\r\n\r\n" not in head:
                if not (piece := client.recv(65536)):
                    return
                head += piece
            self.requests.append(head)
            self._answer(Ask(head, client, self))
            client.close()


def redirect(target: str) -> bytes:
    """The answer that leads to ``target``."""
    return f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """TLS for 127.0.0.1, and the certificate that a client must trust for it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not there")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-keyout", str(key), "-out", str(cert), "-days", "2",
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, cert
