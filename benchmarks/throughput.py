"""Images per second of the stage ``features`` on several workers: measured costs, and a simulation of what they share.

    .venv/bin/python benchmarks/throughput.py WORK [--repeat 3]

The costs of an image (reading, preparing, the network, writing the shard) are measured on the embedded sample, on one thread
and as processor time. Then workers are simulated that share the scheduler and the remote store, each of which serves one after
another. One and two threads are measured too, by turns, to compare with what is predicted of them. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from render import table

from pipeline_lib.data.dataset import build_dataset
from pipeline_lib.data.sources import resolve
from pipeline_lib.features.engine import Engine, engine
from pipeline_lib.features.shards import write_shard
from pipeline_lib.features.table import Row
from pipeline_lib.images.read import read_image
from pipeline_lib.models.architectures import find_architecture
from pipeline_lib.settings.sections import BackboneSettings, DataSettings
from pipeline_lib.weights.convert import build_backbone
from pipeline_lib.weights.export import export_onnx
from pipeline_lib.weights.sources import choose_weights

WORKERS = (1, 2, 4, 8, 16)
IMAGES, VIEWS = 1_000_000, 4
SIGMA = 25.0
CHUNK = 1024
"""Files that a simulated worker asks for at a time."""

TASK_SECONDS = 0.056
"""What a cluster adds for each shard: 4 s for 72 shards on Dask (docs/results.md, Engines). Taken to be the scheduler's."""

CONNECTIONS = 32
"""Of a worker to the remote store (`pipeline_lib.remote.bucket`)."""

Step = Iterator[tuple[str, float]]
Shard = Sequence[tuple[Row, Path]]


class Store(NamedTuple):
    """What workers get images from: requests and bytes per second that it serves, and seconds until it answers."""

    name: str
    requests: float
    bytes: float
    latency: float


STORES = (
    Store("none: a folder that all workers share", float("inf"), float("inf"), 0.0),
    Store("5,000 requests/s, 10 Gbit/s, 20 ms", 5_000, 1.25e9, 0.02),
    Store("moto on loopback: 140 requests/s", 140, 1e9, 0.001),
)


class Task(NamedTuple):
    """One view of one shard: its images, the result that they are in, and how many files are fetched of that result."""

    images: int
    result: str
    files: int


def tasks(shards: int, *, parts: bool) -> list[Task]:
    """Return the tasks of `IMAGES` images in the clean view and `VIEWS` augmented ones, in the order of the flow.

    Args:
        shards: Shards of each view.
        parts: Whether a worker fetches what it works on alone, and not the whole result that this is a part of.
    """
    images = IMAGES // shards
    found = []
    for shard in range(shards):
        found.append(Task(images, f"dataset {shard}" if parts else "dataset", images if parts else IMAGES))
        for view in range(VIEWS):
            result = f"augment {shard} {view}" if parts else f"augment {shard}"
            found.append(Task(images, result, images if parts else images * VIEWS))
    return found


def simulated(todo: Sequence[Task], workers: int, seconds: float, size: float, store: Store) -> float:
    """Return the images per second of workers that take one task after another.

    Args:
        todo: The tasks.
        workers: How many workers there are, of one thread each.
        seconds: What an image takes one of them.
        size: Bytes of an image.
        store: Where images are fetched from.
    """
    waiting, free = deque(todo), {"scheduler": 0.0, "store": 0.0, "line": 0.0}

    def work() -> Step:
        there: set[str] = set()
        while waiting:
            task = waiting.popleft()
            yield "scheduler", TASK_SECONDS
            if task.result not in there and store.requests != float("inf"):
                there.add(task.result)
                for at in range(0, task.files, CHUNK):
                    files = min(CHUNK, task.files - at)
                    yield "", store.latency * files / CONNECTIONS
                    yield "store", files / store.requests
                    yield "line", files * size / store.bytes
            yield "", task.images * seconds

    events = [(0.0, number, work()) for number in range(workers)]
    heapify(events)
    now = 0.0
    while events:
        now, number, step = heappop(events)
        if (asked := next(step, None)) is not None:
            what, service = asked
            end = max(now, free.get(what, now)) + service
            if what:
                free[what] = end
            heappush(events, (end, number, step))
    return sum(task.images for task in todo) / now


