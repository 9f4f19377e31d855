"""Messages about failures and finished nightlies, to a receiver on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import pytest
from operated import Operated


class Receiver(ThreadingHTTPServer):
    """Keeps what is posted to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Keep)
        self.messages: SimpleQueue[str] = SimpleQueue()


class Keep(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.messages.put(json.loads(content)["text"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def notices(operated: Operated) -> list[str]:
    names = [each["name"] for each in operated.post("/automations/filter", {})]
    return sorted(name for name in names if "notify" in name)


def deploy(operated: Operated, *options: str) -> str:
    ended = operated.command("scripts.deploy", *options, PREFECT_API_URL=operated.address)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def told_of(receiver: Receiver, run: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], str]:
    """Run until a message tells of it: Prefect drops an event that SQLite was too busy for three times (docs/operating.md)."""
    for _ in range(3):
        ended = run()
        with suppress(Empty):
            while True:
                message = receiver.messages.get(timeout=30)
                if ended["name"] in message:  # one of a run before may come twice
                    return ended, message
    raise AssertionError("three runs, and no message of any")


def test_failures_and_finished_nightlies_are_told_to_who_asked(operated: Operated, pictures: Path, receiver: Receiver) -> None:
    assert notices(operated) == []
    deploy(operated, "--notify", f"http://127.0.0.1:{receiver.server_port}/hook")
    deploy(operated)  # without the option nothing about notifications changes
    assert notices(operated) == ["garbage: notify of a failure", "garbage: notify of a nightly"]

    assert operated.ends(operated.ask(pictures))["state_name"] == "Completed"
    failed, of_failure = told_of(receiver, lambda: operated.ends(operated.ask("/nowhere")))
    assert of_failure.startswith(f"garbage-finetune/garbage-finetune: {failed['name']} Failed\n")
    assert "There is no dataset '/nowhere'" in of_failure
    assert f"/flow-run/{failed['id']}" in of_failure
    nightly, of_nightly = told_of(receiver, lambda: operated.ends(operated.ask(pictures, "nightly")))
    assert of_nightly.startswith(f"garbage-finetune/nightly: {nightly['name']} Completed\n")

    deploy(operated, "--notify", "")
    assert notices(operated) == []


def test_an_address_that_is_none_is_refused(operated: Operated) -> None:
    ended = operated.command("scripts.deploy", "--notify", "example", PREFECT_API_URL=operated.address)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error NOTIFY_URL=example is no web address")
