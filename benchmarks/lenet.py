"""An epoch of LeNet-5 as the flow trains it beside the bare MindSpore training step over the same batches.

    .venv/bin/python benchmarks/lenet.py

Bare: ``nn.TrainOneStepCell`` around network, ``SoftmaxCrossEntropyWithLogits`` and ``Momentum``, compiled, over tensors that
are ready in memory. Flow: ``fit`` with everything it does to the same images in an epoch: order, reading, scaling, tensors,
loss and accuracy, progress. Evaluation and checkpoints are left out. Both run by turns, so that a busy machine harms both.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("GLOG_v", "3")  # before MindSpore is imported, or it prints its warnings

import numpy as np
from mindspore import Tensor, nn

from pipeline_lib.images.prepare import GreyPreprocessing
from pipeline_lib.mnist.arrays import SIDE, Split
from pipeline_lib.mnist.table import PixelTable
from pipeline_lib.models.graph import graph_mode
from pipeline_lib.models.inference import Predictor
from pipeline_lib.models.lenet5 import LeNet5
from pipeline_lib.settings.sections import TrainingSettings
from pipeline_lib.training.batches import Batches
from pipeline_lib.training.checkpoints import Checkpoints
from pipeline_lib.training.loop import Plan, fit
from pipeline_lib.training.steps import NetworkStep

LR, MOMENTUM, CLASSES = 0.01, 0.9, 10


def main() -> None:
    """Read the arguments, measure by turns, print medians and spread."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=4_800, help="few, so that the turns are short")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repetitions", type=int, default=25)
    options = parser.parse_args()
    for form in ("report", "classic"):
        compare(form, options.images, options.batch, options.repetitions)


def compare(form: str, images: int, batch: int, repetitions: int) -> None:
    """Measure one form of the network and print it."""
    table = table_of(images)
    batches = Batches(table.take, np.arange(images), table.labels.astype(np.int32), batch, seed=1)
    runs = {"bare": bare(form, batches), "flow": flow(form, batches, repetitions + 1)}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for repetition in range(repetitions + 1):
        for name, run in runs.items():
            taken = run()
            if repetition:  # the first one compiles
                seconds[name].append(taken)
    print(f"LeNet-5, {form} form, {batches.per_epoch} steps of {batch}")
    for name, taken in seconds.items():
        low, median, high = np.percentile(taken, [10, 50, 90]) * 1000 / batches.per_epoch
        print(f"  {name}: {median:.2f} ms a step ({low:.2f} to {high:.2f} for the middle 80 % of {repetitions} repetitions)")
    ratios = np.array(seconds["flow"]) / np.array(seconds["bare"])
    low, median, high = np.percentile(ratios, [10, 50, 90])
    print(f"  flow / bare: {median:.3f} ({low:.3f} to {high:.3f})")
    predictor, taken = Predictor(LeNet5(form=form)), []
    for _ in range(repetitions + 1):
        started = time.perf_counter()
        predictor.logits(table.take(np.arange(images)))
        taken.append(time.perf_counter() - started)
    print(f"  forward alone: {images / np.median(taken[1:]):,.0f} images/s", flush=True)


def table_of(images: int) -> PixelTable:
    """Return random images: the time of a step does not depend on what they show."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (images, SIDE, SIDE), dtype=np.uint8)
    keys = [f"train/0/{number:06}" for number in range(images)]
    return PixelTable(Split(pixels, rng.integers(0, CLASSES, images), keys), GreyPreprocessing(size=SIDE))


def bare(form: str, batches: Batches) -> Callable[[], float]:
    """Return what runs an epoch of bare steps and returns its seconds."""
    network = LeNet5(form=form)
    loss = nn.SoftmaxCrossEntropyWithLogits(sparse=True, reduction="mean")
    optimizer = nn.Momentum(network.trainable_params(), LR, MOMENTUM)
    step = nn.TrainOneStepCell(nn.WithLossCell(network, loss), optimizer).set_train()
    ready = [(Tensor(inputs), Tensor(labels)) for inputs, labels in batches(1)]

    @graph_mode()
    def run() -> float:
        started = time.perf_counter()
        for inputs, labels in ready:
            last = step(inputs, labels)
        float(last)  # waits for the last step
        return time.perf_counter() - started

    return run


def flow(form: str, batches: Batches, epochs: int) -> Callable[[], float]:
    """Return what runs an epoch as the flow does and returns its seconds; it can be called ``epochs`` times."""
    network = LeNet5(form=form)
    schedule = np.full(epochs * batches.per_epoch, LR, np.float32)
    settings = TrainingSettings(momentum=MOMENTUM, weight_decay=0.0, label_smoothing=0.0)
    step = NetworkStep(network, schedule, settings, classes=CLASSES)
    plan = Plan(1, batches.per_epoch, schedule, patience=1)

    def run() -> float:
        with tempfile.TemporaryDirectory() as folder:
            checkpoints = Checkpoints(Path(folder), "benchmark", every=1000, keep=1)
            started = time.perf_counter()
            fit(step, plan, batches, None, checkpoints)
            return time.perf_counter() - started

    return run


if __name__ == "__main__":
    main()
