"""Which pictures come from one source, on generated pictures whose sources are known."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from pipeline_lib.audit.audit import audit_dataset
from pipeline_lib.audit.findings import read_groups, read_leaked
from pipeline_lib.audit.sources import find_sources
from pipeline_lib.settings.sections import AuditSettings

SIDE = 240


def scene(seed: int) -> Image.Image:
    """A picture of many things in many colours, unlike that of any other seed."""
    rng = np.random.default_rng(seed)
    rough = rng.integers(60, 200, (5, 5, 3)).astype(np.uint8)
    image = Image.fromarray(rough).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    drawing = ImageDraw.Draw(image)
    for _ in range(60):
        x, y, width, height = (int(each) for each in rng.integers((0, 0, 6, 6), (SIDE, SIDE, 60, 60)))
        shape = drawing.ellipse if rng.random() < 0.5 else drawing.rectangle
        shape((x, y, x + width, y + height), fill=tuple(rng.integers(0, 256, 3).tolist()))
    return image


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def write_dataset(root: Path, files: Mapping[str, Image.Image]) -> Path:
    for key, image in files.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(jpeg(image))
    with (root / "images.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("split", "class", "name"), *(key.split("/") for key in files)])
    return root


def features_of(dataset: Path) -> dict[str, np.ndarray]:
    """A small copy in place of what a backbone makes of a picture: here every picture is a neighbour of every other."""
    paths = dataset.glob("*/*/*.jpg")
    return {
        path.relative_to(dataset).as_posix(): np.asarray(Image.open(path).resize((4, 4)), np.float32).ravel() for path in paths
    }


def sources_of(root: Path, files: Mapping[str, Image.Image], **options) -> tuple[Path, dict]:
    dataset = write_dataset(root / "dataset", files)
    audit_dataset(root / "audit", dataset, AuditSettings())
    return root / "sources", find_sources(root / "sources", dataset, root / "audit", features_of(dataset), **options)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    base = [scene(seed) for seed in range(12)]
    files = {f"train/Can/{seed:02}.jpg": base[seed] for seed in range(10)}
    files |= {
        "test/Can/cropped.jpg": base[0].crop((50, 40, 210, 200)),
        "test/Can/turned.jpg": base[1].rotate(40, Image.Resampling.BICUBIC).crop((45, 45, 195, 195)),
        "test/Can/mirrored.jpg": ImageOps.mirror(base[2]).crop((30, 30, 210, 210)),
        "test/Can/brighter.jpg": ImageEnhance.Brightness(base[3]).enhance(1.3).crop((40, 10, 230, 200)),
        "test/Can/copy.jpg": base[4],
        "test/Can/new.jpg": base[10],
        "train/Hat/a can.jpg": base[5].crop((60, 60, 220, 220)),
        "train/Hat/hat.jpg": base[11],
    }
    return sources_of(tmp_path_factory.mktemp("found"), files)


LEAKED = {"cropped": 0, "turned": 1, "mirrored": 2, "brighter": 3, "copy": 4}


def test_test_images_that_are_cropped_turned_or_mirrored_training_images_leak_and_no_others(found):
    folder, summary = found
    assert read_leaked(folder) == {f"test/Can/{name}.jpg" for name in LEAKED}
    groups = read_groups(folder)
    assert all(groups[f"test/Can/{name}.jpg"] == groups[f"train/Can/{seed:02}.jpg"] for name, seed in LEAKED.items())
    assert summary["leaked"]["kinds"] == {"bytes": 1, "pixels": 0, "near": 0, "registered": 4, "indirect": 0}


def test_one_source_under_two_classes_is_a_label_conflict(found):
    assert found[1]["label_conflicts"] == {"count": 1, "first": [["train/Can/05.jpg", "train/Hat/a can.jpg"]]}


def test_every_image_has_a_source_and_sources_are_numbered_from_0(found):
    groups = read_groups(found[0])
    assert len(groups) == 18
    assert set(groups.values()) == set(range(found[1]["sources"]["count"])) == set(range(12))
