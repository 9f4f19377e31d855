"""Locks on stage keys for Prefect's transactions: two runs that want one stage take turns, and a killed run frees its lock."""

from __future__ import annotations

import asyncio

from filelock import FileLock, Timeout

from pipeline_lib.stages.store import Store


class StageLocks:
    """Prefect's ``LockManager`` over ``flock``: the kernel drops the lock of a process that dies, whatever killed it.

    Prefect's own file locks outlive a killed holder and would leave every later run waiting.
    """

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, FileLock]] = {}

    def acquire_lock(
        self, key: str, holder: str, acquire_timeout: float | None = None, hold_timeout: float | None = None
    ) -> bool:
        """Take the lock of ``key`` for ``holder``; wait ``acquire_timeout`` seconds, None without end. False if in use."""
        if self.is_lock_holder(key, holder):
            return True
        lock = file_lock(key)
        try:
            lock.acquire(timeout=-1 if acquire_timeout is None else acquire_timeout)
        except Timeout:
            return False
        self._held[key] = (holder, lock)
        return True

    def release_lock(self, key: str, holder: str) -> None:
        """Give the lock of ``key`` back if ``holder`` has it; Prefect does so twice when a task returns a failure."""
        if self.is_lock_holder(key, holder):
            _, lock = self._held.pop(key)
            lock.release()

    def is_locked(self, key: str) -> bool:
        """Whether anybody, in this process or another, has the lock of ``key``."""
        return key in self._held or not self.wait_for_lock(key, 0)

    def is_lock_holder(self, key: str, holder: str) -> bool:
        """Whether ``holder`` has the lock of ``key``."""
        return key in self._held and self._held[key][0] == holder

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait until the lock of ``key`` is free, at most ``timeout`` seconds; False if it is not by then."""
        lock = file_lock(key)
        try:
            lock.acquire(timeout=-1 if timeout is None else timeout)
        except Timeout:
            return False
        lock.release()
        return True

    async def aacquire_lock(
        self, key: str, holder: str, acquire_timeout: float | None = None, hold_timeout: float | None = None
    ) -> bool:
        """Take the lock as ``acquire_lock`` does, without blocking the event loop."""
        return await asyncio.to_thread(self.acquire_lock, key, holder, acquire_timeout, hold_timeout)

    async def await_for_lock(self, key: str, timeout: float | None = None) -> bool:
        """Wait as ``wait_for_lock`` does, without blocking the event loop."""
        return await asyncio.to_thread(self.wait_for_lock, key, timeout)


def file_lock(key: str) -> FileLock:
    """Return the lock of ``key`` among all processes that share the artifacts root."""
    folder = Store().root / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{key}.lock", thread_local=False)
