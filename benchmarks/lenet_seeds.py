"""Train both forms of LeNet-5 under several seeds, for five epochs and until early stopping; print a table.

    .venv/bin/python benchmarks/lenet_seeds.py --dataset mnist --seeds 1 2 3

Results are kept in the folder of artifacts, so a second call reuses them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from pipeline_lib.stages.store import read_manifest

TRAININGS = {"5 epochs": ["train.epochs=5"], "until early stopping": []}


class Figures(NamedTuple):
    """What a run comes to."""

    top1: float
    low: float
    high: float
    loss: float
    ece: float
    epochs: int
    seconds: float


def main() -> None:
    """Read the arguments, run each form both ways under each seed, print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="NAME=VALUE")
    parser.add_argument("--forms", nargs="+", default=["report", "classic"])
    options = parser.parse_args()
    print("| form | training | seed | test accuracy | 95 % interval | loss | calibration error | epochs | training s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for form in options.forms:
        for name, training in TRAININGS.items():
            rows = []
            for seed in options.seeds:
                result = run(options.dataset, [f"network.form={form}", f"seed={seed}", *training, *options.assignments])
                rows.append(figures(result))
                print(f"| {form} | {name} | {seed} | {line(rows[-1])} |", flush=True)
            top1 = statistics.mean(row.top1 for row in rows)
            print(f"| {form} | {name} | **mean** | **{top1:.4f}** | | | | | |", flush=True)


def run(dataset: str, assignments: list[str]) -> dict[str, Any]:
    """Run the flow and return what it says of itself."""
    pairs = [f"--set={pair}" for pair in assignments]
    command = [sys.executable, "-m", "cli.main", "lenet", "--json", "--dataset", dataset, *pairs]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def figures(result: dict[str, Any]) -> Figures:
    """Return the figures of a run; the seconds are those of the training when it was computed."""
    test = result["metrics"]["test"]
    manifest = read_manifest(Path(result["model"]))
    shares = (test["top1"], test["top1_low"], test["top1_high"], test["loss"], test["ece"])
    return Figures(*shares, manifest.summary["epochs"], manifest.seconds)


def line(row: Figures) -> str:
    """Return the figures of a run as cells."""
    interval = f"{row.low:.4f} to {row.high:.4f}"
    return f"{row.top1:.4f} | {interval} | {row.loss:.4f} | {row.ece:.4f} | {row.epochs} | {row.seconds:.0f}"


if __name__ == "__main__":
    main()
