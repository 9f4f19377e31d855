"""Images per second of bare onnxruntime on prepared tensors: the limit of what features from files can reach.

--callers 1 is a session with its default threads; more callers share a session of one thread each.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime

from measured.prepared import prepared


def main() -> None:
    """Read the arguments, warm up, measure, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--callers", type=int, required=True)
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--batch", type=int, help="images per call; the setting features.batch if not given")
    options = parser.parse_args()
    work = prepared(options.work)
    batch, size = options.batch or work.settings.features.batch, work.settings.image_size
    threads = onnxruntime.SessionOptions()
    if options.callers > 1:
        threads.intra_op_num_threads = 1
    path = work.result("backbone").folder / "backbone.onnx"
    session = onnxruntime.InferenceSession(path, threads, providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).normal(size=(batch, 3, size, size)).astype(np.float32)
    batches = max(options.callers, options.images // batch)
    with ThreadPoolExecutor(options.callers) as pool:

        def run(count: int) -> float:
            started = time.perf_counter()
            list(pool.map(lambda batch: session.run(None, {"images": batch}), [images] * count))
            return time.perf_counter() - started

        run(2 * options.callers)
        seconds = run(batches)
    print(json.dumps({"images_per_second": batches * batch / seconds}))


if __name__ == "__main__":
    main()
