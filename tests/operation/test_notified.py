"""Messages about failures and finished nightlies, to a receiver on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue

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


def test_failures_and_finished_nightlies_are_told_to_who_asked(operated: Operated, pictures: Path, receiver: Receiver) -> None:
    assert notices(operated) == []
    deploy(operated, "--notify", f"http://127.0.0.1:{receiver.server_port}/hook")
    deploy(operated)  # without the option nothing about notifications changes
    assert notices(operated) == ["garbage: notify of a failure", "garbage: notify of a nightly"]

    operated.ends(operated.ask(pictures))
    failed = operated.ends(operated.ask("/nowhere"))
    nightly = operated.ends(operated.ask(pictures, "nightly"))

    # A server whose database was busy delivers a message again: each comes at least once.
    told: set[str] = set()
    while len(told) < 2 or not receiver.messages.empty():
        told.add(receiver.messages.get(timeout=60))
    of_failure, of_nightly = sorted(told)
    assert of_failure.startswith(f"garbage-finetune/garbage-finetune: {failed['name']} Failed\n")
    assert "There is no dataset '/nowhere'" in of_failure
    assert f"/flow-run/{failed['id']}" in of_failure
    assert of_nightly.startswith(f"garbage-finetune/nightly: {nightly['name']} Completed\n")

    deploy(operated, "--notify", "")
    assert notices(operated) == []


def test_an_address_that_is_none_is_refused(operated: Operated) -> None:
    ended = operated.command("scripts.deploy", "--notify", "example", PREFECT_API_URL=operated.address)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error NOTIFY_URL=example is no web address")
