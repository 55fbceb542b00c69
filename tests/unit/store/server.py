"""A file server on loopback with faults on demand."""

import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Fault = Callable[["Handler", bytes], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        path = self.path.lstrip("/")
        self.server.asked[path] += 1
        faults = self.server.faults.get(path)
        body = self.server.files.get(path)
        if faults:
            faults.pop(0)(self, body or b"")
        elif body is None:
            self.answer(404, b"")
        else:
            self.answer(200, body)

    def answer(self, status: int, body: bytes, *, declared: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if declared is None else declared))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name in the base class
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[Fault]] = {}
        self.asked: Counter[str] = Counter()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        pass


def status(code: int) -> Fault:
    return lambda handler, body: handler.answer(code, b"no")


def cut(handler: Handler, body: bytes) -> None:
    handler.answer(200, body[: len(body) // 2], declared=len(body))
    handler.close_connection = True


def short(handler: Handler, body: bytes) -> None:
    handler.answer(200, body[:-3])


def long(handler: Handler, body: bytes) -> None:
    handler.answer(200, body + bytes(3))


def wrong(handler: Handler, body: bytes) -> None:
    handler.answer(200, bytes(len(body)))


def hang(handler: Handler, body: bytes) -> None:
    handler.answer(200, body[:10], declared=len(body))
    handler.wfile.flush()
    threading.Event().wait(20)
