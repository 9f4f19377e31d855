"""The course report's training of the head: each epoch loads each batch's feature maps from its file, pools and trains."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import mindspore
import numpy as np
from mindspore import Tensor, nn

from measured.prepared import prepared
from pipeline_lib.models.whole import Head
from pipeline_lib.training.loop import warmup_cosine


def main() -> None:
    """Read the arguments, compile, train, judge on test, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    options = parser.parse_args()
    work = prepared(options.work)
    mindspore.set_context(mode=mindspore.GRAPH_MODE)
    files = sorted(work.maps.glob("feature_*.npy"))
    test = work.features("test")
    channels = np.load(files[0], mmap_mode="r").shape[1]
    head = Head(channels, len(work.classes), has_dropout=True)
    schedule = warmup_cosine(
        epochs=options.epochs,
        steps_per_epoch=len(files),
        warmup_epochs=options.epochs // 10,
        lr_start=0.001,
        lr_max=options.rate,
        lr_end=1e-5,
    )
    loss = nn.SoftmaxCrossEntropyWithLogits(sparse=True, reduction="mean")
    optimizer = nn.Momentum(head.trainable_params(), schedule.tolist(), 0.9)
    step = nn.TrainOneStepCell(nn.WithLossCell(head, loss), optimizer).set_train()
    step.compile(*batch_of(files[0]))
    started = time.perf_counter()
    for _ in range(options.epochs):
        for file in files:
            float(step(*batch_of(file)).asnumpy())  # the report prints the mean loss of an epoch
    seconds = time.perf_counter() - started
    head.set_train(False)
    pooled = np.ascontiguousarray(test.take(np.arange(len(test)))[:, :channels])  # those of the last maps come first
    logits = head(Tensor(pooled[:, :, None, None])).asnumpy()
    accuracy = float((logits.argmax(axis=1) == test.labels).mean())
    print(json.dumps({"seconds": seconds, "accuracy": accuracy, "ms_per_epoch": 1000 * seconds / options.epochs}))


def batch_of(file: Path) -> tuple[Tensor, Tensor]:
    """Load the maps and the labels of a batch."""
    labels = file.with_name(file.name.replace("feature", "label"))
    return Tensor(np.load(file)), Tensor(np.load(labels))


if __name__ == "__main__":
    main()
