"""A worse model hardly ever takes the champion's place, a better one does, and doubtful cases are left to a person."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from contests import CLASSES, GAINED_TWO, LOST_POINT, World, outcomes
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.evaluation.comparison import Hits
from pipeline_lib.evaluation.promotion import (
    Pair,
    Said,
    Verdict,
    compare,
    compare_classes,
    compare_on_test,
    decide,
    decide_first,
    holm,
    sign_test,
)
from pipeline_lib.settings.sections import PromoteSettings

TERMS = PromoteSettings()


def said(right: list[int], sources: list[int] | None = None) -> Said:
    """What a model said that was right about these photographs, all of class 0."""
    images = np.array([f"{number:04}" for number in range(len(right))])
    of = np.arange(len(right)) if sources is None else np.array(sources)
    return Said(Hits(images, of, {"clean": np.array(right, float)}), 1 - np.array(right, np.int64), np.full(len(right), 0.9))


def pair(challenger: list[int], champion: list[int], sources: list[int] | None = None) -> Pair:
    return Pair(np.zeros(len(champion), np.int64), said(challenger, sources), said(champion, sources))


NO_TEST = pair([], [])


def verdict(judged: Pair, test: Pair = NO_TEST, looks: int = 1) -> Verdict:
    return decide(judged, test, CLASSES, TERMS, looks)


def test_a_model_that_is_a_point_worse_is_hardly_ever_promoted_and_one_that_gains_two_is() -> None:
    assert outcomes(LOST_POINT, 60)["promoted"] <= 1
    assert outcomes(GAINED_TWO, 60)["promoted"] >= 59


def test_a_model_that_is_clearly_worse_is_kept_out_and_says_by_how_much() -> None:
    judged = verdict(World(0.1, -0.08).draw(np.random.default_rng(1)))
    assert judged.decision == "kept"
    assert judged.because.startswith("the challenger is worse: -")


@given(st.lists(st.integers(0, 1), min_size=1, max_size=40))
def test_a_model_that_is_right_about_the_same_photographs_is_no_gain(right: list[int]) -> None:
    assert verdict(pair(right, right)).decision == "kept"


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=100))
def test_a_hundred_photographs_cannot_show_that_nothing_is_lost_unless_much_is_gained(rows: list[tuple[int, int]]) -> None:
    challenger, champion = (list(side) for side in zip(*rows, strict=True))
    if verdict(pair(challenger, champion)).decision == "promoted":
        assert sum(challenger) - sum(champion) >= 0.02 * len(rows)


@given(st.integers(0, 2**32 - 1), st.floats(-0.05, 0.05))
def test_who_challenges_whom_turns_the_sign_and_nothing_else(seed: int, gain: float) -> None:
    there = World(0.05, gain, sources=60).draw(np.random.default_rng(seed))
    back = Pair(there.labels, there.champion, there.challenger)
    one, other = compare(there, "mean"), compare(back, "mean")
    assert (one.difference, one.low, one.high) == pytest.approx((-other.difference, -other.high, -other.low))


@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_copies_of_photographs_are_no_further_evidence(seed: int, times: int) -> None:
    once = World(0.05, 0.01, sources=60).draw(np.random.default_rng(seed))
    copied = Pair(np.repeat(once.labels, times), *(repeated(side, times) for side in (once.challenger, once.champion)))
    one, other = compare(once, "mean"), compare(copied, "mean")
    assert other.high - other.low == pytest.approx(one.high - one.low, rel=0.2)  # what is added is of a whole size
    assert compare_on_test(once, 1).p == compare_on_test(copied, 1).p


def repeated(side: Said, times: int) -> Said:
    images = np.array([f"{image} {copy}" for image in side.hits.images.tolist() for copy in range(times)])
    shares = {kind: np.repeat(share, times) for kind, share in side.hits.shares.items()}
    hits = Hits(images, np.repeat(side.hits.sources, times), shares)
    return Said(hits, np.repeat(side.predicted, times), np.repeat(side.confidence, times))


def test_test_vetoes_where_the_loss_is_significant_and_the_more_looks_the_less() -> None:
    better, lost = World(0.05, 0.03).draw(np.random.default_rng(1)), pair([0] * 6 + [1] * 20, [1] * 26)
    assert verdict(better).decision == "promoted"
    vetoed = verdict(better, lost)
    assert (vetoed.decision, vetoed.vetoes) == ("needs a person", ["on test it loses 6 sources and gains 0 (p = 0.016)"])
    assert verdict(better, lost, looks=3).decision == "needs a person"
    assert verdict(better, lost, looks=4).decision == "promoted"


def test_a_class_that_breaks_down_needs_a_person_though_the_whole_gains() -> None:
    judged = World(0.05, 0.04).draw(np.random.default_rng(1))
    broken = judged.labels == 3
    right = np.where(broken, 0.0, judged.challenger.hits.shares["clean"])
    hits = replace(judged.challenger.hits, shares={"clean": right, "noisy": judged.champion.hits.shares["noisy"] * 0 + 1})
    seen = verdict(replace(judged, challenger=replace(judged.challenger, hits=hits)))
    assert seen.decision == "needs a person"
    assert seen.vetoes[0].startswith("class 3 loses ")
    assert seen.classes[0].name == "class 3"


def test_a_model_that_overstates_its_confidence_needs_a_person() -> None:
    judged = World(0.05, 0.03).draw(np.random.default_rng(1))
    boasting = replace(judged.challenger, confidence=np.full(len(judged.labels), 0.99))
    seen = verdict(replace(judged, challenger=boasting))
    assert seen.decision == "needs a person"
    assert "its calibration error is higher by" in seen.vetoes[0]


@pytest.mark.parametrize(("right", "decision"), [([1, 1, 1, 0] * 25, "promoted"), ([1, 0, 1, 0] * 25, "needs a person")])
def test_the_first_model_must_be_better_than_naming_the_largest_class(right: list[int], decision: str) -> None:
    labels = np.array([0, 1] * 50)
    predicted = np.where(np.array(right) == 1, labels, 1 - labels)
    assert decide_first(replace(said(right), predicted=predicted), labels, TERMS).decision == decision
    assert (
        decide_first(replace(said(right), predicted=predicted), labels, PromoteSettings(floor=0.9)).decision == "needs a person"
    )


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holms_values_are_at_least_the_given_ones_and_keep_their_order(values: list[float]) -> None:
    adjusted = holm(values)
    assert all(0 <= given <= found <= 1 for given, found in zip(values, adjusted, strict=True))
    order = sorted(range(len(values)), key=values.__getitem__)
    assert [adjusted[number] for number in order] == sorted(adjusted)
    assert not values or min(adjusted) == pytest.approx(min(1.0, len(values) * min(values)))


def test_sources_are_counted_and_not_their_photographs() -> None:
    gained = np.array([-1.0, -1.0, -1.0, -1.0, 1.0, 0.0])
    assert sign_test(gained, np.array([1, 1, 1, 1, 2, 3])) == (1, 1, 0.75)
    assert sign_test(gained, np.arange(6))[:2] == (1, 4)
    assert sign_test(np.zeros(0), np.zeros(0, np.int64)) == (0, 0, 1.0)


def test_a_class_without_photographs_is_not_listed() -> None:
    assert [each.name for each in compare_classes(pair([1, 0], [1, 1]), CLASSES)] == ["class 0"]
