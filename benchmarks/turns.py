"""Ask for ten runs at once, of both deployments in turn, and see that they ran one after the other and lost nothing.

    .venv/bin/python benchmarks/turns.py --dataset sample --runs 10 --set image_size=96

The first run computes, all others must reuse each of its stages. Exit code 1 when anything is not as promised.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from itertools import pairwise
from typing import Any

from served import Served, nested, serving


def main() -> None:
    """Read the arguments, run, check, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="sample")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="NAME=VALUE")
    options = parser.parse_args()
    with serving() as served:
        asked = [
            served.ask(("garbage-finetune", "nightly")[number % 2], options.dataset, nested(options.assignments))
            for number in range(options.runs)
        ]
        runs = sorted((served.end(run) for run in asked), key=lambda run: str(run["start_time"]))
        sys.exit(not report(served, runs))


def report(served: Served, runs: list[dict[str, Any]]) -> bool:
    """Print a line for each run and one for the whole; return whether all is as promised."""
    tasks = [Counter(task["state_name"] for task in served.tasks(run["id"], served.results)) for run in runs]
    for run, states in zip(runs, tasks, strict=True):
        ended = ", ".join(f"{count} {name}" for name, count in sorted(states.items()))
        print(f"{run['start_time']} .. {run['end_time']} {run['state_name']}: {ended}")
    completed = all(run["state_name"] == "Completed" for run in runs)
    in_turn = all(earlier["end_time"] <= later["start_time"] for earlier, later in pairwise(runs))
    stages = tasks[0].total()
    once = tasks[0] == {"Completed": stages} and all(states == {"Cached": stages} for states in tasks[1:])
    print(f"each Completed: {completed}; one after the other: {in_turn}; {served.results} results, each computed once: {once}")
    return completed and in_turn and once and served.results == stages


if __name__ == "__main__":
    main()
