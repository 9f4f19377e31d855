"""The head's training as the flow does it, beside MindSpore's step and scikit-learn's LogisticRegression, on cached features.

    .venv/bin/python benchmarks/head.py artifacts/stages/features/*

The features are those of one run. First a step of each epoch's whole work (order, reading, dropout, step, validation,
checkpoints, fingerprint of the table), with the closed-form step and with MindSpore's, by turns. Then the default training to
its end, and LogisticRegression (lbfgs, C = 1) until it converges, with their top-1 on test. Each has wall and processor time.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("GLOG_v", "3")  # before MindSpore is imported, or it prints its warnings

import numpy as np
from sklearn.linear_model import LogisticRegression

from pipeline_lib.features.table import FeatureSet, read_index
from pipeline_lib.settings.sections import TrainSettings
from pipeline_lib.training import head
from pipeline_lib.training.dense import DenseStep
from pipeline_lib.training.steps import NetworkStep

CONVERGED = 10_000


def main() -> None:
    """Read the arguments and print the two comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", help="results of the stage features, of train and of test")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repetitions", type=int, default=7)
    options = parser.parse_args()
    indexes = {folder: read_index(folder) for folder in options.folders}
    classes = sorted({row.label for index in indexes.values() for row in index})
    train, test = (
        FeatureSet([folder for folder, index in indexes.items() if index and index[0].image.startswith(split)], classes)
        for split in ("train/", "test/")
    )
    compare_steps(train, classes, options.epochs, options.repetitions)
    compare_with_scikit_learn(train, test, classes)


def compare_steps(train: FeatureSet, classes: list[str], epochs: int, repetitions: int) -> None:
    """Print the time of a step, all that an epoch does shared out among its steps."""
    settings = TrainSettings(epochs=epochs, patience=epochs, refit=False)
    made = {"closed form": DenseStep, "MindSpore": partial(NetworkStep, classes=len(classes))}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in made}
    for repetition in range(repetitions + 1):
        for name, make in made.items():
            with tempfile.TemporaryDirectory() as folder, patch.object(head, "DenseStep", make):
                steps, *taken = timed(lambda to=folder: head.train_head(Path(to), train, classes, {}, settings, 1)["steps"])
            if repetition:  # the first one compiles
                times[name].append((taken[0] / steps, taken[1] / steps))
    print(f"{len(train)} rows, {steps // epochs} steps of {settings.batch} an epoch, {epochs} epochs, everything included")
    for name, pairs in times.items():
        wall, processor = 1000 * np.median(pairs, axis=0)
        print(f"  {name}: {wall:.3f} ms a step, processor {processor:.3f} ms (medians of {repetitions})", flush=True)


def compare_with_scikit_learn(train: FeatureSet, test: FeatureSet, classes: list[str]) -> None:
    """Print the time to the end of both trainings, and what they are worth on the clean test images."""
    clean = np.flatnonzero(test.views == "clean")
    inputs, labels = train.take(np.arange(len(train))), train.labels
    with tempfile.TemporaryDirectory() as folder:
        _, wall, processor = timed(lambda: head.train_head(Path(folder), train, classes, {}, TrainSettings(), 1))
        logits = head.head_logits(head.load_head(Path(folder))[0], test, clean)
    top1 = (logits.argmax(axis=1) == test.labels[clean]).mean()
    print(f"default training: {wall:.2f} s, processor {processor:.2f} s, top-1 on clean test {top1:.3f}", flush=True)
    model, wall, processor = timed(lambda: LogisticRegression(max_iter=CONVERGED).fit(inputs, labels))
    top1 = model.score(test.take(clean), test.labels[clean])
    print(f"LogisticRegression: {wall:.2f} s, processor {processor:.2f} s, top-1 on clean test {top1:.3f}")


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return what the work returns, its seconds, and its seconds of processor time."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - processor


if __name__ == "__main__":
    main()
