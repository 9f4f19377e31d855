"""Albums have every photograph behind the right cell or source, small, and each once."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from pipeline_lib.errors import PipelineError
from pipeline_lib.files.table import read_table
from pipeline_lib.mnist.arrays import Split, write_split
from pipeline_lib.reporting.albums import (
    MOST_RIGHT,
    MOST_WRONG,
    SIDE,
    Prediction,
    confusion_piles,
    name_of,
    photographs_of,
    small_pictures,
    source_piles,
)
from pipeline_lib.reporting.blocks import Album
from pipeline_lib.reporting.pages.albums import cells
from pipeline_lib.reporting.shown.evaluate import evaluation_blocks
from pipeline_lib.stages.result import Ref
from pipeline_lib.stages.root import ARTIFACTS

NAMES = ["Battery", "Cans", "Paper"]


@st.composite
def judgements(draw: st.DrawFn) -> list[Prediction]:
    said = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.floats(0, 1)), max_size=80))
    return [Prediction(f"test/{NAMES[true]}/{n}.jpg", true, label, sure) for n, (true, label, sure) in enumerate(said)]


def photograph(key: str) -> PillowImage.Image:
    return PillowImage.fromarray(np.random.default_rng(len(key)).integers(0, 255, (120, 200, 3), dtype=np.uint8))


@given(judgements())
def test_each_wrong_photograph_is_in_the_cell_of_its_mistake_and_in_no_other(judged: list[Prediction]) -> None:
    piles = {(pile.row, pile.column): pile for pile in confusion_piles(judged, NAMES)}
    assert {place: int(pile.label) for place, pile in piles.items()} == Counter((each.true, each.said) for each in judged)
    for (true, said), pile in piles.items():
        there = {name_of(each.key) for each in judged if (each.true, each.said) == (true, said)}
        shown = [name for name, _ in pile.photographs]
        assert len(set(shown)) == len(shown)
        assert set(shown) == there if true != said else set(shown) <= there
        assert len(shown) == (min(MOST_RIGHT, len(there)) if true == said else len(there))


def test_of_right_photographs_the_least_sure_are_shown_and_the_pile_says_so() -> None:
    judged = [Prediction(f"test/Cans/{n}.jpg", 1, 1, n / 100) for n in range(20)]
    (pile,) = confusion_piles(judged, NAMES)
    assert [name for name, _ in pile.photographs] == [name_of(f"test/Cans/{n}.jpg") for n in range(MOST_RIGHT)]
    assert pile.title == "Cans, recognised: 20 photographs"
    assert pile.note == f"The {MOST_RIGHT} least sure of 20."
    assert pile.share == 1


def test_where_mistakes_are_many_the_surest_of_each_cell_are_shown() -> None:
    sizes = {(0, 1): 2 * MOST_WRONG, (1, 2): MOST_WRONG, (2, 0): 3}
    judged = [
        Prediction(f"test/{true}-{said}/{n}.jpg", true, said, 1 - n / 10_000)
        for (true, said), size in sizes.items()
        for n in range(size)
    ]
    piles = {(pile.row, pile.column): pile for pile in confusion_piles(judged, NAMES)}
    shown = {place: len(pile.photographs) for place, pile in piles.items()}
    assert MOST_WRONG - 1 <= sum(shown.values()) <= MOST_WRONG
    assert shown[2, 0] == 3
    assert piles[0, 1].photographs[0][0] == name_of("test/0-1/0.jpg")
    assert piles[0, 1].note == f"The {shown[0, 1]} surest of {2 * MOST_WRONG:,}."


def test_sources_on_both_sides_come_first_then_the_largest() -> None:
    sources = {
        "alone": ["train/Cans/1.jpg"],
        "small": ["train/Cans/2.jpg", "train/Paper/2.jpg"],
        "large": [f"train/Cans/{n}.jpg" for n in range(10, 15)],
        "leak": ["train/Cans/3.jpg", "test/Cans/3.jpg"],
    }
    piles = source_piles(sources, ["leak"])
    assert [pile.label for pile in piles] == [
        "Cans: 2 photographs, 1 in test",
        "Cans: 5 photographs",
        "Cans, Paper: 2 photographs",
    ]
    assert piles[0].title == "Cans: 2 photographs of one source, 1 in test and 1 in train"
    assert piles[0].photographs == [(name_of("test/Cans/3.jpg"), "test"), (name_of("train/Cans/3.jpg"), "train")]
    assert piles[2].title == "Cans and Paper: 2 photographs of one source, 2 in train"


def test_pictures_are_small_and_drawn_for_what_is_shown_alone() -> None:
    judged = [Prediction(f"test/Cans/{n}.jpg", 1, 1, 0.5) for n in range(20)]
    keys = [each.key for each in judged]
    piles = confusion_piles(judged, NAMES)
    pictures = small_pictures(keys * 2, piles, photograph)
    assert {picture.name for picture in pictures} == {name for pile in piles for name, _ in pile.photographs}
    assert len(pictures) == MOST_RIGHT
    for picture in pictures:
        with PillowImage.open(io.BytesIO(picture.data)) as opened:
            assert (opened.format, opened.size) == ("JPEG", (SIDE, SIDE * 120 // 200))
        assert picture.alt in keys
    assert small_pictures(keys, piles, photograph) == pictures


def test_cells_of_a_group_have_a_ground_and_the_fuller_the_darker() -> None:
    judged = [Prediction(f"{n}", 0, 0, 0.5) for n in range(9)] + [Prediction("a", 0, 1, 0.5), Prediction("b", 1, 2, 0.5)]
    album = Album("matrix", confusion_piles(judged, NAMES), [], NAMES, ["dry", "dry", "wet"])
    rows = cells(album)
    assert [[cell.pile.label if cell.pile else "" for cell in row] for row in rows] == [
        ["9", "1", ""],
        ["", "", "1"],
        ["", "", ""],
    ]
    assert [[cell.grouped for cell in row] for row in rows] == [[True, True, False], [True, True, False], [False, False, True]]
    assert rows[0][0].number == 0
    assert int(rows[0][1].ground[1:3], 16) > int(rows[0][0].ground[1:3], 16)
    assert rows[0][2].ground == ""


def test_a_matrix_has_the_counts_of_the_evaluation_and_classes_of_a_bin_side_by_side(
    tmp_path: Path, write_evaluation: Callable[..., Path]
) -> None:
    bins = ["recyclable", "food", "recyclable"]
    leaked = {f"test/{name}/0.jpg" for name in NAMES}
    folder = write_evaluation(tmp_path / "evaluation", NAMES, images=20, bins=bins, leaked=leaked)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    albums = [block for block in evaluation_blocks(folder, metrics, photograph) if isinstance(block, Album)]
    assert [album.anchor for album in albums] == ["confusion-without-leaks", "confusion"]
    for album, suffix in zip(albums, ("_without_leaks", ""), strict=True):
        assert album.names == ["Cans", "Battery", "Paper"]
        assert album.groups == ["food", "recyclable", "recyclable"]
        table = {row["true class"]: row for row in read_table(folder / f"confusion{suffix}.csv")}
        counted = {(album.names[pile.row], album.names[pile.column]): pile.label for pile in album.piles}
        assert {(true, said): table[true][said] for true in NAMES for said in NAMES if table[true][said] != "0"} == counted
        keys = {image.alt for image in album.images}
        assert keys
        assert bool(keys & leaked) == (suffix == "")


def test_photographs_are_opened_be_they_files_or_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ARTIFACTS, str(tmp_path))
    grey = np.full((1, 28, 28), 77, np.uint8)
    (tmp_path / "arrays").mkdir()
    write_split(tmp_path / "arrays", "test", Split(grey, np.zeros(1, np.int64), ["test/7/0"]))
    (tmp_path / "files/test/Cans").mkdir(parents=True)
    PillowImage.new("RGB", (9, 5), "teal").save(tmp_path / "files/test/Cans/1.png")

    def dataset(path: str) -> Ref:
        return Ref(stage="dataset", key="", digest="0", path=path)

    assert photographs_of(dataset("arrays"))("test/7/0").getpixel((3, 3)) == 77
    assert photographs_of(dataset("files"))("test/Cans/1.png").size == (9, 5)
    with pytest.raises(PipelineError, match=r"2\.png was a usable image and no longer is .* run again with --verify"):
        photographs_of(dataset("files"))("test/Cans/2.png")
