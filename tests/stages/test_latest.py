"""Results are found by flow and dataset, and the model that predicts is the one that its user would expect."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest

from pipeline_lib.errors import PipelineError
from pipeline_lib.stages.latest import file_name, keep_latest, latest_model, named_model
from pipeline_lib.stages.result import Ref
from pipeline_lib.stages.store import Store

FLOW = "garbage-finetune"


def train(root: Path, dataset: str, day: int, flow: str = FLOW) -> Path:
    """Lay a model out as a run does, finished on a day of January 2026 at noon."""
    store = Store(root)
    key = f"{flow}-{file_name(dataset)}-{day}"
    folder = root / "stages" / "train" / key
    folder.mkdir(parents=True)
    (folder / "manifest.json").touch()
    noon = datetime(2026, 1, day, 12).timestamp()
    os.utime(folder / "manifest.json", (noon, noon))
    keep_latest(store, flow, dataset, model=Ref(stage="train", key=key, digest="d", path=f"stages/train/{key}"))
    return folder


def test_the_results_of_one_dataset_do_not_take_the_place_of_anothers(tmp_path: Path) -> None:
    ours, sample = train(tmp_path, "my photos!", 1), train(tmp_path, "sample", 2)
    latest = tmp_path / "latest" / FLOW
    assert (latest / "my-photos" / "model").resolve() == ours
    assert (latest / "sample" / "model").resolve() == sample
    again = train(tmp_path, "my photos!", 3)
    assert (latest / "my-photos" / "model").resolve() == again
    assert sorted(path.name for path in (latest / "my-photos").iterdir()) == ["model"]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ({"data_en": 1, "sample": 2}, "data_en"),
        ({"data_en": 1, "pictures": 2, "sample": 3}, "pictures"),
        ({"data_en": 3, "pictures": 2}, "data_en"),
        ({"sample": 1}, "sample"),
        ({"digits": 2, "mnist": 1}, "mnist"),
    ],
)
def test_the_model_trained_last_on_a_dataset_of_the_users_predicts(tmp_path: Path, days: dict[str, int], expected: str) -> None:
    for dataset, day in days.items():
        train(tmp_path, dataset, day)
    model = latest_model(tmp_path, FLOW, embedded=("sample", "digits"))
    assert (model.dataset, model.trained) == (expected, datetime(2026, 1, days[expected], 12))
    assert model.others == tuple(sorted(days.keys() - {expected}))


def test_a_dataset_is_named_by_name_or_by_path(tmp_path: Path) -> None:
    pictures, archive = tmp_path / "my photos", tmp_path / "photos.v2.zip"
    pictures.mkdir()
    archive.touch()
    for day, dataset in enumerate(("sample", "my photos", "photos.v2"), start=1):
        train(tmp_path, dataset, day)
    named = {"sample": "sample", "my photos": "my-photos", f"{pictures}/": "my-photos", str(archive): "photos.v2"}
    assert {name: latest_model(tmp_path, FLOW, name).dataset for name in named} == named
    with pytest.raises(PipelineError, match=r"no model of the dataset other; there is one of my-photos, photos\.v2, sample"):
        latest_model(tmp_path, FLOW, "other")


def test_a_model_that_was_deleted_or_is_of_another_flow_does_not_predict(tmp_path: Path) -> None:
    (train(tmp_path, "gone", 2) / "manifest.json").unlink()
    (tmp_path / "stages/train" / f"{FLOW}-gone-2").rmdir()
    train(tmp_path, "mnist", 1, flow="lenet-mnist")
    with pytest.raises(PipelineError, match="There is no model at"):
        latest_model(tmp_path, FLOW)
    assert latest_model(tmp_path, "lenet-mnist").dataset == "mnist"


def test_a_folder_that_was_named_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = train(tmp_path, "sample", 5)
    assert named_model(folder)[:3] == (folder, "", datetime(2026, 1, 5, 12))
    assert named_model(tmp_path / "none").trained is None


@pytest.mark.parametrize(
    ("dataset", "name"),
    [("垃圾 2026", "垃圾-2026"), ("..", "dataset"), ("", "dataset"), ("a\nb", "a-b"), (".hidden", "hidden")],
)
def test_whatever_a_dataset_is_called_its_folder_has_a_usable_name(dataset: str, name: str) -> None:
    assert file_name(dataset) == name
