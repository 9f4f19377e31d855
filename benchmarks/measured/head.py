"""This project's training of the head on the cached features of the clean views: seconds in total and per epoch, and accuracy.

With --reach ACCURACY it looks for the smallest number of epochs whose head reaches that accuracy on test, and times nothing.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import NamedTuple

from measured.prepared import Prepared, prepared
from pipeline_lib.audit.findings import read_groups
from pipeline_lib.models.heads import load_head
from pipeline_lib.models.outputs import logits_of_table
from pipeline_lib.settings.sections import TrainSettings
from pipeline_lib.training.head import train_head

EPOCHS = (2, 3, 5, 8, 12, 20, 30, 50, 100)
RATES = (0.01, 0.03, 0.1, 0.3)


class Measured(NamedTuple):
    """What a training took and came to."""

    seconds: float
    accuracy: float


def main() -> None:
    """Read the arguments, search or measure, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--reach", type=float)
    parser.add_argument("--epochs", type=int, default=max(EPOCHS))
    parser.add_argument("--rate", type=float, default=RATES[0])
    parser.add_argument("--more-epochs", type=int, default=50, help="epochs by which two trainings differ to time one epoch")
    options = parser.parse_args()
    work = prepared(options.work)
    if options.reach is not None:
        print(json.dumps(search(work, options.reach, options.epochs)))
        return
    whole = train(work, options.epochs, options.rate)
    short, long = (train(work, epochs, options.rate).seconds for epochs in (5, 5 + options.more_epochs))
    print(json.dumps({**whole._asdict(), "ms_per_epoch": 1000 * (long - short) / options.more_epochs}))


def search(work: Prepared, wanted: float, most: int) -> dict[str, float | bool]:
    """Return the fewest epochs, and their highest learning rate, that reach an accuracy; the best if none does."""
    best: dict[str, float | bool] = {"epochs": most, "rate": RATES[0], "accuracy": 0.0, "reached": False}
    for epochs, rate in product([epochs for epochs in EPOCHS if epochs <= most], RATES):
        accuracy = train(work, epochs, rate).accuracy
        if accuracy > best["accuracy"]:
            best = {"epochs": epochs, "rate": rate, "accuracy": accuracy, "reached": accuracy >= wanted}
        if best["reached"]:
            break
    return best


def train(work: Prepared, epochs: int, rate: float) -> Measured:
    """Train a head on (nearly) all images of train, without early stopping, and judge it on test."""
    table, test, classes = work.features("train"), work.features("test"), work.classes
    groups = read_groups(work.result("sources").folder)
    settings = TrainSettings(
        views="clean", epochs=epochs, warmup_epochs=epochs // 10, lr_max=rate, patience=epochs, refit=False, val_share=0.01
    )
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        train_head(Path(scratch), table, classes, groups, settings, seed=1)
        seconds = time.perf_counter() - started
        head = load_head(Path(scratch))
    return Measured(seconds, float((logits_of_table(head.logits, test).argmax(axis=1) == test.labels).mean()))


if __name__ == "__main__":
    main()
