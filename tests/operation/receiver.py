"""A receiver of notices on loopback, as Slack and its like are: it keeps the text of what is posted to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue

from waiting import PATIENCE


class Receiver(ThreadingHTTPServer):
    """Keeps what is posted to it; ``refuse`` makes it answer 503."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Keep)
        self.messages: SimpleQueue[str] = SimpleQueue()
        self.seen: list[str] = []
        self.refuse = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"

    def forget(self) -> None:
        """Count what has come so far as not seen."""
        while not self.messages.empty():
            self.messages.get()
        self.seen.clear()

    def first(self, wanted: Callable[[str], bool]) -> str:
        """Wait for a message that is wanted; those before stay in ``seen``."""
        while not wanted(message := self.messages.get(timeout=PATIENCE)):
            self.seen.append(message)
        self.seen.append(message)
        return message


class Keep(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.server.refuse:
            self.server.messages.put(json.loads(content)["text"])
        self.send_response(503 if self.server.refuse else 200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
