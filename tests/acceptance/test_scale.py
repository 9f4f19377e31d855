"""Memory, files and comparisons over how many images there are; the time is recorded.

Small pictures and a small backbone leave no stage out and keep the time short.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import PROJECT, CommandLine, Finished

from pipeline_lib.audit.neighbours import NEIGHBOURS, neighbour_pairs

IMAGES = (2_000, 10_000, 50_000)
CLASSES, SIDE, BLOBS = 26, 48, 6
STAGES = ("dataset", "audit", "backbone", "augment", "data_new", "features", "sources", "train")
SETTINGS = {
    "image_size": 32,
    "backbone.weights": "random",
    "backbone.width": 0.35,
    "augment_train.views": 1,
    "augment_test.views": 1,
    "train.epochs": 10,
    "train.warmup_epochs": 1,
}

BYTES = {"audit": 4_000, "index": 4_000, "read_manifest": 1_000, "shards": 100}
"""Most memory that a part of the work may add for each image."""


def test_memory_and_files_hardly_grow_with_the_dataset(
    garbage: CommandLine, tmp_path: Path, record: Callable[[Any], None]
) -> None:
    garbage.environment.pop("PREFECT_API_URL")  # the memory of the temporary server is part of a run's
    garbage.settings, rows = SETTINGS, []
    for images in IMAGES:
        garbage.artifacts = tmp_path / f"artifacts-{images}"
        rows.append(measured(garbage, write_pictures(tmp_path / f"pictures-{images}", images), images))
        record(rows)
        shutil.rmtree(garbage.artifacts)
    assert rows[-1]["peak_mb"] <= 1.3 * rows[0]["peak_mb"]
    assert rows[-1]["files_nobody_opens"] <= 1.1 * rows[0]["files_nobody_opens"]


@pytest.mark.parametrize("part", BYTES)
def test_a_part_of_the_work_takes_little_memory_for_each_image(
    part: str, tmp_path: Path, record: Callable[[Any], None]
) -> None:
    script, size = PROJECT / "benchmarks" / "measured" / "scale_parts.py", 20_000
    command = [sys.executable, script, "--work", tmp_path, "--part", part, "--size", str(size)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(PROJECT)}, stdout=subprocess.PIPE, check=True)
    figures = json.loads(done.stdout)
    record(figures)
    assert 1e6 * figures["mb"] <= BYTES[part] * size


@pytest.mark.parametrize("images", [200, 2_000, 20_000])
def test_a_picture_is_compared_with_so_many_others_however_many_there_are(images: int) -> None:
    vectors = np.random.default_rng(0).standard_normal((images, 64), np.float32)
    assert len(neighbour_pairs(vectors)) <= NEIGHBOURS * images


def write_pictures(folder: Path, images: int) -> Path:
    """Write JPEG pictures of coarse random colours, a tenth of them test, no two alike."""
    rng = np.random.default_rng(0)
    for number in range(images):
        split = "test" if number % 10 == 0 else "train"
        place = folder / split / f"class{number // 10 % CLASSES:02}"
        place.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (BLOBS, BLOBS, 3), dtype=np.uint8))
        coarse.resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(place / f"{number:06}.jpg", quality=90)
    return folder


def measured(garbage: CommandLine, pictures: Path, images: int) -> dict[str, Any]:
    """Run over a dataset and return the figures; memory is the largest resident set of any process of the run."""
    with garbage.start("run", "--json", "--dataset", pictures) as process, ThreadPoolExecutor(2) as readers:
        assert process.stdout and process.stderr
        out, err = readers.submit(process.stdout.read), readers.submit(process.stderr.read)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, err.result()
    finished = Finished(0, out.result(), err.result())
    stages = {name: finished.stage(name)["seconds"] for name in STAGES}
    return {
        "images": images,
        "seconds": sum(stages.values()),
        "ms_per_image": 1000 * sum(stages.values()) / images,
        "peak_mb": usage.ru_maxrss / 1024,
        "stages": stages,
    } | on_disk(garbage.artifacts / "stages")


def on_disk(folder: Path) -> dict[str, Any]:
    """Megabytes and number of files below a folder; a file with two names counts once. People open images as files."""
    files = {path.stat().st_ino: path for path in folder.rglob("*") if path.is_file()}
    opened = {path.stat().st_ino for stage in ("dataset", "data_new") for path in folder.glob(f"{stage}/*/*/*/*")}
    size = sum(path.stat().st_size for path in files.values())
    return {"mb": size / 1e6, "files": len(files), "files_nobody_opens": len(files.keys() - opened)}
