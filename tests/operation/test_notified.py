"""Notices of failures, of finished nightlies and of silence, to a receiver on loopback."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mail_server import receiving_mail
from operated import Operated
from receiver import Receiver, receiving
from support import PROJECT
from waiting import PATIENCE

BLOCK = "/block_types/slug/custom-webhook/block_documents/name/garbage-notify"


@pytest.fixture(scope="module")
def hook(operation: Operated) -> Iterator[Receiver]:
    """A receiver whose address the server knows as long as the tests of this file last."""
    operation.settle()
    with receiving() as server:
        deploy(operation, "--notify", server.address)
        yield server
        operation.settle()
        deploy(operation, "--notify", "")
        assert operation.api.send("GET", BLOCK).status_code == 404


@pytest.fixture
def receiver(operated: Operated, hook: Receiver) -> Receiver:
    """A receiver that has seen nothing yet; what is said late of the runs of another test has other ids."""
    hook.forget()
    return hook


def deploy(operated: Operated, *options: str) -> str:
    ended = operated.command("operation.deploy", *options, PREFECT_API_URL=operated.address)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@contextmanager
def watching(operated: Operated, memory: Path, **limits: float) -> Iterator[None]:
    """A second watchman, with a memory and limits of its own."""
    environment = {f"GARBAGE_{name.upper()}_SECONDS": str(seconds) for name, seconds in limits.items()}
    own = {**operated.environment, "PREFECT_HOME": str(memory), "PREFECT_API_URL": operated.address, **environment}
    memory.mkdir(exist_ok=True)
    with (memory / "watch.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "operation.watch"], cwd=PROJECT, env=own, stdout=log, stderr=log)
    try:
        yield
        assert process.poll() is None, (memory / "watch.log").read_text()
    finally:
        process.terminate()
        process.wait()


def test_failures_and_nightlies_that_changed_something_are_sent_to_who_asked(
    operated: Operated, pictures: Path, receiver: Receiver
) -> None:
    deploy(operated)  # without the option nothing about notices changes
    assert operated.ends(operated.ask(pictures))["state_name"] == "Completed"
    failed = operated.ends(operated.ask("/nowhere"))
    of_failure = receiver.first(lambda message: failed["id"] in message)
    assert of_failure.startswith(f"garbage-finetune/garbage-finetune: {failed['name']} Failed\n")
    assert "There is no dataset '/nowhere'" in of_failure
    assert re.search(rf"/flow-run/{failed['id']}\nNotice [0-9a-f]{{8}}$", of_failure)
    unchanged = operated.ends(operated.ask(pictures, "nightly"))
    assert "every stage reused" in unchanged["state"]["message"]
    nightly = operated.ends(operated.ask(pictures, "nightly", evaluate__mistakes=1))
    of_nightly = receiver.first(lambda message: nightly["id"] in message)
    subject, decided, *_ = of_nightly.splitlines()
    assert subject == f"garbage-finetune/nightly: {nightly['name']} needs a person"
    assert re.fullmatch(r"needs a person: .* \[[0-9a-f]{8}\]", decided)
    for run in (failed["id"], nightly["id"]):
        assert len([message for message in receiver.seen if run in message]) == 1
    assert not [message for message in receiver.seen if unchanged["id"] in message]


@pytest.mark.acceptance
def test_a_notice_goes_to_a_mailbox_where_that_is_the_address(operated: Operated, receiver: Receiver) -> None:
    with receiving_mail() as server:
        deploy(operated, "--notify", server.address)
        assert operated.api.send("GET", BLOCK).status_code == 404  # one address, not both
        failed = operated.ends(operated.ask("/nowhere"))
        mail = server.messages.get(timeout=PATIENCE)
        deploy(operated, "--notify", receiver.address)
    assert mail["subject"] == f"garbage-finetune/garbage-finetune: {failed['name']} Failed"
    body = mail.get_body(("plain",))
    assert body
    assert "There is no dataset '/nowhere'" in body.get_content()
    assert re.search(r"Notice [0-9a-f]{8}\s*$", body.get_content())
    assert not [message for message in receiver.seen if failed["id"] in message]


def test_a_notice_that_is_not_taken_is_sent_again(operated: Operated, receiver: Receiver) -> None:
    receiver.refuse = True
    failed = operated.ends(operated.ask("/nowhere"))
    log = operated.home / "watch.log"
    operated.eventually(log.read_text, lambda text: "was not accepted" in text.partition(failed["id"])[2])
    receiver.refuse = False
    assert receiver.first(lambda message: failed["id"] in message)


def test_a_night_without_a_finished_run_is_reported_once(operated: Operated, receiver: Receiver, tmp_path: Path) -> None:
    def is_told(message: str) -> bool:
        return message.startswith("garbage-finetune/nightly: no run has completed for 0.5 seconds\n")

    with watching(operated, tmp_path / "memory", nightly=0.5):
        assert "`prefect deployment run garbage-finetune/nightly`" in receiver.first(is_told)
        memory = tmp_path / "memory" / "watch-memory.json"  # what is sent is noted when the look is over
        operated.eventually(lambda: memory.exists() and memory.read_text(), lambda text: bool(text) and "nightly/" in text)
    with watching(operated, tmp_path / "memory", nightly=0.5):  # started again, it remembers
        failed = operated.ends(operated.ask("/nowhere"))
        receiver.first(lambda message: failed["id"] in message)
    assert len([message for message in receiver.seen if is_told(message)]) == 1


def test_a_paused_schedule_is_no_silence(operated: Operated, receiver: Receiver, tmp_path: Path) -> None:
    nightly = operated.deployment("nightly")
    schedule = f"/deployments/{nightly['id']}/schedules/{nightly['schedules'][0]['id']}"
    operated.api.send("PATCH", schedule, {"active": False}).raise_for_status()
    try:
        with watching(operated, tmp_path / "memory", nightly=0.5):
            failed = operated.ends(operated.ask("/nowhere"))
            receiver.first(lambda message: failed["id"] in message)
            assert not [message for message in receiver.seen if "no run has completed" in message]
    finally:
        operated.api.send("PATCH", schedule, {"active": True}).raise_for_status()


def test_a_dead_worker_and_the_runs_that_wait_for_it_are_reported_once(
    operated: Operated, pictures: Path, receiver: Receiver, tmp_path: Path
) -> None:
    operated.worker.kill()
    asked = [operated.ask(pictures)]
    with watching(operated, tmp_path / "memory", late=1, worker=1):
        for _ in range(3):
            name = operated.run(asked[-1])["name"]
            late = receiver.first(lambda message: asked[-1] in message)
            assert late.startswith(f"garbage-finetune/garbage-finetune: {name} is ")
            assert "has been due for 1 second\nNo other run is in progress. `make ui`, or `make team`, starts a worker" in late
            asked.append(operated.ask(pictures))
    of_worker = [message for message in receiver.seen if message.startswith("No worker has been alive for 1 second\n")]
    assert len(of_worker) == 1
    assert len([message for message in receiver.seen if "has been due for" in message]) == 3
    operated.up()
    assert [operated.ends(run)["state_name"] for run in asked] == ["Completed"] * 4


def test_an_address_that_is_none_is_refused(operated: Operated) -> None:
    ended = operated.command("operation.deploy", "--notify", "example", PREFECT_API_URL=operated.address)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error NOTIFY_URL=example is not a web address")
