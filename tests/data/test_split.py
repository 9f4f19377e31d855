"""A dataset divided by source is a dataset: the same images, listed and laid out as before; and a folder of one's own."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import kept

from pipeline_lib.data.corrections import (
    CORRECTIONS,
    CORRECTIONS_COLUMNS,
    DECIDED,
    DECIDED_COLUMNS,
    read_corrections,
    read_decided,
)
from pipeline_lib.data.dataset import build_dataset
from pipeline_lib.data.decisions import KEEP
from pipeline_lib.data.folder import check_free, write_split
from pipeline_lib.data.labels_file import read_decisions
from pipeline_lib.data.sources import resolve
from pipeline_lib.data.split import split_dataset
from pipeline_lib.errors import PipelineError
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.files.table import write_table
from pipeline_lib.settings.sections import DataSettings
from pipeline_lib.stages.key import Plan
from pipeline_lib.stages.store import Store

Make = Callable[..., Path]
CLASSES = ("Cans", "Paper")


@pytest.fixture
def dataset(tmp_path: Path, make_dataset: Make) -> Path:
    """A dataset stage's result: two classes, ten training and two test images each, names used by both splits."""
    pictures = make_dataset(tmp_path / "pictures", train=dict.fromkeys(CLASSES, 10), test=dict.fromkeys(CLASSES, 2))
    source = resolve(str(pictures), downloads=tmp_path)
    summary = build_dataset(tmp_path / "dataset", source, DataSettings(), downloads=tmp_path)
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    return tmp_path / "dataset"


