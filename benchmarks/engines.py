"""Images a second of the feature engines on ready tensors, called from two threads as the flow does.

.venv/bin/python benchmarks/engines.py artifacts/stages/backbone/<key>
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pipeline_lib.features.engines import Engine, MindSporeEngine, OnnxEngine

IMAGES, BATCH, REPETITIONS, THREADS = 512, 16, 5, 2


def main() -> None:
    """Print minimum, median and maximum of each engine's rate."""
    backbone = Path(sys.argv[1])
    for engine in (OnnxEngine(backbone, BATCH), MindSporeEngine(backbone, BATCH)):
        low, median, high = np.percentile([rate(engine) for _ in range(REPETITIONS)], [0, 50, 100])
        print(f"{engine.name:12} batch {BATCH}: {median:.0f} images/s ({low:.0f} to {high:.0f}, {REPETITIONS} repetitions)")


def rate(engine: Engine) -> float:
    """Return images a second over ``IMAGES`` images, after one batch that compiles and verifies."""
    size = engine.preprocessing.size
    images = np.random.default_rng(0).normal(size=(BATCH, 3, size, size)).astype(np.float32)
    engine(images)
    with ThreadPoolExecutor(THREADS) as pool:
        started = time.perf_counter()
        list(pool.map(engine, [images] * (IMAGES // BATCH)))
        return IMAGES / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
