"""A web server on loopback with faults on order."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import stamina

Fault = Callable[["Handler"], None]


@dataclass
class Site:
    """One file on a web server on loopback. ``faults`` befall the next requests, in order."""

    url: str = ""
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"v1"'})
    honours_range: bool = True
    honours_if_range: bool = True
    states_length: bool = True
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @staticmethod
    def status(code: int, **headers: str) -> Fault:
        """Answer with a status instead of the file."""
        return lambda handler: handler.reply(code, {**headers, "Content-Length": "0"}, b"")

    @staticmethod
    def cut(after: int) -> Fault:
        """Announce everything, send ``after`` bytes, hang up."""

        def fault(handler: Handler) -> None:
            status, headers, body = handler.answer()
            handler.reply(status, headers, body[:after])

        return fault

    @staticmethod
    def portion(count: int) -> Fault:
        """Answer a range with less of it than was asked, as a server may."""

        def fault(handler: Handler) -> None:
            status, headers, body = handler.answer()
            start = len(handler.site.content) - len(body)
            ranged = f"bytes {start}-{start + count - 1}/{len(handler.site.content)}"
            handler.reply(status, {**headers, "Content-Range": ranged, "Content-Length": str(count)}, body[:count])

        return fault

    @staticmethod
    def from_start() -> Fault:
        """Answer a range with all of it, but call it partial, as a careless server might."""

        def fault(handler: Handler) -> None:
            content = handler.site.content
            ranged = f"bytes 0-{len(content) - 1}/{len(content)}"
            handler.reply(206, {**handler.site.headers, "Content-Range": ranged, "Content-Length": str(len(content))}, content)

        return fault

    def asked(self, header: str) -> list[str | None]:
        """Return what each request said in a header."""
        return [headers.get(header) for _, headers in self.requests]


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.site.requests.append((self.command, dict(self.headers)))
        if self.site.faults:
            self.site.faults.pop(0)(self)
        else:
            self.reply(*self.answer())

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        site, body, headers = self.site, self.site.content, dict(self.site.headers)
        condition = self.headers.get("If-Range")
        fresh = condition is None or not site.honours_if_range or condition in site.headers.values()
        ranged = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) if site.honours_range and fresh else None
        status = 200
        if ranged:
            start = int(ranged[1])
            if start >= len(body):
                return 416, {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"}, b""
            status, headers["Content-Range"] = 206, f"bytes {start}-{len(body) - 1}/{len(body)}"
            body = body[start:]
        if site.states_length:
            headers["Content-Length"] = str(len(body))
        return status, headers, body

    def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve() -> Iterator[Site]:
    """Run a server of its own on a free port."""
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"site": site}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/data.zip"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server that runs for one test."""
    with serve() as site:
        yield site


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Retries as often as in earnest, without the waits, and straight to loopback whatever proxy the machine has."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with stamina.set_testing(True, attempts=100, cap=True):
        yield