def summary_of(dataset: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((dataset.parent / "summary.json").read_text())
    return summary


def images_of(dataset: Path) -> dict[str, bytes]:
    """The bytes of each image by its key."""
    return {path.relative_to(dataset).as_posix(): path.read_bytes() for path in sorted(dataset.glob("t*/*/*"))}


def inodes(dataset: Path) -> set[int]:
    return {path.stat().st_ino for path in dataset.glob("t*/*/*")}


def listed(dataset: Path) -> list[dict[str, str]]:
    with (dataset / "images.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def every_test_image_leaks(dataset: Path) -> dict[str, int]:
    """Sources by key: test image 0 and 1 of a class share theirs with images 0 to 3 of train; the others are alone."""
    keys = list(images_of(dataset))
    names = {key: (key.split("/")[1], int(Path(key).stem)) for key in keys}
    shared = {("Cans", 0): 0, ("Cans", 1): 1, ("Paper", 0): 2, ("Paper", 1): 3}
    return {
        key: shared[label, number % 2] if number < 4 and (key.startswith("test") or number < 4) else 10 + position
        for position, (key, (label, number)) in enumerate(names.items())
    }


def divide(folder: Path, dataset: Path, share: float | None = None) -> dict[str, Any]:
    folder.mkdir()
    return split_dataset(folder, kept(dataset), summary_of(dataset), every_test_image_leaks(dataset), share)


def test_images_are_the_same_and_no_source_is_in_both(tmp_path: Path, dataset: Path) -> None:
    before, groups = images_of(dataset), every_test_image_leaks(dataset)
    divide(tmp_path / "split", dataset)
    after = images_of(tmp_path / "split")
    assert Counter(after.values()) == Counter(before.values())
    assert len(set(before.values())) == len(before)
    source = {content: groups[key] for key, content in before.items()}
    sides = {side: {source[after[key]] for key in after if key.startswith(side)} for side in ("train", "test")}
    assert not sides["train"] & sides["test"]
    assert {key.split("/")[1] for key in after if key.startswith("test")} == set(CLASSES)


def test_it_is_listed_and_laid_out_as_the_dataset_stage_does(tmp_path: Path, dataset: Path) -> None:
    summary = divide(tmp_path / "split", dataset)
    rows, before = listed(tmp_path / "split"), {row["source"]: row for row in listed(dataset)}
    assert {f"{row['split']}/{row['class']}/{row['name']}" for row in rows} == set(images_of(tmp_path / "split"))
    order = [(row["split"] == "test", row["class"]) for row in rows]
    assert order == sorted(order)
    for row in rows:
        assert row == {**before[row["source"]], "split": row["split"], "name": row["name"]}
    counts = Counter((row["split"], row["class"]) for row in rows)
    assert summary["counts"] == {split: {label: counts[split, label] for label in CLASSES} for split in ("train", "test")}
    assert summary["classes"] == list(CLASSES)
    assert (tmp_path / "split/set_aside.csv").read_text() == (dataset / "set_aside.csv").read_text()


def test_it_says_what_was_delivered_what_was_wanted_and_what_came_of_it(tmp_path: Path, dataset: Path) -> None:
    summary = divide(tmp_path / "split", dataset)
    by_source = summary["by_source"]
    assert (summary["test_split"], by_source["leaked"]) == ("by source", 4)
    assert by_source["delivered"] == {"train": dict.fromkeys(CLASSES, 10), "test": dict.fromkeys(CLASSES, 2)}
    assert (by_source["share"], by_source["wanted"]) == (4 / 24, dict.fromkeys(CLASSES, 2))
    assert sum(by_source["sources"].values()) == len(set(every_test_image_leaks(dataset).values()))
    more = divide(tmp_path / "more", dataset, share=0.5)["by_source"]
    assert (more["share"], more["wanted"]) == (0.5, dict.fromkeys(CLASSES, 6))


def test_images_are_links_not_copies(tmp_path: Path, dataset: Path) -> None:
    divide(tmp_path / "split", dataset)
    assert inodes(tmp_path / "split") == inodes(dataset)


def test_equal_inputs_give_equal_bytes(tmp_path: Path, dataset: Path) -> None:
    first, second = divide(tmp_path / "first", dataset), divide(tmp_path / "second", dataset)
    assert first == second
    assert images_of(tmp_path / "first") == images_of(tmp_path / "second")
    assert (tmp_path / "first/images.csv").read_bytes() == (tmp_path / "second/images.csv").read_bytes()


@pytest.fixture
def decided(dataset: Path) -> list[str]:
    """Decisions on the dataset: a can of test is paper, another one belongs nowhere, and a training image is kept. Digests."""
    keys = ["test/Cans/0.png", "test/Cans/1.png", "train/Paper/5.png"]
    digests = [file_sha256(dataset / key) for key in keys]
    write_table(
        dataset / DECIDED,
        DECIDED_COLUMNS,
        zip(keys, digests, ("Cans", "Cans", "Paper"), ("Paper", "remove", "keep"), strict=True),
    )
    write_table(dataset / CORRECTIONS, CORRECTIONS_COLUMNS, [(keys[0], "Cans", "Paper"), (keys[1], "Cans", None)])
    return digests


def test_labels_that_people_corrected_are_applied_on_both_sides(tmp_path: Path, dataset: Path, decided: list[str]) -> None:
    summary = divide(tmp_path / "split", dataset)
    labels = {file_sha256(tmp_path / "split" / key): key.split("/")[1] for key in images_of(tmp_path / "split")}
    assert labels[decided[0]] == "Paper"
    assert decided[1] not in labels
    assert sum(summary["by_source"]["wanted"].values()) == sum(summary["counts"]["test"].values())
    assert (tmp_path / "split/set_aside.csv").read_text().endswith("test/Cans/1.png,removed by labels.csv\n")
    kept_as_decided = read_decided(tmp_path / "split")
    assert {file_sha256(tmp_path / "split" / key) for key in kept_as_decided} == {decided[0], decided[2]}
    assert read_corrections(tmp_path / "split", CLASSES) == {}


def test_a_folder_of_ones_own_remembers_which_labels_were_decided(tmp_path: Path, dataset: Path, decided: list[str]) -> None:
    write_split(tmp_path / "out", stored(tmp_path, dataset), "pictures")
    decisions = read_decisions(tmp_path / "out/labels.csv")
    assert decisions.labels == dict.fromkeys([decided[0], decided[2]], KEEP)


def test_a_damaged_image_is_not_taken_over(tmp_path: Path, dataset: Path) -> None:
    recorded, groups = kept(dataset), every_test_image_leaks(dataset)
    (dataset / "train/Cans/5.png").write_bytes(b"damaged")
    (tmp_path / "split").mkdir()
    with pytest.raises(PipelineError, match=r"train/Cans/5\.png is missing or not what was recorded"):
        split_dataset(tmp_path / "split", recorded, summary_of(dataset), groups)


def stored(tmp_path: Path, dataset: Path) -> Path:
    """The folder of a split stage's result in a store."""

    def compute(folder: Path) -> dict[str, Any]:
        groups = every_test_image_leaks(dataset)
        return {**split_dataset(folder, kept(dataset), summary_of(dataset), groups), "dataset": "abc"}

    plan = Plan(stage="split", slot="", key="0123456789abcdef", parts={})
    return tmp_path / "artifacts" / Store(tmp_path / "artifacts").build(plan, "first run", "", compute).path


@pytest.fixture
def result(tmp_path: Path, dataset: Path) -> Path:
    """The folder of a split stage's result."""
    return stored(tmp_path, dataset)


def test_a_folder_of_ones_own_has_the_images_as_links_and_a_note(tmp_path: Path, result: Path) -> None:
    write_split(tmp_path / "out", result, "pictures")
    assert images_of(tmp_path / "out") == images_of(result)
    assert inodes(tmp_path / "out") == inodes(result)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"train", "test", "split.json"}
    note = json.loads((tmp_path / "out/split.json").read_text())
    assert note["dataset"] == {"name": "pictures", "digest": "abc"}
    assert note["test"] == {label: {"delivered": 2, "wanted": 2, "got": 2} for label in CLASSES}
    assert note["images"] == {"train": 20, "test": 4}
    assert note["delivered_test_images_with_a_source_in_train"] == 4


def test_an_empty_folder_is_filled_and_any_other_is_refused(tmp_path: Path, result: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_split(tmp_path / "empty", result, "pictures")
    assert images_of(tmp_path / "empty")
    with pytest.raises(PipelineError, match="empty is not empty; name a folder that does not exist yet"):
        write_split(tmp_path / "empty", result, "pictures")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(PipelineError, match="file is not a folder; name a folder that does not exist yet"):
        check_free(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_is_written_whole_or_not_at_all(tmp_path: Path, result: Path) -> None:
    damaged = next(result.glob("test/Paper/*"))
    damaged.chmod(0o644)
    damaged.write_bytes(b"damaged")
    with pytest.raises(PipelineError, match="is missing or not what was recorded"):
        write_split(tmp_path / "out", result, "pictures")
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_on_another_file_system_the_images_are_copies(small_disk: Path, result: Path) -> None:
    write_split(small_disk / "out", result, "pictures")
    assert images_of(small_disk / "out") == images_of(result)
