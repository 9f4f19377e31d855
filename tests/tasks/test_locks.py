"""Locks on stage keys: one holder at a time, across processes, and freed by the kernel when the holder is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.contract.locks import StageLocks

HOLD = """
from tasks.contract.locks import StageLocks

locks = StageLocks()
locks.acquire_lock("key", "other")
print("held", flush=True)
input()
"""


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GARBAGE_ARTIFACTS", str(tmp_path))


@pytest.fixture
def other_process():
    """Another process that holds the lock of ``key``."""
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_lock_has_one_holder_until_it_is_released() -> None:
    locks = StageLocks()
    assert locks.acquire_lock("key", "a")
    assert locks.acquire_lock("key", "a")
    assert not locks.acquire_lock("key", "b", acquire_timeout=0)
    assert locks.is_locked("key")
    assert locks.is_lock_holder("key", "a")
    locks.release_lock("key", "a")
    assert not locks.is_locked("key")
    assert locks.acquire_lock("key", "b", acquire_timeout=0)
    locks.release_lock("key", "b")


def test_other_keys_are_free() -> None:
    locks = StageLocks()
    locks.acquire_lock("key", "a")
    assert locks.acquire_lock("other", "b", acquire_timeout=0)
    locks.release_lock("other", "b")
    locks.release_lock("key", "a")


def test_only_the_holder_releases() -> None:
    locks = StageLocks()
    locks.acquire_lock("key", "a")
    locks.release_lock("key", "b")
    assert locks.is_lock_holder("key", "a")
    locks.release_lock("key", "a")
    assert not locks.is_locked("key")


def test_a_lock_may_be_released_twice_and_is_the_next_holders_by_then() -> None:
    locks = StageLocks()
    locks.acquire_lock("key", "a")
    locks.release_lock("key", "a")
    locks.acquire_lock("key", "b")
    locks.release_lock("key", "a")
    assert locks.is_lock_holder("key", "b")
    locks.release_lock("key", "b")


def test_a_lock_held_by_another_process_is_not_had(other_process) -> None:
    locks = StageLocks()
    assert locks.is_locked("key")
    assert not locks.acquire_lock("key", "a", acquire_timeout=0)


def test_a_killed_holder_frees_its_lock(other_process) -> None:
    other_process.send_signal(signal.SIGKILL)
    locks = StageLocks()
    assert locks.acquire_lock("key", "a", acquire_timeout=30)
    locks.release_lock("key", "a")
