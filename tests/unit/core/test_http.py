from __future__ import annotations

import time
from pathlib import Path

import pytest

from provenv.core.errors import NetworkError, ProvenvError, UsageError
from provenv.core.events import Event, Retrying
from provenv.core.http import (
    Credentials,
    HttpSettings,
    Transport,
    hidden,
    origin,
    redacted,
    split_credentials,
)
from support import Index, make_wheel

QUICK = HttpSettings(backoff=0.001, timeout=2)


@pytest.fixture
def wheel(tmp_path: Path, index: Index) -> Path:
    path = make_wheel(tmp_path, "a", "1", files={"a.py": "x = 1\n" * 50})
    index.add(path)
    return path


def url(index: Index) -> str:
    return index.file_url("a-1-py3-none-any.whl")


def test_get_returns_status_headers_and_body(index: Index, wheel: Path) -> None:
    answer = Transport(QUICK).get(url(index), headers={"X-Mine": "1"})
    assert (answer.status, answer.body) == (200, wheel.read_bytes())
    assert "etag" in answer.headers
    assert answer.url == url(index)
    assert index.requests[0].headers["user-agent"] == "provenv"
    assert index.requests[0].headers["x-mine"] == "1"


def test_the_address_of_an_answer_is_where_redirects_led(index: Index, wheel: Path) -> None:
    index.fault("/old/*", redirect=url(index))
    answer = Transport(QUICK).get(f"{index.origin}/old/a.whl")
    assert (answer.url, answer.body) == (url(index), wheel.read_bytes())


def test_a_status_that_will_not_pass_is_returned_at_once(index: Index) -> None:
    assert Transport(QUICK).get(index.url + "none/").status == 404
    assert len(index.requests) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again_and_said(index: Index, wheel: Path, status: int) -> None:
    events: list[Event] = []
    index.fault("*.whl", status=status, times=2)
    answer = Transport(QUICK, emit=events.append).get(url(index))
    assert answer.body == wheel.read_bytes()
    assert [(e.attempt, str(status) in e.reason) for e in events if isinstance(e, Retrying)] == [
        (1, True),
        (2, True),
    ]


@pytest.mark.parametrize("cut", [-1, 0, 10])
def test_a_cut_connection_is_tried_again(index: Index, wheel: Path, cut: int) -> None:
    index.fault("*.whl", cut=cut, times=2)
    assert Transport(QUICK).get(url(index)).body == wheel.read_bytes()
    assert len(index.requests) == 3


def test_what_does_not_pass_is_an_error_that_names_the_address(index: Index, wheel: Path) -> None:
    index.fault("*.whl", status=503)
    with pytest.raises(NetworkError, match=r"/a-1-py3-none-any\.whl: HTTP status 503") as caught:
        Transport(QUICK).get(url(index))
    assert caught.value.details == {"url": url(index), "status": 503}
    assert len(index.requests) == QUICK.attempts


def test_silence_is_given_up(index: Index, wheel: Path) -> None:
    index.fault("*.whl", hang=20)
    with pytest.raises(NetworkError, match="timed out"):
        Transport(HttpSettings(backoff=0, timeout=0.1, attempts=2)).get(url(index))
    assert len(index.requests) == 0


def test_a_server_that_is_not_there_is_named(index: Index) -> None:
    with pytest.raises(
        NetworkError, match=r"http://127\.0\.0\.1:1/x: Failed to .*refused"
    ) as caught:
        Transport(QUICK).get("http://127.0.0.1:1/x")
    assert caught.value.hint == "Check the address and the network, and try again."


def test_the_pause_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with pytest.raises(NetworkError):
        Transport(HttpSettings(attempts=8)).get("http://127.0.0.1:1/")
    assert pauses == [0.25, 0.5, 1, 2, 4, 8, 8]


