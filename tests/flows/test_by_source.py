"""``garbage split`` and ``data.split=by_source``: what leaks as delivered no longer does, and all else runs as ever."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support import COLOURS, TINY, CommandLine

from pipeline_lib.files.digest import file_sha256
from pipeline_lib.stages.result import read_manifest

DELIVERED = ["delivered audit", "delivered features", "delivered sources"]
SETTINGS = [f"--set={name}={value}" for name, value in TINY.items() if name.startswith(("image_size", "backbone", "shards"))]


@pytest.fixture
def leaking(tiny_dataset: Path) -> Path:
    """The tiny dataset with two copies of training images in each class of test."""
    for name in COLOURS:
        for number in range(2):
            shutil.copy(tiny_dataset / "train" / name / f"{number:03}.png", tiny_dataset / "test" / name / f"copy{number}.png")
    return tiny_dataset


def contents(dataset: Path, split: str) -> set[str]:
    return {file_sha256(path) for path in dataset.glob(f"{split}/*/*")}


def test_a_folder_is_written_in_which_no_copy_is_on_both_sides(garbage: CommandLine, leaking: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "pictures"
    split = garbage("split", "--json", leaking, out, *SETTINGS)
    assert split.code == 0, split.err
    assert contents(leaking, "train") & contents(leaking, "test")
    assert not contents(out, "train") & contents(out, "test")
    assert contents(out, "train") | contents(out, "test") == contents(leaking, "train") | contents(leaking, "test")
    assert split.json["out"] == str(out)
    assert split.json["headline"] == "24 train and 15 test images, no source in both"
    note = json.loads((out / "split.json").read_text())
    assert note["dataset"]["name"] == "pictures"
    assert note["delivered_test_images_with_a_source_in_train"] == 6

    again = garbage("split", leaking, out, *SETTINGS)
    assert again.code == 1
    assert f"{out} is not empty; name a folder that does not exist yet." in again.err
    half = garbage("split", "--json", leaking, tmp_path / "half", "--test-share", "0.5", *SETTINGS)
    assert set(half.statuses.values()) == {"reused", "computed"}
    assert half.stage("split")["reason"] == "setting `test_share` none -> 0.5"
    assert half.json["headline"] == "21 train and 18 test images, no source in both"

    refused = garbage("split", leaking, tmp_path / "none", "--test-share", "1", *SETTINGS)
    assert (refused.code, (tmp_path / "none").exists()) == (2, False)


@pytest.mark.acceptance
def test_a_run_by_source_finds_no_leak_and_is_planned_and_reused_like_any_other(garbage: CommandLine, leaking: Path) -> None:
    first = garbage.run(leaking, data__split="by_source")
    assert first.json["metrics"]["leaked_images"] == 0
    assert first.json["metrics"]["test"]["images"] == 15
    report = Path(first.json["report"]).read_text(encoding="utf-8")
    assert "As delivered, 6 of 15 test images had a source in train." in report
    names = list(first.statuses)
    assert [name for name in names if name.startswith("delivered")] == DELIVERED
    assert names.index("split") == names.index(DELIVERED[-1]) + 1
    changed_sides = 2 * 15  # at most: all that were test, and all that are
    assert clean_images_computed(garbage.artifacts) <= 39 + changed_sides

    assert set(garbage.run(leaking, data__split="by_source").statuses.values()) == {"reused"}
    planned = garbage("status", "--json", "--dataset", leaking, data__split="by_source", audit__near_distance=9)
    assert list(planned.statuses) == names
    assert {name for name, status in planned.statuses.items() if status == "reused"} == {
        "dataset",
        "backbone",
        "delivered features",
    }
    assert planned.stage("delivered audit")["reason"] == "setting `audit.near_distance` 10 -> 9"
    assert planned.stage("audit")["reason"] == "follows from `split`"

    delivered = garbage.run(leaking)
    assert delivered.json["metrics"]["leaked_images"] == 6
    assert (delivered.statuses["audit"], delivered.statuses["sources"]) == ("reused", "reused")


def clean_images_computed(artifacts: Path) -> int:
    """How many images the backbone has looked at in their clean view, over all results."""
    manifests = [read_manifest(path.parent) for path in artifacts.glob("stages/features/*/manifest.json")]
    return sum(each.summary["computed"] for each in manifests if each.parts["settings"]["view.kind"] == "clean")
