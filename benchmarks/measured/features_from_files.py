"""Images a second of this project's features from image files: decoding, preparing, the engine, writing the shard."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from measured.prepared import prepared
from pipeline_lib.features.engines import engine
from pipeline_lib.features.shards import rows_of, write_shard

THREADS = os.cpu_count() or 1  # as the flow's task runner has


def main() -> None:
    """Read the arguments, warm up, let each thread write a shard, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--engine", choices=["onnxruntime", "mindspore"], required=True)
    parser.add_argument("--images", type=int, required=True)
    options = parser.parse_args()
    work = prepared(options.work)
    dataset, batch = work.result("dataset"), work.settings.features.batch
    shards = [rows_of(dataset.part("train/", each, THREADS))[: options.images // THREADS] for each in range(THREADS)]
    for _, path in chain(*shards):
        path.read_bytes()  # what is measured is not the disk
    runner = engine(work.result("backbone").folder, batch, options.engine)
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(THREADS) as pool:
        folders = [Path(scratch, str(number)) for number in range(THREADS + 1)]
        for folder in folders:
            folder.mkdir()
        write_shard(folders.pop(), shards[0][:batch], runner)  # compiles, and compares with MindSpore
        started = time.perf_counter()
        list(pool.map(lambda folder, rows: write_shard(folder, rows, runner), folders, shards))
        seconds = time.perf_counter() - started
    print(json.dumps({"images_per_second": sum(map(len, shards)) / seconds}))


if __name__ == "__main__":
    main()