def test_offline_refuses_before_anything_is_sent(index: Index, wheel: Path) -> None:
    transport = Transport(HttpSettings(offline=True))
    with pytest.raises(NetworkError, match="this run is offline"):
        transport.get(url(index))
    with pytest.raises(NetworkError, match="this run is offline"), transport.stream(url(index)):
        pass
    assert index.requests == []


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://x/y", "relative/path"])
def test_only_http_is_fetched(address: str) -> None:
    with pytest.raises(UsageError, match="only http and https"):
        Transport(QUICK).get(address)


@pytest.mark.parametrize("address", ["http://host:port/", "http://host:99999/", "http://[::1/"])
def test_an_address_that_is_none_is_an_error_for_people(address: str) -> None:
    with pytest.raises(ProvenvError, match=r"//(host:|\[::1).*: not an address"):
        Transport(QUICK).get(address)


def test_stream_yields_the_body_in_pieces(index: Index, wheel: Path) -> None:
    with Transport(QUICK).stream(url(index), chunk=64) as pieces:
        got = list(pieces)
    assert b"".join(got) == wheel.read_bytes()
    assert len(got) > 1


def test_stream_retries_the_opening(index: Index, wheel: Path) -> None:
    index.fault("*.whl", status=500, times=2)
    with Transport(QUICK).stream(url(index)) as pieces:
        assert b"".join(pieces) == wheel.read_bytes()


def test_stream_says_when_the_body_is_cut(index: Index, wheel: Path) -> None:
    index.fault("*.whl", cut=20)
    with (
        pytest.raises(NetworkError, match="the connection broke") as caught,
        Transport(QUICK).stream(url(index)) as pieces,
    ):
        list(pieces)
    assert caught.value.details["passing"] is True
    assert len(index.requests) == 1


def test_stream_of_a_missing_file(index: Index) -> None:
    with (
        pytest.raises(NetworkError, match="HTTP status 404") as caught,
        Transport(QUICK).stream(url(index)),
    ):
        pass
    assert caught.value.details["status"] == 404


# -- credentials ------------------------------------------------------------------------------

LOGIN = Credentials(username="me", password="s3cret")


@pytest.fixture
def private(tmp_path: Path, index: Index) -> str:
    index.protect("private", "me", "s3cret")
    index.add(make_wheel(tmp_path, "p", "1"), to="private")
    return index.url_of("private") + "p/"


def test_credentials_of_the_origin_are_sent(index: Index, private: str) -> None:
    settings = HttpSettings(credentials={origin(private): LOGIN})
    assert Transport(settings).get(private).status == 200
    assert Transport(QUICK).get(private).status == 401


def test_credentials_in_the_address_are_used_and_not_sent_as_text(
    index: Index, private: str
) -> None:
    address = index.url_of("private", login="me:s3cret") + "p/"
    assert Transport(QUICK).get(address).status == 200
    assert "s3cret" not in str(index.requests)


def test_a_keyring_is_asked_once_and_only_on_401(index: Index, private: str) -> None:
    asked: list[str] = []

    def look_up(address: str) -> Credentials | None:
        asked.append(address)
        return LOGIN

    transport = Transport(QUICK, look_up=look_up)
    transport.get(index.url + "none/")
    assert asked == []
    assert [transport.get(private).status for _ in range(2)] == [200, 200]
    assert asked == [private]


def test_a_keyring_without_an_answer_leaves_the_401(index: Index, private: str) -> None:
    asked: list[str] = []
    transport = Transport(QUICK, look_up=lambda address: asked.append(address))
    assert [transport.get(private).status for _ in range(2)] == [401, 401]
    assert len(asked) == 1


def test_credentials_never_follow_a_redirect_to_another_origin(index: Index, wheel: Path) -> None:
    with Index() as other:
        other.add(wheel)
        index.fault("*.whl", redirect=other.origin + "{path}")
        settings = HttpSettings(credentials={origin(index.origin): LOGIN})
        assert Transport(settings).get(url(index)).body == wheel.read_bytes()
        assert "authorization" in index.requests[0].headers
        assert "authorization" not in other.requests[0].headers


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://x/"])
def test_a_redirect_to_another_kind_of_place_is_refused(index: Index, target: str) -> None:
    index.fault("*", redirect=target)
    with pytest.raises(NetworkError, match="refuses to follow a redirect"):
        Transport(QUICK).get(index.url)


