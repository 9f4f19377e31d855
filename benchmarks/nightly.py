"""Time a nightly with nothing new, from the moment the worker takes it (Pending) to Completed.

    .venv/bin/python benchmarks/nightly.py --dataset sample --repetitions 10 --set image_size=96

One run before computes everything. Exit code 1 when a stage is computed again.
"""

from __future__ import annotations

import argparse
import statistics
import sys

from served import nested, serving


def main() -> None:
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="data_en")
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="NAME=VALUE")
    options = parser.parse_args()
    settings = nested(options.assignments)
    with serving() as served:
        first = served.ask("nightly", options.dataset, settings)
        if (ended := served.end(first))["state_name"] != "Completed":
            sys.exit(f"the first run ended {ended['state_name']}: {ended['state']['message']}")
        print(f"computing everything: {served.seconds(first, 'Pending', 'Completed'):.1f} s", flush=True)
        times = []
        for number in range(1, options.repetitions + 1):
            run = served.ask("nightly", options.dataset, settings)
            served.end(run)
            if {task["state_name"] for task in served.tasks(run, served.results)} != {"Cached"}:
                sys.exit(f"run {number} computed a stage again")
            times.append(served.seconds(run, "Pending", "Completed"))
            print(f"nothing new, run {number}: {times[-1]:.2f} s, all stages reused", flush=True)
    print(f"median {statistics.median(times):.2f} s, range {min(times):.2f} to {max(times):.2f} s, n = {len(times)}")


if __name__ == "__main__":
    main()
