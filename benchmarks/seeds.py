"""Run the pipeline under several seeds, with and without augmented views in training, and print the mean figures.

    .venv/bin/python benchmarks/seeds.py --dataset PATH --seeds 1 2 3

Results are kept in the folder of artifacts, so a second call reuses them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from typing import Any

from pipeline_lib.evaluation.selection import SETS, WITHOUT_LEAKS

KEYS = tuple(f"{key}{suffix}" for key in SETS for suffix in (WITHOUT_LEAKS, ""))
HEADINGS = (*(f"{key} top-1" for key in KEYS), "  top-5", "unscaled ece", "    ece", "train s")


def main() -> None:
    """Read the arguments, run each seed both ways, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="NAME=VALUE")
    options = parser.parse_args()
    for views in ("all", "clean"):
        print(f"\ntrained on {views} views")
        print(f"{'seed':>6} " + " ".join(HEADINGS))
        rows = []
        for seed in options.seeds:
            result = run(options.dataset, [*options.assignments, f"seed={seed}", f"train.views={views}"])
            rows.append(figures(result))
            print(f"{seed:>6} " + line(rows[-1]))
        print(f"{'mean':>6} " + line([statistics.mean(column) for column in zip(*rows, strict=True)]))


def run(dataset: str, assignments: list[str]) -> dict[str, Any]:
    """Run the pipeline and return what it says of itself."""
    command = [
        sys.executable,
        "-m",
        "cli.main",
        "run",
        "--json",
        "--dataset",
        dataset,
        *(f"--set={pair}" for pair in assignments),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def figures(result: dict[str, Any]) -> list[float]:
    """Return the figures of a run: top-1 on each set, top-5 and calibration errors without leaks, seconds of training."""
    metrics = result["metrics"]
    seconds = next(row["seconds"] for row in result["stages"] if row["name"] == "train")
    main = metrics[KEYS[0]]
    return [*(metrics[key]["top1"] for key in KEYS), main["top5"], main["ece_before"], main["ece"], seconds]


def line(row: list[float]) -> str:
    """Return the figures of one row in columns."""
    return " ".join(f"{value:{len(heading)}.4f}" for value, heading in zip(row, HEADINGS, strict=True))


if __name__ == "__main__":
    main()
