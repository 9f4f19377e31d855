"""A Prefect flow of tasks that do nothing and are cached: what Prefect itself takes for so many task runs."""

from __future__ import annotations

import os

os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")  # as the command line of this project has it

import argparse
from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import INPUTS
from prefect.task_runners import ThreadPoolTaskRunner


@task(cache_policy=INPUTS, persist_result=True)
def nothing(number: int) -> int:
    """Do nothing."""
    return number


@flow(name="empty", task_runner=ThreadPoolTaskRunner(max_workers=os.cpu_count() or 1))
def empty(tasks: int, results: Path) -> None:
    """Submit as many tasks as wanted and wait for all."""
    stored = nothing.with_options(result_storage=results)
    for future in [stored.submit(number) for number in range(tasks)]:
        future.result()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, required=True)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    empty(options.tasks, options.work.absolute() / "empty-results")
