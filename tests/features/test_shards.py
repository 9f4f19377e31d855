"""The feature store: rows keep their images, tables do not depend on how images fell into shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import build
from PIL import Image
from support import kept

from pipeline_lib.features import table as reading
from pipeline_lib.features.engine import engine
from pipeline_lib.features.shards import write_shard
from pipeline_lib.features.table import FEATURES, SHARD_INDEX, FeatureSet, Row, read_index
from pipeline_lib.images.preprocessing import Preprocessing
from pipeline_lib.models.mobilenetv2 import ARCHITECTURE
from pipeline_lib.weights.export import export_onnx


class MeanColour:
    """An engine whose features can be told by hand: the mean of each channel."""

    width, dtype = 3, np.dtype(np.float32)
    batch = 4
    preprocessing = Preprocessing(size=32, mean=(0, 0, 0), std=(1, 1, 1))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        assert len(images) <= self.batch
        return images.mean(axis=(2, 3))


def write_images(folder: Path, count: int) -> list[tuple[Row, Path]]:
    rows = []
    for number in range(count):
        path = folder / f"{number:02}.png"
        Image.new("RGB", (40, 32), (number, 2 * number, 0)).save(path)
        rows.append(
            (Row(f"train/{'AB'[number % 2]}/{number:02}.png", f"sha{number}", "AB"[number % 2], "clean", f"sha{number}"), path)
        )
    return rows


def make_shard(root: Path, name: str, rows: list[tuple[Row, Path]]) -> Path:
    folder = root / name
    folder.mkdir()
    write_shard(folder, rows, MeanColour())
    return folder


def test_features_are_in_the_order_of_the_index(tmp_path: Path) -> None:
    rows = write_images(tmp_path, 10)
    shard = make_shard(tmp_path, "shard", rows)
    features = np.load(shard / FEATURES)
    assert features.dtype == np.float32
    assert read_index(shard) == [row for row, _ in rows]
    np.testing.assert_allclose(features[:, 1], 2 * np.arange(10))


def test_rows_are_the_same_when_pages_are_given_back_after_each_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(reading, "RESIDENT", 0)
    table = FeatureSet([make_shard(tmp_path, "shard", write_images(tmp_path, 10))], ["A", "B"])
    numbers = np.array([3, 1, 9, 3])
    for _ in range(2):
        np.testing.assert_allclose(table.take(numbers)[:, 0], [int(table.images[row][-6:-4]) for row in numbers])


def test_an_empty_shard_is_a_shard(tmp_path: Path) -> None:
    rows = write_images(tmp_path, 3)
    table = FeatureSet([make_shard(tmp_path, "empty", []), make_shard(tmp_path, "full", rows)], ["A", "B"])
    assert len(table) == 3


@settings(max_examples=20, deadline=None)
@given(cut=st.lists(st.integers(0, 2), min_size=9, max_size=9), data=st.data())
def test_the_table_does_not_depend_on_how_images_fell_into_shards(tmp_path_factory, cut: list[int], data) -> None:
    root = tmp_path_factory.mktemp("shards")
    rows = write_images(root, 9)
    shards = [
        make_shard(root, f"shard{shard}", [row for row, where in zip(rows, cut, strict=True) if where == shard])
        for shard in range(3)
    ]
    table = FeatureSet(shards, ["A", "B"])
    assert list(table.images) == sorted(row.image for row, _ in rows)
    assert all(image.split("/")[1] == "AB"[label] for image, label in zip(table.images, table.labels, strict=True))
    picked = np.array(data.draw(st.lists(st.integers(0, 8), min_size=1)))
    numbers = [int(image[-6:-4]) for image in table.images[picked]]
    np.testing.assert_allclose(table.take(picked)[:, 0], numbers)


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    folder = tmp_path / "backbone"
    build(folder, image_size=32)
    export_onnx(folder, ARCHITECTURE)
    return folder


def prepared(count: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, 3, 32, 32)).astype(np.float32)


def test_the_engine_pads_short_batches_and_keeps_images_apart(backbone: Path) -> None:
    runner = engine(backbone, 4)
    together = runner(prepared(3))
    assert together.shape == (3, runner.width) == (3, 1280 + 192 + 336)  # the last maps, blocks 13 and 16 at width 0.35
    alone = np.concatenate([runner(image[None]) for image in prepared(3)])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)
    assert engine(backbone, 4) is runner


def test_the_export_gives_the_same_bytes_each_time(backbone: Path, tmp_path: Path) -> None:
    first = (backbone / "backbone.onnx").read_bytes()
    export_onnx(backbone, ARCHITECTURE)
    assert (backbone / "backbone.onnx").read_bytes() == first


@settings(max_examples=20, deadline=None)
@given(before=st.sets(st.integers(0, 8)), after=st.sets(st.integers(0, 8)))
def test_rows_that_the_previous_shard_knows_are_not_computed(tmp_path_factory, before: set[int], after: set[int]) -> None:
    root = tmp_path_factory.mktemp("shards")
    rows = write_images(root, 9)
    previous = make_shard(root, "previous", [rows[number] for number in sorted(before)])
    for number in before:
        rows[number][1].unlink()  # whoever reads it again fails
    folder = root / "shard"
    folder.mkdir()
    assert write_shard(folder, [rows[number] for number in sorted(after)], MeanColour(), kept(previous)) == len(after - before)
    np.testing.assert_allclose(np.load(folder / FEATURES)[:, 0], sorted(after))


@pytest.mark.parametrize("damaged", [FEATURES, SHARD_INDEX])
def test_a_damaged_shard_hands_no_row_on(tmp_path: Path, damaged: str) -> None:
    rows = write_images(tmp_path, 3)
    shard = make_shard(tmp_path, "previous", rows)
    expected, previous = (shard / FEATURES).read_bytes(), kept(shard)
    content = bytearray((shard / damaged).read_bytes())
    content[-10] ^= 1
    (shard / damaged).write_bytes(content)
    folder = tmp_path / "shard"
    folder.mkdir()
    assert write_shard(folder, rows, MeanColour(), previous) == 3
    assert (folder / FEATURES).read_bytes() == expected


def test_a_file_that_vanished_is_an_error_and_not_a_row_of_zeros(tmp_path: Path) -> None:
    rows = write_images(tmp_path, 2)
    rows[1][1].unlink()
    with pytest.raises(Exception, match="cannot be read"):
        make_shard(tmp_path, "shard", rows)


def test_activations_are_kept_in_half_precision_and_read_in_single_precision(tmp_path: Path) -> None:
    class Halved(MeanColour):
        dtype = np.dtype(np.float16)

    images = write_images(tmp_path, 5)
    write_shard(tmp_path, images, Halved())
    stored = np.load(tmp_path / "features.npy")
    table = FeatureSet([tmp_path], sorted({row.label for row, _ in images}))
    read = table.take(np.arange(5))
    assert (stored.dtype, read.dtype) == (np.float16, np.float32)
    assert sorted(map(tuple, read[:, :3].tolist())) == sorted(map(tuple, stored.astype(np.float32).tolist()))
