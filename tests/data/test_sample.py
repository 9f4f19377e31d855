from __future__ import annotations

import warnings
from pathlib import Path

import imagehash
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline_lib.data.classes import CLASSES
from pipeline_lib.data.sample import draw, write_sample
from pipeline_lib.errors import PipelineError

TRAIN, TEST = 3, 1


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, train_images=TRAIN, test_images=TEST, seed=7)
    return folder


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def hashes(folder: Path) -> npt.NDArray[np.bool_]:
    return np.array([imagehash.phash(Image.open(path)).hash.ravel() for path in sorted(folder.rglob("*.jpg"))])


def test_the_layout_is_split_class_number(sample: Path) -> None:
    expected = {
        f"{split}/{name}/{number:04d}.jpg"
        for split, count in (("train", TRAIN), ("test", TEST))
        for name in CLASSES
        for number in range(count)
    }
    assert set(pictures(sample)) == expected


def test_every_file_is_an_rgb_jpeg_of_224_pixels(sample: Path) -> None:
    seen = set()
    for path in sample.rglob("*.jpg"):
        with Image.open(path) as image:
            seen.add((image.format, image.mode, image.size))
    assert seen == {("JPEG", "RGB", (224, 224))}


def test_a_picture_depends_on_the_seed_and_not_on_how_many_are_made(sample: Path, tmp_path: Path) -> None:
    write_sample(tmp_path, train_images=1, test_images=TEST, seed=7)
    larger = pictures(sample)
    assert {path: larger[path] for path in pictures(tmp_path)} == pictures(tmp_path)


def test_another_seed_gives_other_pictures(sample: Path, tmp_path: Path) -> None:
    write_sample(tmp_path, train_images=1, test_images=TEST, seed=8)
    assert not set(pictures(sample).values()) & set(pictures(tmp_path).values())


def test_no_two_pictures_are_the_same(sample: Path) -> None:
    assert len(set(pictures(sample).values())) == len(CLASSES) * (TRAIN + TEST)


def test_train_and_test_share_no_near_copies(sample: Path) -> None:
    distances = (hashes(sample / "train")[:, None] != hashes(sample / "test")).sum(axis=-1)
    assert distances.min() > 8


def test_drawing_leaves_the_global_generator_alone() -> None:
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    draw("Cans", np.random.default_rng(1))
    assert np.random.random() == expected


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_is_drawn_with_contrast_and_a_sharp_edge(name: str) -> None:
    for seed in range(3):
        grey = np.asarray(draw(name, np.random.default_rng(seed)).convert("L"), dtype=float)
        assert grey.std() > 8
        assert max(np.abs(np.diff(grey, axis=axis)).max() for axis in (0, 1)) > 25


@settings(deadline=None, max_examples=60)
@given(name=st.sampled_from(CLASSES), seed=st.integers(0, 2**32), size=st.sampled_from((32, 65, 96)))
def test_any_seed_and_size_gives_a_picture(name: str, seed: int, size: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a division by zero in the geometry would only warn
        image = draw(name, np.random.default_rng(seed), size)
    assert (image.mode, image.size) == ("RGB", (size, size))
    assert np.asarray(image.convert("L")).std() > 2


def test_an_unknown_class_is_named_with_the_choices() -> None:
    with pytest.raises(PipelineError, match=r"no class 'Sofa'; choose one of Banana Peel, .*, Vegetable Leaf"):
        draw("Sofa", np.random.default_rng(1))
