"""Images per second of this project's features from image files: decoding, preparing, the engine, writing the shard."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from measured.prepared import prepared
from pipeline_lib.features.engine import Engine, engine
from pipeline_lib.features.shards import Row, rows_of, write_shard
from pipeline_lib.images.read import ImageFile
from pipeline_lib.models.architecture import Architecture
from pipeline_lib.models.backbone import pooled_backbone
from pipeline_lib.models.inference import Predictor
from pipeline_lib.stages.result import Ref, read_manifest
from pipeline_lib.stages.store import Store
from pipeline_lib.views.view import CLEAN, View


class MindSporeEngine(Engine):
    """The backbone as MindSpore runs it, which must not be called from two threads at once."""

    def __init__(self, backbone: Path, batch: int, architecture: Architecture) -> None:
        super().__init__(backbone, batch)
        network, _ = pooled_backbone(backbone, architecture)
        self._predictor, self._lock = Predictor(network, batch), threading.Lock()

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``Engine``."""
        with self._lock:
            return self._predictor.outputs(images)


AUG1 = View(number=1)
THREADS = os.cpu_count() or 1  # as the flow's task runner has


def main() -> None:
    """Read the arguments, warm up, let each thread write a shard, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--engine", choices=["onnxruntime", "mindspore"], required=True)
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--views", action="store_true", help="the images of data_new and not the photographs")
    options = parser.parse_args()
    work = prepared(options.work)
    batch = work.settings.features.batch
    rows = views() if options.views else rows_of(work.result("dataset").part("train/"), CLEAN)
    shards = [rows[each::THREADS][: options.images // THREADS] for each in range(THREADS)]
    for _, path in chain(*shards):
        path.read_bytes()  # what is measured is not the disk
    folder = work.result("backbone").folder
    runner = engine(folder, batch) if options.engine == "onnxruntime" else MindSporeEngine(folder, batch, work.architecture)
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(THREADS) as pool:
        folders = [Path(scratch, str(number)) for number in range(THREADS + 1)]
        for folder in folders:
            folder.mkdir()
        write_shard(folders.pop(), shards[0][:batch], runner)  # compiles
        started = time.perf_counter()
        list(pool.map(lambda folder, rows: write_shard(folder, rows, runner), folders, shards))
        seconds = time.perf_counter() - started
    print(json.dumps({"images_per_second": sum(map(len, shards)) / seconds}))


def views() -> list[tuple[Row, ImageFile]]:
    """Return the rows of the first augmented view of train, of all shards."""
    manifests = [read_manifest(folder) for folder in sorted((Store().root / "stages" / "augment").glob("[!.]*"))]
    train = [each for each in manifests if any(name.startswith("augment_train") for name in each.parts["settings"])]
    refs = [Ref(stage=each.stage, key=each.key, digest=each.digest, path=f"stages/augment/{each.key}") for each in train]
    return [row for ref in refs for row in rows_of(ref.part(f"{AUG1.name}/"), AUG1)]


if __name__ == "__main__":
    main()
