"""Servers that attack whoever asks them: nothing hangs, nothing fills up, and nothing secret leaves."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from provenv.core.errors import IntegrityError, NetworkError
from provenv.core.http import Credentials, HttpSettings, Transport, origin
from provenv.model.plan import Artifact
from provenv.store.download import download
from support.villain import Ask, Villain, certificate, redirect

ONCE = HttpSettings(attempts=1, backoff=0.001, timeout=0.25)
LOGIN = Credentials(username="me", password="s3cret-w0rd")
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
PIECE = b"40000\r\n" + bytes(0x40000) + b"\r\n"


def artifact(url: str, size: int | None = None) -> Artifact:
    return Artifact(
        name="a", version="1", kind="wheel", filename="a.whl", sha256="0" * 64, size=size, url=url
    )


DRIPS: dict[str, Callable[[Ask], object]] = {
    "status": lambda ask: ask.drip(b"HTTP/1.1 200 OK" + b" " * 999, 0.01),
    "headers": lambda ask: ask.send(HEAD).drip(b"X-Slow: " + b"x" * 999, 0.01),
    "body": lambda ask: ask.send(HEAD + b"Content-Length: 9999\r\n\r\n").drip(b"x" * 999, 0.01),
    "chunks": lambda ask: ask.send(CHUNKED).drip(b"1\r\nx\r\n" * 333, 0.01),
    "redirect": lambda ask: ask.send(
        b"HTTP/1.1 302 Found\r\nLocation: data:,\r\nContent-Length: 9999\r\n\r\n"
    ).drip(b"x" * 999, 0.01),
}


@pytest.mark.parametrize("where", DRIPS)
def test_a_server_that_drips_is_given_up(where: str, tmp_path: Path) -> None:
    with Villain(DRIPS[where]) as villain:
        transport = Transport(ONCE)
        said = "redirect to data:," if where == "redirect" else "less than 512 bytes a second"
        with pytest.raises(NetworkError, match=said):
            transport.get(villain.url)
        assert villain.sent < 999
        if where != "redirect":
            with pytest.raises(NetworkError, match=r"a 1: .*less than 512 bytes a second"):
                download(artifact(villain.url, 9999), str(tmp_path), base="", http=ONCE)
            assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_slow_and_no_more_is_waited_for() -> None:
    body = bytes(range(256)) * 8

    def answer(ask: Ask) -> None:
        ask.closing.wait(0.15)  # before the first byte, and then 64 bytes at a time
        ask.send(HEAD + b"Content-Length: 2048\r\n\r\n")
        for at in range(0, len(body), 64):
            ask.send(body[at : at + 64])
            ask.closing.wait(0.02)

    with Villain(answer) as villain:
        patient = HttpSettings(attempts=4, backoff=0.001, timeout=0.5)
        assert Transport(patient).get(villain.url).body == body


def test_a_body_that_is_longer_than_the_lock_says_is_not_read_to_its_end(tmp_path: Path) -> None:
    with Villain(lambda ask: ask.send(CHUNKED).flood(PIECE)) as villain:
        with pytest.raises(IntegrityError, match=r"size mismatch.*or more bytes"):
            download(artifact(villain.url, 5000), str(tmp_path), base="", http=ONCE)
        assert villain.sent < 64 << 20
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_unknown_size_does_not_fill_the_disk(tmp_path: Path) -> None:
    with Villain(lambda ask: ask.send(CHUNKED).flood(PIECE)) as villain:
        with (
            pytest.raises(NetworkError, match="does not end"),
            Transport(ONCE).stream(villain.url, most=1 << 20) as pieces,
        ):
            for _ in pieces:
                pass
        assert villain.sent < 64 << 20


@pytest.mark.parametrize("kind", ["plain", "gzip"])
def test_a_page_without_an_end_does_not_fill_the_memory(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provenv.core.http._MOST_WHOLE", 3 << 20)
    bomb = gzip.compress(bytes(64 << 20))

    def answer(ask: Ask) -> None:
        if kind == "plain":
            ask.send(CHUNKED)
            ask.flood(PIECE)
        else:
            ask.send(
                HEAD + f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
            )
            ask.send(bomb)

    with Villain(answer) as villain, pytest.raises(NetworkError, match="does not end"):
        Transport(ONCE).get(villain.url)


@pytest.mark.parametrize("status", [b"302 Found\r\nLocation: /x", b"404 Not Found", b"401 No"])
def test_what_is_not_wanted_is_not_read(status: bytes) -> None:
    head = b"HTTP/1.1 " + status + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Villain(lambda ask: ask.send(head).flood(PIECE)) as villain:
        transport = Transport(ONCE, look_up=lambda _: LOGIN)
        with pytest.raises(NetworkError), transport.stream(villain.url):
            pass
        assert villain.sent < 64 << 20


def test_the_size_of_a_file_is_asked_for_without_the_file() -> None:
    head = HEAD + b"Content-Length: 99999999\r\n\r\n"  # and the range that was asked for ignored
    with Villain(lambda ask: ask.send(head).flood(bytes(1 << 18))) as villain:
        assert Transport(ONCE).size(villain.url) == 99999999
        assert villain.sent < 64 << 20


@pytest.mark.parametrize("target", ["http://[::1/x", "http://h:port/", "mailto:a@b", "data:,x"])
def test_redirects_to_what_is_no_address_are_refused(target: str) -> None:
    with (
        Villain(lambda ask: ask.send(redirect(target))) as villain,
        pytest.raises(NetworkError, match="refuses to follow a redirect"),
    ):
        Transport(ONCE).get(villain.url)


def test_a_downgrade_to_http_is_refused(tmp_path: Path) -> None:
    context, cert = certificate(tmp_path)
    code = (
        "import sys; from provenv.core.errors import NetworkError; "
        "from provenv.core.http import *; t = Transport(HttpSettings(attempts=1))\n"
        "try: print(t.get(sys.argv[1]).body)\nexcept NetworkError as e: print('refused', e)"
    )
    with (
        Villain(lambda ask: ask.send(HEAD + b"Content-Length: 2\r\n\r\nok")) as plain,
        Villain(
            lambda ask: ask.send(
                redirect(plain.url)
                if ask.path == "/down"
                else HEAD + b"Content-Length: 2\r\n\r\nok"
            ),
            tls=context,
        ) as secure,
    ):
        said = {
            path: subprocess.run(
                [sys.executable, "-c", code, secure.url + path],
                env={"PYTHONPATH": ":".join(sys.path), "SSL_CERT_FILE": str(cert)},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for path in ("/", "/down")
        }
        assert (
            said["/"] == "b'ok'\n"
        )  # the certificate is trusted: it is the downgrade that is refused
        assert said["/down"].startswith("refused")
        assert "refuses to follow a redirect" in said["/down"]
        assert plain.requests == []


def test_a_redirect_gets_at_no_password_of_another_host() -> None:
    """Neither those of the origin, nor what netrc has under the host's name, over http."""
    asked: list[str] = []

    def look_up(url: str) -> Credentials:
        asked.append(url)
        return LOGIN

    no = b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"
    with (
        Villain(lambda ask: ask.send(no)) as other,
        Villain(lambda ask: ask.send(redirect(other.url))) as index,
    ):
        settings = HttpSettings(attempts=1, credentials={origin(index.url): LOGIN})
        assert Transport(settings, look_up=look_up).get(index.url).status == 401
        assert b"authorization" in index.requests[0].lower()
        assert not any(b"authorization" in head.lower() for head in other.requests)
        assert asked == []
        login = other.url.replace("://", "://thief:taken@")
        with Villain(lambda ask: ask.send(redirect(login))) as giver:
            assert Transport(ONCE).get(giver.url).status == 401
        assert b"authorization" not in other.requests[-1].lower()


def test_an_answer_that_holds_another_is_not_taken_for_the_next() -> None:
    """More bytes than promised on a kept connection: they are never the answer to another request."""
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    first = threading.Event()

    def answer(ask: Ask) -> None:
        good = HEAD + b"Content-Length: 4\r\n\r\ngood"
        ask.send(good + evil if not first.is_set() else good)
        first.set()
        ask.closing.wait(0.2)

    with Villain(answer) as villain:
        transport = Transport(HttpSettings(attempts=2, backoff=0.001, timeout=2))
        assert [transport.get(villain.url).body for _ in range(2)] == [b"good", b"good"]
