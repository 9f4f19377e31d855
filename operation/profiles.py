"""The two ways to operate the project: one worker on one artifacts root, ``make ui``, or a team of workers, ``make team``."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from operation.place import artifacts
from pipeline_lib.remote.address import ADDRESS, MODE
from pipeline_lib.stages.root import ARTIFACTS, ROOT_ID

KEEPER = "keeper"
"""The work queue of the first worker alone: its artifacts root keeps the team's champions, looks and nights."""

SHARED = "default"
"""The work queue that every worker takes runs from; Prefect gives it this name."""


@dataclass(frozen=True)
class Profile:
    """How many workers there are, and what follows from it.

    Attributes:
        name: The target of make that starts it.
        workers: How many workers there are, each with one run at a time.
    """

    name: str
    workers: int

    @property
    def roots(self) -> list[Path]:
        """The artifacts roots of the workers: the project's, and one inside of it for each further worker."""
        first = artifacts()
        return [first, *(first / f"worker-{number}" for number in range(2, self.workers + 1))]

    @property
    def remote(self) -> str:
        """The remote store that the workers share: ``GARBAGE_REMOTE``, else a folder in the project's artifacts root."""
        return os.environ.get(ADDRESS) or (artifacts() / "shared").as_uri()

    def environment(self, number: int) -> dict[str, str]:
        """Return what a worker, counted from 1, is started with besides the environment of this shell."""
        if self.workers == 1:
            return {}
        return {ARTIFACTS: str(self.roots[number - 1]), ADDRESS: self.remote, MODE: "readwrite"}

    def queues(self, number: int) -> tuple[str, ...]:
        """Return the work queues that a worker takes runs from; the first one takes them from all."""
        return () if number == 1 else (SHARED,)

    def deployment(self, given: Mapping[str, Any], *, decides: bool) -> dict[str, Any]:
        """Return a deployment for this many workers: of a team each has a root of its own, so that the deployment names none.

        Args:
            given: The deployment for a single worker, as `prefect.yaml` has it.
            decides: Whether its runs decide about the champion for all, and belong where that is kept.
        """
        if self.workers == 1:
            return dict(given)
        pool = given["work_pool"]
        variables = pool["job_variables"]
        environment = {name: value for name, value in variables["env"].items() if name not in (ARTIFACTS, ROOT_ID)}
        queue = {"work_queue_name": KEEPER} if decides else {}
        return {
            **given,
            "concurrency_limit": {**given["concurrency_limit"], "limit": self.workers},
            "work_pool": {**pool, **queue, "job_variables": {**variables, "env": environment}},
        }


UI = Profile("ui", 1)
TEAM = Profile("team", 2)
PROFILES = {profile.name: profile for profile in (UI, TEAM)}


def worker_name(number: int) -> str:
    """Return what Prefect calls a worker, counted from 1."""
    return f"garbage-{platform.node()}{'' if number == 1 else f'-{number}'}"
