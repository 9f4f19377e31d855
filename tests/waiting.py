"""Waiting for what a loaded machine does late: limits are generous and end early, and a busy database is asked again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx

# Seconds. With other work beside it, a run takes half a minute to start and its stages as long again.
PATIENCE = 600

Seen = TypeVar("Seen")


def a_moment() -> None:
    """Let a fifth of a second pass."""
    threading.Event().wait(0.2)


def eventually(
    look: Callable[[], Seen],
    good: Callable[[Seen], bool],
    seconds: float = PATIENCE,
    pause: Callable[[], None] = a_moment,
) -> Seen:
    """Look again and again until what is seen is good; fails with what was seen last."""
    until = time.monotonic() + seconds
    while not good(seen := look()):
        assert time.monotonic() < until, f"not within {seconds:g} s; last seen: {str(seen)[:2000]}"
        pause()
    return seen


class Api:
    """The API of a Prefect server, asked with patience: as Prefect's own clients do, again when its database is busy."""

    def __init__(self, address: str, auth: httpx.Auth | None = None, pause: Callable[[], None] = a_moment) -> None:
        self.address, self.auth, self.pause = address, auth, pause

    def send(self, method: str, path: str, content: Mapping[str, Any] | None = None) -> httpx.Response:
        return eventually(
            lambda: httpx.request(method, f"{self.address}{path}", json=content, auth=self.auth, timeout=PATIENCE),
            lambda answer: answer.status_code != httpx.codes.SERVICE_UNAVAILABLE,
            pause=self.pause,
        )

    def get(self, path: str) -> Any:
        return self.send("GET", path).raise_for_status().json()

    def post(self, path: str, content: Mapping[str, Any]) -> Any:
        return self.send("POST", path, content).raise_for_status().json()

    def last_run(self) -> dict[str, Any]:
        """The flow run that was started last."""
        return dict(self.post("/flow_runs/filter", {"sort": "START_TIME_DESC", "limit": 1})[0])

    def tasks(self, run: str, *names: str) -> list[dict[str, Any]]:
        """The task runs of a run: all, or those of these names."""
        wanted = {"task_runs": {"name": {"any_": list(names)}}} if names else {}
        return list(self.post("/task_runs/filter", {"flow_runs": {"id": {"any_": [run]}}, **wanted}))
