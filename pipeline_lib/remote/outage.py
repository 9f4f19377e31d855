"""What is known of a store that may be out of reach: when to try again, and what to say about it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from pipeline_lib.errors import OutOfReachError

Result = TypeVar("Result")

PAUSE = 30.0
"""Seconds without an attempt after one has failed: each costs its retries, and a run has hundreds of results to ask for."""


class Outage:
    """Keeps a run from waiting for a store that does not answer, and reports it once when it begins and once when it ends.

    Args:
        url: What the store is called.
        tell: Is given what is to be said.
        pause: Seconds without an attempt after one that has failed.

    Attributes:
        lasts: Whether the last attempt has failed.
        happened: Whether any attempt has.
    """

    def __init__(self, url: str, tell: Callable[[str], None], pause: float = PAUSE) -> None:
        self.lasts = False
        self.happened = False
        self._url = url
        self._tell = tell
        self._pause = pause
        self._due = 0.0
        self._lock = threading.Lock()

    def attempt(self, work: Callable[[], Result], *, at_once: bool = False) -> Result | None:
        """Return what ``work`` returns; None if the store cannot be reached, or could not a moment ago.

        Args:
            work: Does something with the store.
            at_once: Whether to try even if the last attempt has just failed.
        """
        if time.monotonic() < self._due and not at_once:
            return None
        try:
            result = work()
        except OutOfReachError as error:
            self._changed(True, f"The remote store cannot be reached, and the run goes on without it ({error})")
            return None
        self._changed(False, f"The remote store {self._url} answers again")
        return result

    def _changed(self, lasts: bool, what: str) -> None:
        with self._lock:
            news, self.lasts, self.happened = lasts != self.lasts, lasts, self.happened or lasts
            self._due = time.monotonic() + self._pause if lasts else 0.0
        if news:
            self._tell(what)