def prepare(folder: Path) -> tuple[Engine, Shard, Shard]:
    """Return the engine, and the sample's pictures as they are and with noise."""
    backbone, place, noisy = (folder / name for name in ("backbone", "dataset", "noisy"))
    if not noisy.exists():
        entry = find_architecture("mobilenetv2")
        for each in (backbone, place):
            shutil.rmtree(each, ignore_errors=True)
        backbone.mkdir()
        weights = choose_weights("random", entry.weights)
        build_backbone(backbone, entry.load(), weights, BackboneSettings(), image_size=224, seed=0, cache=folder)
        export_onnx(backbone, entry.load())
        build_dataset(place, resolve("sample", downloads=folder), DataSettings(), downloads=folder)
        rng = np.random.default_rng(0)
        noisy.mkdir()
        for path in sorted(place.glob("train/*/*.jpg")):
            pixels = np.asarray(Image.open(path).convert("RGB"), np.float32)
            drawn = np.clip(pixels + rng.normal(0, SIGMA, pixels.shape), 0, 255).astype(np.uint8)
            Image.fromarray(drawn).save(noisy / f"{path.parent.name}-{path.name}", quality=95)
    return engine(backbone, 2), rows(place.glob("train/*/*.jpg")), rows(noisy.glob("*.jpg"))


def rows(paths: Iterator[Path]) -> Shard:
    """Return image files as the rows of a shard."""
    return [(Row(path.name, "0" * 64, "", "", path.name), path) for path in sorted(paths)]


def costs(runner: Engine, shard: Shard) -> dict[str, float]:
    """Return the processor time of an image on one thread in ms, by what it is for."""
    side = runner.preprocessing.size
    prepared = np.empty((len(shard), 3, side, side), np.float32)
    started = time.process_time()
    images = [read_image(path) for _, path in shard]
    read = time.process_time()
    for place, image in zip(prepared, images, strict=True):
        runner.preprocessing.prepare(image, out=place)
    ready = time.process_time()
    for at in range(0, len(shard), runner.batch):
        runner(prepared[at : at + runner.batch])
    ran = time.process_time()
    spent = {"reading": read - started, "preparing": ready - read, "the network": ran - ready}
    return {name: 1000 * seconds / len(shard) for name, seconds in spent.items()}


def rate(runner: Engine, shard: Shard, threads: int, folder: Path) -> dict[str, float]:
    """Return images per second of shards on so many threads, and the processor time of an image in ms."""
    shares = [shard[number::threads] for number in range(threads)]
    places = [folder / f"shard-{number}" for number in range(threads)]
    for place in places:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
    started, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda place, share: write_shard(place, share, runner), places, shares))
    seconds, spent = time.perf_counter() - started, time.process_time() - cpu
    return {"images/s": len(shard) / seconds, "cpu_ms": 1000 * spent / len(shard), "cores": spent / seconds}


def middle(taken: Sequence[dict[str, float]], name: str) -> str:
    """Return the median of a figure, its least and its greatest."""
    values = [each[name] for each in taken]
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    """Measure, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    runner, clean, noisy = prepare(asked.work.absolute())
    taken: dict[str, list[dict[str, float]]] = {"clean": [], "noisy": []}
    ran: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    for _ in range(asked.repeat):
        for name, shard in (("clean", clean), ("noisy", noisy)):
            taken[name].append(costs(runner, shard))
        for threads in ran:
            ran[threads].append(rate(runner, clean, threads, asked.work))
    names = ["reading", "preparing", "the network"]
    print(table(("ms of an image", *names), ([kind, *(middle(each, name) for name in names)] for kind, each in taken.items())))
    print()
    figures = ["images/s", "cpu_ms", "cores"]
    lines = ([f"{threads}", *(middle(each, name) for name in figures)] for threads, each in ran.items())
    print(table(("threads", "images/s", "processor time of an image, ms", "cores that it got"), lines))
    print()
    of_one = statistics.median(each["cpu_ms"] for each in ran[1]) / 1000
    of_noisy = (
        of_one + sum(statistics.median(noise[name] - plain[name] for noise, plain in pairs(taken)) for name in names) / 1000
    )
    seconds = (of_one + VIEWS * of_noisy) / (1 + VIEWS)
    size = statistics.mean(Path(path).stat().st_size for _, path in [*clean, *noisy])
    print(f"A view of an image: {1000 * seconds:.1f} ms, {size / 1000:.0f} kB.\n")
    print(table(("store", "what a worker fetches", "shards", *map(str, WORKERS)), predictions(seconds, size)))


def pairs(taken: dict[str, list[dict[str, float]]]) -> list[tuple[dict[str, float], dict[str, float]]]:
    """Return the costs of noisy pictures beside those of clean ones, of one repetition each."""
    return list(zip(taken["noisy"], taken["clean"], strict=True))


def predictions(seconds: float, size: float) -> Iterator[list[Any]]:
    """Yield the rows of the table of what is predicted: images per second, and the share of what n times one would be."""
    for store in STORES:
        for parts in (False, True) if store.latency else (True,):
            for shards in (8, 64):
                todo = tasks(shards, parts=parts)
                rates = [simulated(todo, workers, seconds, size, store) for workers in WORKERS]
                shown = [f"{rate:,.0f} ({100 * rate * seconds / n:.0f} %)" for rate, n in zip(rates, WORKERS, strict=True)]
                fetched = ("parts" if parts else "whole results") if store.latency else "nothing"
                yield [store.name, fetched, shards, *shown]


if __name__ == "__main__":
    main()
