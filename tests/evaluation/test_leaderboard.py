"""Comparisons of models on the same photographs, and the leaderboard that is made of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import ttest_rel

from pipeline_lib.errors import PipelineError
from pipeline_lib.evaluation.comparison import Hits, difference, estimate, hits_of
from pipeline_lib.evaluation.leaderboard import Entrant, write_leaderboard
from pipeline_lib.evaluation.out_of_fold import OutOfFold
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.files.table import read_table


def hits(
    clean: NDArray[np.float64], sources: NDArray[np.int64] | None = None, noisy: NDArray[np.float64] | None = None
) -> Hits:
    images = np.array([f"train/a/{number:05}.jpg" for number in range(len(clean))])
    shares = {"clean": clean} if noisy is None else {"clean": clean, "noisy": noisy}
    return Hits(images, np.arange(len(clean)) if sources is None else sources, shares)


def judged(right: NDArray[np.bool_], *, views: tuple[str, ...] = ("clean",), split: str = "train") -> OutOfFold:
    """Outputs that are right about some photographs of class 0 in every view and say class 1 of the others."""
    images = np.tile([f"{split}/a/{number:05}.jpg" for number in range(len(right))], len(views))
    logits = np.where(np.tile(right, len(views))[:, None], [1.0, 0.0], [0.0, 1.0]).astype(np.float32)
    rows = Predictions(images, np.zeros(len(images), np.int64), np.repeat(views, len(right)), logits)
    return OutOfFold(rows, np.ones(len(images), np.int64))


def test_with_a_source_each_the_interval_of_a_difference_is_that_of_the_paired_t_test() -> None:
    generator = np.random.default_rng(1)
    first, second = (generator.random(200) < share for share in (0.8, 0.7))
    found = estimate(difference(hits(first * 1.0), hits(second * 1.0)), "clean", 0.95)
    expected = ttest_rel(first * 1.0, second * 1.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.value == pytest.approx(first.mean() - second.mean())


def test_copies_of_a_photograph_add_nothing_to_what_is_known() -> None:
    one = np.random.default_rng(2).random(60)
    alone, copied = hits(one), hits(np.repeat(one, 5), np.repeat(np.arange(60), 5))
    assert estimate(alone, "clean", 0.95) == pytest.approx(estimate(copied, "clean", 0.95))


def test_the_interval_holds_as_often_as_it_says() -> None:
    generator, held = np.random.default_rng(3), 0
    for _ in range(400):
        sources = np.sort(generator.integers(0, 80, 200))
        difficulty = generator.random(80)[sources]
        apart = (generator.random(200) < difficulty) * 1.0 - (generator.random(200) < difficulty)
        found = estimate(hits(apart, sources), "clean", 0.9)
        held += found.low <= 0 <= found.high
    assert 0.85 <= held / 400 <= 0.95


def test_the_mean_of_clean_and_noisy_weighs_both_alike() -> None:
    both = hits(np.array([1.0, 1.0, 0.0, 1.0]), noisy=np.array([0.0, 0.5, 0.0, 0.5]))
    assert estimate(both, "mean", 0.95).value == pytest.approx((0.75 + 0.25) / 2)


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_a_model_does_not_differ_from_itself(right: list[bool]) -> None:
    same = hits(np.array(right, np.float64))
    found = estimate(difference(same, same), "clean", 0.95)
    assert found.value == 0
    assert len(right) == 1 or (found.low, found.high) == (0, 0)


def test_photographs_count_alike_however_many_noisy_views_they_have() -> None:
    two, one = judged(np.array([True]), views=("clean", "aug1", "aug2")), judged(np.array([True]), views=("clean",))
    assert hits_of(two, "train/").shares["noisy"].tolist() == [1.0]
    assert "noisy" not in hits_of(one, "train/").shares


def test_the_best_comes_first_each_with_its_difference_and_the_noise_of_its_seeds(tmp_path: Path) -> None:
    right = np.arange(100)
    entrants = [
        Entrant("low", {"train.batch": 8}, [judged(right < count) for count in (60, 64)]),
        Entrant("high", {"train.batch": 9}, [judged(right < count) for count in (80, 82)]),
        Entrant("near", {"train.batch": 10}, [judged(right < count) for count in (81, 79)]),
    ]
    summary = write_leaderboard(tmp_path, entrants, "clean", [1, 2], 0.95)
    assert (summary["best"], summary["trials"], summary["runs"], summary["photographs"]) == ("high", 3, 6, 100)
    board = json.loads((tmp_path / "leaderboard.json").read_text(encoding="utf-8"))
    best, near, low = board["trials"]
    assert [each["name"] for each in (best, near, low)] == ["high", "near", "low"]
    assert (best["behind"]["value"], best["distinguished"]) == (0, False)
    assert best["figures"]["clean"]["value"] == pytest.approx(0.81)
    assert near["behind_by_seed"] == pytest.approx([0.01, -0.03])
    assert near["spread"] == pytest.approx(np.std([0.01, -0.03], ddof=1))
    assert not near["distinguished"]
    assert low["distinguished"]
    rows = read_table(tmp_path / "leaderboard.csv")
    assert [(row["rank"], row["trial"], row["seed"]) for row in rows[:2]] == [("1", "high", "1"), ("1", "high", "2")]


def test_photographs_of_test_do_not_choose(tmp_path: Path) -> None:
    def mixed(train: int, test: int) -> OutOfFold:
        parts = [judged(np.arange(50) < train), judged(np.arange(50) < test, split="test")]
        rows = [part.predictions for part in parts]
        columns = (np.concatenate([getattr(row, name) for row in rows]) for name in ("images", "labels", "views", "logits"))
        return OutOfFold(Predictions(*columns), np.ones(100, np.int64))

    entrants = [Entrant("a", {}, [mixed(train=30, test=50)]), Entrant("b", {}, [mixed(train=31, test=0)])]
    assert write_leaderboard(tmp_path, entrants, "clean", [1], 0.95)["best"] == "b"


def test_without_noisy_views_there_is_nothing_noisy_to_rank_by(tmp_path: Path) -> None:
    entrants = [Entrant(name, {}, [judged(np.array([True, False]))]) for name in ("a", "b")]
    with pytest.raises(PipelineError, match=r"The trial a has no noisy views to rank by; set augment_train\.views above 0"):
        write_leaderboard(tmp_path, entrants, "mean", [1], 0.95)
