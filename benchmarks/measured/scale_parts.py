"""One part of the work around the network at one size; prints its processor time and memory as JSON."""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

Work = Callable[[], object]

SIDE, CLASSES = 64, 20
ALL = (2_000, 20_000, 200_000)
MANIFESTS = (20_000, 200_000, 1_000_000)
MOST = max(MANIFESTS)


def pictures(count: int, folder: Path) -> Path:
    """Return an image folder with pictures of coarse random colours, a tenth of them test, no two alike."""
    place = folder / f"pictures-{count}"
    if place.exists():
        return place
    rng, partial = np.random.default_rng(0), folder / f"pictures-{count}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    for number in range(count):
        target = partial / image_key(number)
        target.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(target, quality=90)
    return partial.rename(place)


def image_key(number: int) -> str:
    """Return the key of a generated picture."""
    return f"{'test' if number % 10 == 0 else 'train'}/class{number // 10 % CLASSES:02}/{number:07}.jpg"


def fresh(folder: Path) -> Path:
    """Return an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def dataset(count: int, folder: Path) -> Work:
    """Every picture read and decoded once, and laid out."""
    from pipeline_lib.data.dataset import build_dataset
    from pipeline_lib.data.sources import resolve
    from pipeline_lib.settings.sections import DataSettings

    source = resolve(str(pictures(count, folder)), downloads=folder)
    out = fresh(folder / f"dataset-{count}")
    return lambda: build_dataset(out, source, DataSettings(), downloads=folder)


def audit(count: int, folder: Path) -> Work:
    """Fingerprints of all pictures, and the search for copies."""
    from pipeline_lib.audit.audit import audit_dataset
    from pipeline_lib.settings.sections import AuditSettings

    dataset(count, folder)()
    out = fresh(folder / f"audit-{count}")
    return lambda: audit_dataset(out, folder / f"dataset-{count}", AuditSettings())


def augment(count: int, folder: Path) -> Work:
    """Four augmented views of each picture, at 224 pixels."""
    from pipeline_lib.settings.sections import TrainViewSettings
    from pipeline_lib.views.augment import write_views
    from pipeline_lib.views.folder import Original
    from pipeline_lib.views.view import views_of

    place, out = pictures(count, folder), fresh(folder / f"views-{count}")
    originals = [Original(key, place / key, f"{number:064x}") for number, key in enumerate(map(image_key, range(count)))]
    return lambda: write_views(out, originals, views_of(TrainViewSettings()), seed=1, size=224)


def near(count: int, folder: Path) -> Work:
    """The search for near-duplicates alone, on random fingerprints."""
    from pipeline_lib.audit.similarity import Fingerprint, near_links

    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2, (2, count, 64)).astype(bool)
    looks = rng.integers(0, 256, (count, 16, 16, 3), np.uint8)
    prints = [Fingerprint("", "", 1, 1, 1.0, *each) for each in zip(*hashes, looks, strict=True)]
    return lambda: near_links(prints, 10)


def neighbours(count: int, folder: Path) -> Work:
    """Which pictures are compared: neighbours of random vectors, the hardest ones."""
    from pipeline_lib.audit.neighbours import WIDTH, neighbour_pairs

    vectors = np.random.default_rng(0).standard_normal((count, WIDTH), np.float32)
    return lambda: neighbour_pairs(vectors)


def sources(count: int, folder: Path) -> Work:
    """The stage ``sources`` as a whole, on random features."""
    from pipeline_lib.audit.sources import find_sources

    audit(count, folder)()
    vectors = np.random.default_rng(0).standard_normal((count, 1280), np.float32)
    features = dict(zip(map(image_key, range(count)), vectors, strict=True))
    out = fresh(folder / f"sources-{count}")
    return lambda: find_sources(out, folder / f"dataset-{count}", folder / f"audit-{count}", [features])


def manifest(count: int) -> Any:
    """Return the manifest of a result with so many outputs."""
    from pipeline_lib.stages.result import Manifest, Output, digest_of

    keys = sorted(map(image_key, range(count)))
    outputs = tuple(Output(key, 20_000, hashlib.sha256(key.encode()).hexdigest()) for key in keys)
    about = {"stage": "dataset", "key": "0" * 16, "parts": {}, "summary": {}, "reason": "", "run": "", "seconds": 1.0}
    return Manifest(**about, outputs=outputs, digest=digest_of(outputs))


def written_manifest(count: int, folder: Path) -> Any:
    """Return a reference to a result of which only the manifest is there."""
    from pipeline_lib.stages.publishing import MANIFEST
    from pipeline_lib.stages.result import Ref

    os.environ["GARBAGE_ARTIFACTS"] = str(folder)
    file = folder / f"manifest-{count}" / MANIFEST
    if not file.exists():
        file.parent.mkdir()
        file.write_text(manifest(count).model_dump_json(), encoding="utf-8")
    return Ref(stage="dataset", key="0" * 16, digest="0" * 64, path=file.parent.name)


def write_manifest(count: int, folder: Path) -> Work:
    """The digest of all outputs, and the manifest as JSON."""
    from pipeline_lib.stages.result import digest_of

    written = manifest(count)
    return lambda: (digest_of(written.outputs), written.model_dump_json())


def read_manifest(count: int, folder: Path) -> Work:
    """A manifest parsed, once a process."""
    return written_manifest(count, folder).manifest


def shards(count: int, folder: Path) -> Work:
    """The keys of ten shards, and what each one is given, once the manifest is parsed."""
    from pipeline_lib.settings.sections import ShardSettings
    from pipeline_lib.views.shard import shards_of

    ref = written_manifest(count, folder)
    ref.manifest()
    wanted = shards_of(ShardSettings())
    return lambda: [ref.part(f"{each.split}/", each.bucket, each.buckets).outputs() for each in wanted]


def result(count: int, folder: Path) -> Path:
    """Return the folder of a result with so many small files."""
    from pipeline_lib.stages.key import Plan
    from pipeline_lib.stages.store import Store

    def compute(out: Path) -> dict[str, Any]:
        for number in range(count):
            file = out / image_key(number)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(str(number), encoding="utf-8")
        return {}

    store = Store(folder / f"result-{count}")
    store.build(Plan(stage="files", slot="", key="0" * 16, parts={}), "", "", compute)
    return store.root / "stages" / "files" / ("0" * 16)


def hit(count: int, folder: Path) -> Work:
    """A result that is reused, its manifest parsed already: the size of every file asked for."""
    from pipeline_lib.stages.result import damage

    found = result(count, folder)
    return lambda: damage(found, "sizes")


def verify(count: int, folder: Path) -> Work:
    """``garbage verify``: every file of that result read and compared."""
    from pipeline_lib.stages.store import Store
    from pipeline_lib.stages.verification import check_results

    store = Store(result(count, folder).parents[2])
    return lambda: list(check_results(store))


def prune(count: int, folder: Path) -> Work:
    """``garbage prune --dry-run`` on that result and a run that has used it."""
    from pipeline_lib.stages.history import write_used
    from pipeline_lib.stages.prune import plan_pruning
    from pipeline_lib.stages.store import Store

    store = Store(result(count, folder).parents[2])
    write_used(store.root, "1" * 32, "flow/dataset", {"stages/files/" + "0" * 16})
    return lambda: plan_pruning(store, keep=1)


def index(count: int, folder: Path) -> Work:
    """The table of training: clean and four augmented views of each image, read from eight shards."""
    from pipeline_lib.features.table import COLUMNS, FEATURES, SHARD_INDEX, FeatureSet
    from pipeline_lib.files.table import write_table

    places = [fresh(folder / f"index-{count}" / str(number)) for number in range(8)]
    for number, place in enumerate(places):
        keys = list(map(image_key, range(number, count, 8)))
        rows = [(key, "0" * 64, key.split("/")[1], view, "0" * 64, "0.5") for view in ("clean", *"1234") for key in keys]
        write_table(place / SHARD_INDEX, COLUMNS, rows)
        np.save(place / FEATURES, np.zeros((len(rows), 8), np.float32))
    classes = [f"class{number:02}" for number in range(CLASSES)]
    return lambda: FeatureSet(places, classes)


def ledger(count: int, folder: Path) -> Work:
    """``garbage runs``: the ledger of so many runs."""
    from pipeline_lib.evaluation.looks import Entry, add_to_ledger, read_ledger
    from pipeline_lib.files.table import read_table, write_table

    path = fresh(folder / f"ledger-{count}") / "looks.csv"
    words = dict.fromkeys(("run", "flow", "dataset", "test", "evaluation", "predictions", "settings"), "x")
    add_to_ledger(path, Entry(when=datetime.now(UTC), **words, top1=0.5))
    (row,) = read_table(path)
    write_table(path, list(row), [row] * count)
    return lambda: read_ledger(path)


class Part(NamedTuple):
    """A part that is measured: what prepares it and returns its work, and the sizes."""

    prepare: Callable[[int, Path], Work]
    sizes: Sequence[int]


PARTS = {
    "dataset": Part(dataset, ALL[:2]),
    "audit": Part(audit, ALL[:2]),
    "augment": Part(augment, (200, 2_000)),
    "near": Part(near, ALL),
    "neighbours": Part(neighbours, ALL),
    "sources": Part(sources, (200, 2_000)),
    "write_manifest": Part(write_manifest, MANIFESTS),
    "read_manifest": Part(read_manifest, MANIFESTS),
    "shards": Part(shards, MANIFESTS),
    "hit": Part(hit, ALL),
    "verify": Part(verify, ALL),
    "prune": Part(prune, ALL),
    "index": Part(index, ALL),
    "ledger": Part(ledger, (100, 1_000, 10_000)),
}


def memory(name: str) -> float:
    """Return a figure of this process's memory in MB: ``VmRSS`` is what it holds, ``VmHWM`` the most it has held."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) / 1024 if found else math.nan


def measured(part: str, size: int, folder: Path) -> dict[str, Any]:
    """Measure a part at one size in this process."""
    work = PARTS[part].prepare(size, folder)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the most it has held is counted from here
    before, cpu, wall = memory("VmRSS"), time.process_time(), time.perf_counter()
    kept = work()
    figures = {"cpu_seconds": time.process_time() - cpu, "seconds": time.perf_counter() - wall}
    del kept
    return {"part": part, "size": size, **figures, "mb": memory("VmHWM") - before}


def main() -> None:
    """Measure the part that is asked for and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--part", choices=PARTS, required=True)
    parser.add_argument("--size", type=int, required=True)
    asked = parser.parse_args()
    print(json.dumps(measured(asked.part, asked.size, asked.work.absolute())))


if __name__ == "__main__":
    main()
