"""Two models meet on the same photographs, whatever these are called by now, and on none of test that one of them knows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline_lib.evaluation.challenge import Challenger, Incumbent, meet, read_incumbent
from pipeline_lib.evaluation.decided import BROKEN, CHANGED, DECISION, FIXED
from pipeline_lib.evaluation.out_of_fold import OutOfFold
from pipeline_lib.evaluation.pairs import Photographs, pair_out_of_fold, seen_by
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.files.table import read_table
from pipeline_lib.settings.sections import PromoteSettings

CLASSES = ["Cans", "Paper"]
VIEWS = {"sigma_max": 50.0}


def predictions(said: dict[str, str], views: tuple[str, ...] = ("clean",), groups: dict[str, int] | None = None) -> Predictions:
    """What a model said of photographs by their keys, whose class is in the key, in every view."""
    rows = [(image, view, name) for view in views for image, name in said.items()]
    labels = np.array([CLASSES.index(image.split("/")[1]) for image, _, _ in rows])
    logits = np.array([[3.0 * (name == each) for each in CLASSES] for _, _, name in rows], np.float32).reshape(-1, 2)
    images, names = (np.array([row[column] for row in rows], np.str_) for column in (0, 1))
    return Predictions(images, labels, names, logits, groups or {})


def out_of_fold(said: dict[str, str], views: tuple[str, ...] = ("clean", "aug1")) -> OutOfFold:
    rows = predictions(said, views)
    return OutOfFold(rows, np.arange(len(rows)) % len(said) % 2)


def photographs(said: dict[str, str], **named: str) -> Photographs:
    """Photographs whose content is their file name, or what is named by file name."""
    return Photographs({image: named.get(stem := image.rpartition("/")[2], stem) for image in said})


def pictures(count: int, right: int, split: str = "train") -> dict[str, str]:
    """What a model said of so many cans that took the first ones for what they are."""
    return {
        f"{split}/Cans/{'t' if split == 'test' else ''}{number:03}": "Cans" if number < right else "Paper"
        for number in range(count)
    }


def challenger(said: dict[str, str], test: dict[str, str], **changed: object) -> Challenger:
    every = photographs({**said, **test})
    groups = {image: number for number, image in enumerate(every.digests)}
    values = {"photographs": every, "views": VIEWS, "leaked": frozenset(), "groups": groups, "classes": CLASSES} | changed
    return Challenger(out_of_fold(said), predictions(test), **values)  # type: ignore[arg-type]


def incumbent(said: dict[str, str], test: dict[str, str], views: dict[str, float] = VIEWS) -> Incumbent:
    return Incumbent(out_of_fold(said), predictions(test), photographs({**said, **test}), views)


def open_image(key: str) -> Image.Image:
    return Image.new("RGB", (32, 32))


def test_photographs_are_the_same_where_their_bytes_are_and_labels_are_those_of_today() -> None:
    then = {"train/Cans/a": "Cans", "train/Cans/b": "Paper", "train/Cans/gone": "Cans", "test/Cans/c": "Cans"}
    today = {"train/Cans/renamed": "Cans", "train/Paper/b": "Paper", "train/Cans/c": "Cans", "train/Cans/new": "Cans"}
    pair = pair_out_of_fold((out_of_fold(today), photographs(today, renamed="a")), (out_of_fold(then), photographs(then)))
    assert pair.challenger.hits.images.tolist() == ["a", "b"]  # c was not train then
    assert pair.labels.tolist() == [0, 1]
    assert pair.champion.hits.shares["clean"].tolist() == [1, 1]  # b was no Cans, as the champion said


def test_copies_of_one_photograph_count_once() -> None:
    said = {"train/Cans/a": "Cans", "train/Cans/copy": "Paper", "train/Cans/b": "Cans"}
    copies = photographs(said, copy="a")
    assert pair_out_of_fold((out_of_fold(said), copies), (out_of_fold(said), copies)).challenger.hits.images.tolist() == [
        "a",
        "b",
    ]


def test_test_photographs_that_a_model_has_a_source_of_in_train_are_seen() -> None:
    known = Photographs({"train/Cans/a": "a", "test/Cans/b": "b"})
    today = Photographs({"train/Cans/x": "x", "test/Cans/a": "a", "test/Cans/crop": "crop", "test/Cans/b": "b"})
    groups = {"test/Cans/a": 1, "test/Cans/crop": 1, "test/Cans/b": 2, "train/Cans/x": 3}
    assert seen_by(known, today, groups) == {"test/Cans/a", "test/Cans/crop"}


def test_what_is_fixed_and_newly_wrong_is_listed_with_pictures_of_the_first_ones(tmp_path: Path) -> None:
    before, after = pictures(40, 20), pictures(40, 39) | {"train/Cans/000": "Paper"}
    test = pictures(3, 3, "test")
    summary = meet(tmp_path, challenger(after, test), incumbent(before, test), PromoteSettings(), 1, "", open_image)
    assert summary["decision"] == "promoted"
    assert (summary["train_fixed"], summary["train_newly_wrong"], summary["test_fixed"]) == (19, 1, 0)
    rows = read_table(tmp_path / CHANGED)
    assert [row["image"] for row in rows if row["change"] == BROKEN] == ["train/Cans/000"]
    assert sorted(row["image"] for row in rows if row["change"] == FIXED) == [f"train/Cans/{each:03}" for each in range(20, 39)]
    shown = [row["picture"] for row in rows if row["picture"]]
    assert len(shown) == 13
    assert all((tmp_path / picture).is_file() for picture in shown)


def test_views_that_were_drawn_in_another_way_are_not_compared(tmp_path: Path) -> None:
    before, after, test = pictures(40, 20), pictures(40, 39), pictures(3, 3, "test")
    noisier = incumbent(before, test, {"sigma_max": 80.0})
    assert meet(tmp_path, challenger(after, test), noisier, PromoteSettings(), 1, "", open_image)["measure"] == "clean"


def test_test_photographs_that_leak_or_that_the_champion_knows_are_left_out(tmp_path: Path) -> None:
    before, after, test = pictures(40, 20), pictures(40, 39), pictures(5, 3, "test")
    known = incumbent({**before, "train/Cans/known": "Cans"}, pictures(5, 3, "test"))
    named = {**known.photographs.digests, "train/Cans/known": "test 1"}
    digests = {**photographs({**after, **test}).digests, "test/Cans/t001": "test 1"}
    today = challenger(after, test, leaked={"test/Cans/t000"}, photographs=Photographs(digests))
    champion = Incumbent(known.judged, known.test, Photographs(named), VIEWS)
    summary = meet(tmp_path, today, champion, PromoteSettings(), 1, "", open_image)
    assert summary["test"]["images"] == 3


@pytest.mark.parametrize(
    ("obstacle", "champion", "because"),
    [
        ("the champion is gone", None, "the champion is gone"),
        ("", {f"train/Cans/old{number}": "Cans" for number in range(4)}, "have no photograph of train in common"),
    ],
)
def test_where_nothing_can_be_compared_a_person_decides(
    tmp_path: Path, obstacle: str, champion: dict[str, str] | None, because: str
) -> None:
    test = pictures(3, 3, "test")
    there = incumbent(champion, test) if champion else None
    summary = meet(tmp_path, challenger(pictures(40, 39), test), there, PromoteSettings(), 1, obstacle, open_image)
    assert summary["decision"] == "needs a person"
    assert because in summary["because"]


def test_a_decision_says_what_the_next_model_is_compared_with(tmp_path: Path) -> None:
    said, test = pictures(40, 39), pictures(3, 3, "test")
    first = challenger(said, test)
    assert meet(tmp_path, first, None, PromoteSettings(), 0, "", open_image)["decision"] == "needs a person"  # one class alone
    champion = read_incumbent(first.judged, first.test, tmp_path)
    assert champion.photographs == first.photographs
    assert champion.views == json.loads((tmp_path / DECISION).read_text(encoding="utf-8"))["views"] == VIEWS
