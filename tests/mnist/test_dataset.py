"""Every kind of dataset becomes the same arrays, and what is wrong with one gets one sentence."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from idx_files import NAMES, digit_arrays, idx_bytes, write_idx_folder
from PIL import Image

from pipeline_lib.errors import PipelineError
from pipeline_lib.mnist.arrays import SIDE, read_split
from pipeline_lib.mnist.dataset import build_arrays
from pipeline_lib.mnist.sources import resolve
from pipeline_lib.settings.sections import DataSettings


def build(dataset: str | Path, folder: Path, data: DataSettings = DataSettings()) -> dict[str, Any]:  # noqa: B008
    folder.mkdir(exist_ok=True)
    source = resolve(str(dataset), downloads=folder / "downloads", fetch=True)
    return build_arrays(folder, source, data, downloads=folder / "downloads")


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_become_arrays_image_for_image(tmp_path: Path, packed: bool) -> None:
    summary = build(write_idx_folder(tmp_path / "idx", packed=packed), tmp_path / "result")
    assert (summary["name"], summary["kind"], summary["classes"]) == ("idx", "idx", [str(number) for number in range(10)])
    assert summary["counts"] == {"train": dict.fromkeys(summary["classes"], 3), "test": dict.fromkeys(summary["classes"], 1)}
    for name, count in (("train", 30), ("test", 10)):
        split, (images, labels) = read_split(tmp_path / "result", name), digit_arrays(name, count)
        assert np.array_equal(split.images, images)
        assert np.array_equal(split.labels, labels)
        assert split.keys[3].startswith(f"{name}/3/")


@pytest.mark.parametrize(
    ("part", "content", "sentence"),
    [
        (("train", "labels"), idx_bytes(np.zeros(29)), "holds 30 images but .*train-labels.* 29 labels"),
        (
            ("test", "images"),
            idx_bytes(np.zeros((10, 20, 20))),
            "10 images of 20 x 20 pixels; LeNet-5 needs one or more of 28 x 28",
        ),
        (("test", "images"), idx_bytes(np.zeros((10, 28, 28)), magic=2049), "magic number is 2049 instead of 2051"),
        (("test", "labels"), None, "lacks t10k-labels-idx1-ubyte; a dataset of IDX files has all four"),
    ],
)
def test_idx_files_that_do_not_fit_together_are_refused(
    tmp_path: Path, part: tuple[str, str], content: bytes | None, sentence: str
) -> None:
    folder = write_idx_folder(tmp_path / "idx")
    (folder / NAMES[part]).unlink()
    if content is not None:
        (folder / NAMES[part]).write_bytes(content)
    with pytest.raises(PipelineError, match=sentence):
        build(folder, tmp_path / "result")


def test_the_digits_are_split_by_class_into_the_same_arrays_every_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        summary = build("digits", tmp_path / name)
    assert "not MNIST" in summary["what"]
    train, test = (read_split(tmp_path / "a", name) for name in ("train", "test"))
    assert len(train.labels) + len(test.labels) == 1797
    for label, name in enumerate(summary["classes"]):
        images = summary["counts"]["train"][name] + summary["counts"]["test"][name]
        assert summary["counts"]["test"][name] == round(0.2 * images) == (test.labels == label).sum()
    assert train.images.shape[1:] == (SIDE, SIDE)
    assert train.images.min() == 0
    assert train.images.max() == 255
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()
    }


def test_no_digit_is_in_both_splits(tmp_path: Path) -> None:
    build("digits", tmp_path)
    train, test = (read_split(tmp_path, name).images.reshape(-1, SIDE * SIDE) for name in ("train", "test"))
    assert not {image.tobytes() for image in test} & {image.tobytes() for image in train}


def test_an_image_folder_becomes_grey_and_small_and_broken_images_are_set_aside(tmp_path: Path) -> None:
    for split, count in (("train", 6), ("test", 2)):
        for name, grey in (("dark", 40), ("light", 200)):
            folder = tmp_path / "pictures" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (40 + number, 60), (grey, grey, grey)).save(folder / f"{number}.png")
    (tmp_path / "pictures" / "train" / "dark" / "broken.png").write_bytes(b"no image")
    summary = build(tmp_path / "pictures", tmp_path / "result")
    assert summary["counts"] == {"train": {"dark": 6, "light": 6}, "test": {"dark": 2, "light": 2}}
    assert summary["set_aside"] == 1
    train = read_split(tmp_path / "result", "train")
    assert train.keys[0] == "train/dark/0.png"
    assert [set(image.ravel().tolist()) for image in (train.images[0], train.images[-1])] == [{40}, {200}]
    assert not (tmp_path / "result" / ".images").exists()


@pytest.mark.parametrize(
    ("name", "sentence"), [("mnits", "did you mean mnist"), ("nowhere/else", "give mnist, digits, or the path")]
)
def test_a_dataset_that_does_not_exist_is_reported(tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(PipelineError, match=sentence):
        resolve(name, downloads=tmp_path, fetch=True)


def test_a_folder_is_known_by_the_content_of_its_files(tmp_path: Path) -> None:
    def fingerprint() -> str:
        return resolve(str(folder), downloads=tmp_path, fetch=True).fingerprint

    folder = write_idx_folder(tmp_path / "idx")
    before = fingerprint()
    (folder / "readme.txt").write_text("nothing that is read")
    assert fingerprint() == before
    (folder / NAMES["test", "labels"]).write_bytes(idx_bytes(np.ones(10)))
    assert fingerprint() != before


def test_without_mnist_the_embedded_digits_serve_and_the_log_says_so_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GARBAGE_MNIST_URL", "http://127.0.0.1:9")  # the discard port: nothing answers
    monkeypatch.setenv("PATH", str(tmp_path))
    with caplog.at_level(logging.WARNING, logger="pipeline_lib"):
        assert resolve(None, downloads=tmp_path, fetch=True).kind == "digits"
    assert "NOT MNIST" in caplog.text
    assert resolve(None, downloads=tmp_path, fetch=False).kind == "mnist"
