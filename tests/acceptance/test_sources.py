"""Which changes of a picture are seen through, that different pictures are kept apart, and what it costs.

Times are of two threads; ``cpu_seconds`` is what they took of the processor, which other work on the machine does not change.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scenes import CHANGES, cropped, jpeg, scene
from support import PROJECT, photographs

from pipeline_lib.audit.audit import audit_dataset
from pipeline_lib.audit.findings import read_groups, read_leaked
from pipeline_lib.audit.sources import find_sources
from pipeline_lib.audit.verdicts import confirmed, judge
from pipeline_lib.data.embedded import SAMPLE
from pipeline_lib.features.engine import Engine, engine
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.images.read import read_image
from pipeline_lib.models.architectures import find_architecture
from pipeline_lib.progress import ignore_progress
from pipeline_lib.settings.sections import AuditSettings, BackboneSettings
from pipeline_lib.stages.kept import Kept
from pipeline_lib.weights.convert import build_backbone
from pipeline_lib.weights.export import export_onnx
from pipeline_lib.weights.sources import choose_weights

DISTINCT, CHANGED = 1000, 100
MANY = 50_000
# Too small, too noisy or in other colours: found, but not always.
HARD = {
    *("crop to 30 %", "noise of 50", "JPEG quality 10", "a quarter of the size", "blur of 3 pixels"),
    *("colour removed", "hue turned by 60°", "colours inverted", "a tenth erased", "a third erased"),
}

Record = Callable[[Any], None]
Features = dict[str, Any]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The pretrained backbone, as a run would use it."""
    folder = tmp_path_factory.mktemp("backbone")
    entry = find_architecture("mobilenetv2")
    family, weights = entry.load(), choose_weights("pretrained", entry.weights)
    build_backbone(
        folder, family, weights, BackboneSettings(), image_size=224, seed=0, cache=tmp_path_factory.mktemp("downloads")
    )
    export_onnx(folder, family)
    return engine(folder, 2)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The real photographs as a folder."""
    with zipfile.ZipFile(photographs()) as archive:
        archive.extractall(tmp_path / "archive")
    (train,) = (tmp_path / "archive").rglob("train")
    return train.parent


def keys_of(dataset: Path) -> list[str]:
    return sorted(path.relative_to(dataset).as_posix() for path in dataset.glob("*/*/*.jpg"))


def features_of(dataset: Path, network: Engine, keys: Iterable[str]) -> Features:
    def work(key: str) -> Any:
        prepared = np.empty((1, 3, network.preprocessing.size, network.preprocessing.size), np.float32)
        network.preprocessing.prepare(read_image(dataset / key), out=prepared[0])
        return network(prepared)[0]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(keys, pool.map(work, keys), strict=True))


def sources_of(folder: Path, dataset: Path, features: Features, previous: Kept | None = None) -> dict[str, Any]:
    """Audit a folder of images, find its sources, and return what was found and what that took."""
    with (dataset / "images.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("split", "class", "name"), *(key.split("/") for key in features)])
    shutil.rmtree(folder, ignore_errors=True)
    audit_dataset(folder / "audit", dataset, AuditSettings())
    wall, cpu = time.perf_counter(), time.process_time()
    summary = find_sources(folder / "sources", dataset, folder / "audit", [features], previous)
    took = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    return summary | {name: round(seconds, 2) for name, seconds in took.items()}


def write_changes(dataset: Path, bases: Mapping[str, Image.Image]) -> None:
    """Write every change of training images, named by their keys, as test images of the same class."""
    for key, image in bases.items():
        _, label, name = key.split("/")
        folder = dataset / "test" / label
        folder.mkdir(parents=True, exist_ok=True)
        for number, change in enumerate(CHANGES.values()):
            (folder / f"{name.removesuffix('.jpg')}-{number:02}.jpg").write_bytes(jpeg(change(image)))


def recall(groups: Mapping[str, int], bases: Iterable[str]) -> dict[str, float]:
    """The share of bases whose change is in their group, by change."""
    places = {key: f"test/{key.removeprefix('train/').removesuffix('.jpg')}" for key in bases}
    return {
        name: float(np.mean([groups[f"{place}-{number:02}.jpg"] == groups[key] for key, place in places.items()]))
        for number, name in enumerate(CHANGES)
    }


def joined(groups: Mapping[str, int], keys: Iterable[str]) -> int:
    """How many of the images named are in a group with an earlier one."""
    return sum(size - 1 for size in Counter(groups[key] for key in keys).values())


def test_generated_pictures_are_kept_apart(network: Engine, tmp_path: Path, record: Record) -> None:
    dataset, keys = tmp_path / "pictures", [f"train/Class {number % 4}/{number:04}.jpg" for number in range(DISTINCT)]
    for number, key in enumerate(keys):
        (dataset / key).parent.mkdir(parents=True, exist_ok=True)
        (dataset / key).write_bytes(jpeg(scene(number)))
    write_changes(dataset, {key: scene(number) for number, key in enumerate(keys[:CHANGED])})
    took = sources_of(tmp_path / "found", dataset, features_of(dataset, network, keys_of(dataset)))
    groups = read_groups(tmp_path / "found/sources")
    # These pictures look so much alike to the network that few changed ones are among the nearest: recall is recorded, and
    # promised below, where pictures look as different as those of classes do.
    record(
        {
            "images": len(groups),
            "joined": joined(groups, keys),
            "recall": recall(groups, keys[:CHANGED]),
            "cpu_seconds": took["cpu_seconds"],
        }
    )
    assert joined(groups, keys) == 0


def test_a_changed_picture_that_is_compared_with_the_first_one_is_recognised(tmp_path: Path, record: Record) -> None:
    pictures = [
        np.asarray(picture)
        for number in range(CHANGED)
        for picture in (scene(number), *(change(scene(number)) for change in CHANGES.values()))
    ]
    each = 1 + len(CHANGES)
    pairs = np.array([[at - at % each, at] for at in range(len(pictures)) if at % each])
    digests = np.arange(len(pictures), dtype=np.uint64)
    verdicts, _ = judge(pairs, digests, pictures.__getitem__, tmp_path / "sketches", None, ignore_progress)
    shares = dict(zip(CHANGES, confirmed(verdicts).reshape(CHANGED, -1).mean(axis=0).tolist(), strict=True))
    record({"recall": shares})
    assert min(share for name, share in shares.items() if name not in HARD) >= 0.95


def test_pictures_of_the_sample_are_kept_apart_and_changed_ones_found(network: Engine, tmp_path: Path, record: Record) -> None:
    with zipfile.ZipFile(SAMPLE) as archive:
        archive.extractall(tmp_path / "sample")
    (train,) = (tmp_path / "sample").rglob("train")
    keys = keys_of(train.parent)
    bases = dict.fromkeys([key for key in keys if key.startswith("train/")][::4][:CHANGED])
    write_changes(train.parent, {key: read_image(train.parent / key) for key in bases})
    took = sources_of(tmp_path / "found", train.parent, features_of(train.parent, network, keys_of(train.parent)))
    groups = read_groups(tmp_path / "found/sources")
    shares = recall(groups, bases)
    record({"images": len(groups), "joined": joined(groups, keys), "recall": shares, "cpu_seconds": took["cpu_seconds"]})
    assert joined(groups, keys) == 0
    assert min(share for name, share in shares.items() if name not in HARD) >= 0.95


def test_changed_photographs_are_found(network: Engine, pictures: Path, tmp_path: Path, record: Record) -> None:
    files = sorted((pictures / "train").glob("*/*.jpg"))
    chosen = files[:: len(files) // CHANGED][:CHANGED]
    bases = {path.relative_to(pictures).as_posix(): read_image(path) for path in chosen}
    shutil.rmtree(pictures / "test")
    write_changes(pictures, bases)
    took = sources_of(tmp_path / "found", pictures, features_of(pictures, network, keys_of(pictures)))
    shares = recall(read_groups(tmp_path / "found/sources"), bases)
    record({"recall": shares, "cpu_seconds": took["cpu_seconds"]})
    assert min(share for name, share in shares.items() if name not in HARD) >= 0.95


def test_leaks_among_the_photographs_are_found_and_one_more_photograph_costs_little(
    network: Engine, pictures: Path, tmp_path: Path, record: Record
) -> None:
    features = features_of(pictures, network, keys_of(pictures))
    first = sources_of(tmp_path / "first", pictures, features)
    leaked = len(read_leaked(tmp_path / "first/sources"))
    whole = next(key for key in keys_of(pictures) if key.startswith("train/"))
    key = f"{Path(whole).parent}/one more.jpg"
    (pictures / key).write_bytes(jpeg(cropped(read_image(pictures / whole), 0.5)))
    features |= features_of(pictures, network, [key])
    before = tmp_path / "first/sources"
    kept = Kept(before, {path.name: file_sha256(path) for path in before.iterdir()})
    second = sources_of(tmp_path / "second", pictures, features, kept)
    cost = {name: (first[name], second[name]) for name in ("seconds", "cpu_seconds", "computed", "candidates")}
    record({"leaked": leaked, "sources": first["sources"], "pairs": first["pairs"], "at first and with one more": cost})
    assert leaked >= 100
    groups = read_groups(tmp_path / "second/sources")
    assert groups[key] == groups[whole]
    assert second["computed"] <= 100


def small_scenes(folder: Path, count: int) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Write small pictures, every tenth a part of the one before, and return their keys and their colours as features."""
    directions = np.random.default_rng(1).standard_normal((192, 1280)).astype(np.float32)
    for number in range(count):
        picture = scene(number - number % 10 // 9, 64)
        picture = cropped(picture, 0.7) if number % 10 == 9 else picture
        key = f"{'test' if number % 7 == 0 else 'train'}/Class {number % 20:02}/{number:05}.jpg"
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(jpeg(picture))
        colours = np.asarray(picture.resize((8, 8), Image.Resampling.BOX), np.float32).ravel() / 255
        yield key, np.maximum((colours - colours.mean()) @ directions, 0)


def measure_many(folder: Path, count: int) -> dict[str, Any]:
    """Find the sources of generated pictures in a process of its own and return what was found and what that took."""
    import resource

    features = dict(small_scenes(folder / "pictures", count))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = sources_of(folder / "found", folder / "pictures", features)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sizes = {"mb_before": before / 1024, "peak_mb": peak / 1024}
    return {"images": count, **{name: found[name] for name in ("seconds", "cpu_seconds", "candidates", "pairs")}, **sizes}


def test_many_pictures_take_time_in_proportion_and_little_memory(tmp_path: Path, record: Record) -> None:
    rows, paths = [], f"{PROJECT}{os.pathsep}{PROJECT / 'tests'}"
    for count in (MANY // 10, MANY):
        command = [sys.executable, __file__, str(tmp_path / str(count)), str(count)]
        run = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=True)
        rows.append(json.loads(run.stdout))
        record(rows)
        shutil.rmtree(tmp_path / str(count))
    assert rows[1]["cpu_seconds"] <= 15 * rows[0]["cpu_seconds"]
    assert rows[1]["peak_mb"] - rows[1]["mb_before"] <= 800


if __name__ == "__main__":
    json.dump(measure_many(Path(sys.argv[1]), int(sys.argv[2])), sys.stdout)