def test_a_redirect_from_https_to_http_is_refused() -> None:
    from provenv.core.http import _redirect

    with pytest.raises(NetworkError, match=r"redirect to http://\*\*\*\*@b/"):
        _redirect("https://a/", "http://u:p@b/")
    assert _redirect("http://a/", "https://u:p@b/") == "https://b/"


def test_redirects_end(index: Index) -> None:
    index.fault("*", redirect="{path}")
    with pytest.raises(NetworkError, match="more than 5 redirects"):
        Transport(QUICK).get(index.url)


@pytest.mark.parametrize("fault", [{"status": 503}, {"cut": -1}, {"redirect": "file:///x"}])
def test_no_message_and_no_event_holds_a_password(index: Index, fault: dict[str, object]) -> None:
    events: list[Event] = []
    index.fault("*", **fault)  # type: ignore[arg-type]  # a table of keywords
    address = index.url_of("private", login="me:s3cret")
    transport = Transport(QUICK, emit=events.append)
    with pytest.raises(NetworkError) as caught:
        transport.get(address)
    said = f"{caught.value} {caught.value.hint} {caught.value.details} {events}"
    assert "s3cret" not in said
    assert "127.0.0.1" in said
    assert "s3cret" not in repr(LOGIN)


def test_a_proxy_is_used_with_its_credentials_and_no_proxy_goes_around_it(
    index: Index, wheel: Path
) -> None:
    with Index() as proxy:
        host = proxy.origin.removeprefix("http://")
        settings = HttpSettings(proxies={"http": f"http://me:s3cret@{host}"}, attempts=1)
        Transport(settings).get("http://far.example/x")
        assert proxy.requests[0].headers["host"] == "far.example"
        assert proxy.requests[0].headers["proxy-authorization"] == LOGIN.header()
        around = HttpSettings(proxies=settings.proxies, no_proxy=("127.0.0.1",))
        assert Transport(around).get(url(index)).status == 200
        assert len(proxy.requests) == 1


@pytest.mark.parametrize(
    ("rule", "host", "direct"),
    [
        ("*", "a.example", True),
        ("example", "a.example", True),
        (".example", "a.example", True),
        ("*.example", "a.example", True),
        ("a.example", "A.example", True),
        ("ple", "a.example", False),
        ("b.example", "a.example", False),
    ],
)
def test_no_proxy_rules(rule: str, host: str, direct: bool) -> None:
    transport = Transport(HttpSettings(proxies={"http": "http://proxy"}, no_proxy=(rule,)))
    assert (transport._proxy(f"http://{host}/") is None) == direct


def test_origins_and_redaction() -> None:
    assert origin("HTTPS://user:p@Host.Example/x") == origin("https://host.example:443/y")
    assert origin("http://h/") != origin("https://h/")
    assert redacted("https://user:p%40ss@h/x?y") == "https://****@h/x?y"
    assert redacted("https://h/@x") == "https://h/@x"
    for text in ("https://h/@x and me@x", "git+ssh://git@h/x", "me@example.org", "https://h: a@b",
                 "'https://h' x@y", '["https://h","a@b"]'):  # fmt: skip
        assert hidden(text) == text
    assert hidden("a @ https://u:p@ss@h/x@1, git+ssh://u:p@h https://token@h") == (
        "a @ https://****@h/x@1, git+ssh://****@h https://****@h"
    )
    assert split_credentials("https://u:p%40ss@h:8/x") == (
        "https://h:8/x",
        Credentials(username="u", password="p@ss"),
    )
    assert split_credentials("https://h/x") == ("https://h/x", None)
