"""What the watchman reports, remembers and reports again: without a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
from support import free_port

from operation.notify import Notice
from operation.verdicts import Limits
from operation.watch import Memory, Watchman

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WORKER, LATE, ENDED = (Notice(key, f"about {key}", "what to do", "0123abcd") for key in ("worker/1", "late/2", "ended/3"))


class Sent:
    """Takes every notice but those that are refused."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.refused: list[Notice] = []

    def __call__(self, notice: Notice) -> None:
        if notice in self.refused:
            raise httpx.ConnectError("nobody there")
        self.notices.append(notice)


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def watchman(tmp_path: Path, sent: Sent) -> Watchman:
    return Watchman(Limits(server=1e-6), Memory(tmp_path / "memory.json"), send=sent)


def test_a_notice_that_is_not_taken_holds_up_no_other_and_is_sent_again(watchman: Watchman, sent: Sent) -> None:
    sent.refused = [WORKER]
    assert not watchman.report([WORKER, LATE])
    sent.refused = []
    assert watchman.report([WORKER, LATE])
    assert sent.notices == [LATE, WORKER]


def test_a_silence_that_ended_and_begins_again_is_reported_again(watchman: Watchman, sent: Sent) -> None:
    for present in ([WORKER], [WORKER], [], [WORKER]):
        watchman.report(present)
        watchman.memory.forget(present, NOW)
    assert sent.notices == [WORKER, WORKER]


def test_endings_are_remembered_for_as_long_as_they_are_looked_at(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "memory.json", NOW)
    memory.know([WORKER, ENDED], NOW)
    memory.write()
    read = Memory.read(memory.file)
    assert read == memory
    read.forget([], NOW + timedelta(minutes=15))
    assert list(read.sent) == [ENDED.key]
    read.forget([], NOW + timedelta(minutes=25))
    assert not read.sent


def test_a_server_that_does_not_answer_is_reported_once(
    watchman: Watchman, sent: Sent, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    address = f"http://127.0.0.1:{free_port()}/api"
    monkeypatch.setenv("PREFECT_API_URL", address)
    with temporary_settings({PREFECT_API_URL: address, PREFECT_HOME: tmp_path}):
        for _ in range(3):
            watchman.turn()
    assert [notice.subject.partition(" has ")[0] for notice in sent.notices] == [f"The Prefect server at {address}"]
