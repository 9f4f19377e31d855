"""Milliseconds of a training step of LeNet-5: --way flow as this project trains it, --way bare MindSpore's step alone."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mindspore import Tensor, nn

from pipeline_lib.images.prepare import GreyPreprocessing
from pipeline_lib.mnist.arrays import SIDE, Split
from pipeline_lib.mnist.table import PixelTable
from pipeline_lib.models.graph import graph_mode
from pipeline_lib.models.lenet5 import LeNet5
from pipeline_lib.settings.sections import TrainingSettings
from pipeline_lib.training.batches import Batches
from pipeline_lib.training.checkpoints import Checkpoints
from pipeline_lib.training.loop import Plan, fit
from pipeline_lib.training.steps import NetworkStep

LR, MOMENTUM, CLASSES = 0.01, 0.9, 10


def main() -> None:
    """Read the arguments, run an epoch to compile and one to measure, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=["flow", "bare"], required=True)
    parser.add_argument("--form", choices=["report", "classic"], default="report")
    parser.add_argument("--images", type=int, default=4800)
    parser.add_argument("--batch", type=int, default=32)
    options = parser.parse_args()
    table = table_of(options.images)
    batches = Batches(table.take, np.arange(options.images), table.labels.astype(np.int32), options.batch, seed=1)
    run = bare(options.form, batches) if options.way == "bare" else flow(options.form, batches, epochs=2)
    run()
    print(json.dumps({"ms_per_step": 1000 * run() / batches.per_epoch}))


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
