"""Milliseconds of a training step of LeNet-5: --way flow as this project trains it, --way bare MindSpore's step alone."""

from __future__ import annotations

import argparse
import json

import numpy as np
from lenet import bare, flow, table_of

from pipeline_lib.training.batches import Batches


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


if __name__ == "__main__":
    main()
