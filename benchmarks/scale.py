"""Wall time, peak memory, bytes and files of a run over how many images there are.

    .venv/bin/python benchmarks/scale.py

For each size a dataset of small JPEG pictures in 26 classes is made, a tenth of it test, and ``garbage run`` goes over it in a
process of its own, with results of its own. Small pictures and a small backbone leave nothing out and keep the time short.
Time is that of stages dataset to train; memory is the largest resident set of any process of the whole run. A file with two
names counts once.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLASSES, SIDE, BLOBS = 26, 48, 6
STAGES = ("dataset", "audit", "backbone", "augment", "data_new", "features", "train")
SETTINGS = {
    "image_size": "32",
    "backbone.weights": "random",
    "backbone.width": "0.35",
    "augment_train.views": "1",
    "augment_test.views": "1",
    "train.epochs": "10",
    "train.warmup_epochs": "1",
}


def main() -> None:
    """Read the arguments, measure each size, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[2_000, 10_000, 50_000])
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--json", type=Path, help="Write the figures to this file too.")
    options = parser.parse_args()
    rows = [measured(images) for images in options.images for _ in range(options.repetitions)]
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    first, last = min(rows, key=lambda row: row["images"]), max(rows, key=lambda row: row["images"])
    print(f"memory, largest / smallest: {last['peak_mb'] / first['peak_mb']:.2f}")
    print(f"seconds an image, largest / smallest: {last['ms_per_image'] / first['ms_per_image']:.2f}")


def measured(images: int) -> dict[str, Any]:
    """Run the pipeline over a dataset of so many images in a process of its own; print and return the figures."""
    command = [sys.executable, __file__, "--images", str(images)]
    process = subprocess.run(
        [*command, "--json", "-"], env={**os.environ, "SCALE_ONE": "1"}, stdout=subprocess.PIPE, check=True
    )
    row: dict[str, Any] = json.loads(process.stdout)
    print(
        f"{images:,} images: {row['seconds']:.1f} s ({row['ms_per_image']:.2f} ms an image), peak {row['peak_mb']:,.0f} MB, "
        f"{row['mb']:,.0f} MB on disk in {row['files']:,} files, {row['files_for_no_person']:,} of them no person's; "
        + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in row["stages"].items()),
        flush=True,
    )
    return row


def one(images: int) -> dict[str, Any]:
    """Return the figures of one size; the children of this process are those of the one run."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        make(root / "pictures", images)
        environment = {**os.environ, "GARBAGE_ARTIFACTS": str(root / "artifacts"), "PREFECT_HOME": str(root / "prefect")}
        environment.pop("PREFECT_API_URL", None)
        changed = [f"--set={setting}={value}" for setting, value in SETTINGS.items()]
        command = [sys.executable, "-m", "cli.main", "run", "--json", "--dataset", str(root / "pictures"), *changed]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if ended.returncode:
            sys.exit(ended.stderr)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        stages = {row["name"]: row["seconds"] for row in json.loads(ended.stdout.splitlines()[-1])["stages"]}
        seconds = sum(stages[stage] for stage in STAGES)
        return {
            "images": images,
            "seconds": seconds,
            "ms_per_image": 1000 * seconds / images,
            "peak_mb": peak,
            "stages": stages,
        } | (on_disk(root / "artifacts" / "stages"))


def on_disk(folder: Path) -> dict[str, Any]:
    """Return megabytes and number of files below a folder, and how many of the files no person opens as pictures."""
    files = {path.stat().st_ino: path for path in folder.rglob("*") if path.is_file()}
    persons = {path.stat().st_ino for kind in ("dataset", "data_new") for path in folder.glob(f"{kind}/*/*/*/*")}
    size = sum(path.stat().st_size for path in files.values())
    return {"mb": size / 1e6, "files": len(files), "files_for_no_person": len(files.keys() - persons)}


def make(folder: Path, images: int) -> None:
    """Write a dataset of pictures that differ: coarse random colours, scaled up."""
    rng = np.random.default_rng(0)
    for number in range(images):
        split = "test" if number % 10 == 0 else "train"
        place = folder / split / f"class{number // 10 % CLASSES:02}"
        place.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (BLOBS, BLOBS, 3), dtype=np.uint8))
        coarse.resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(place / f"{number:06}.jpg", quality=90)


if __name__ == "__main__":
    if "SCALE_ONE" in os.environ:
        print(json.dumps(one(int(sys.argv[2]))))
    else:
        main()
