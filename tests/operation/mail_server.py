"""A mail server on loopback that speaks as much SMTP as it takes to receive a message, and keeps what it receives."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from queue import SimpleQueue
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import cast


class MailServer(ThreadingTCPServer):
    """Keeps the messages that are sent to it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.messages: SimpleQueue[EmailMessage] = SimpleQueue()

    @property
    def address(self) -> str:
        """What `make deploy` is given to send mail here."""
        return f"mailto://127.0.0.1:{self.server_address[1]}/?from=garbage@example.org&to=somebody@example.org"


class Session(StreamRequestHandler):
    """A session, see RFC 5321."""

    server: MailServer

    def handle(self) -> None:
        self._say("220 ready")
        while line := self.rfile.readline():
            command = line[:4].upper().strip()
            if command == b"DATA":
                self._say("354 go on")
                self.server.messages.put(self._message())
            self._say("221 bye" if command == b"QUIT" else "250 OK")
            if command == b"QUIT":
                return

    def _message(self) -> EmailMessage:
        lines = iter(self.rfile.readline, b".\r\n")
        content = b"".join(line.removeprefix(b".") for line in lines)
        return cast(EmailMessage, message_from_bytes(content, policy=policy.default))

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def receiving_mail() -> Iterator[MailServer]:
    with MailServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
