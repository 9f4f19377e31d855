"""Old sources against new ones: rarely an alarm without a difference, whatever the mix of classes, and one where there is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from pipeline_lib.evaluation import drift as module
from pipeline_lib.evaluation.drift import Sources, drift, shift_of_classes, shift_within_classes

CLASSES, WIDTH, ALPHA, SIMULATED = 5, 8, 0.05, 400
# What a level of 5 % gives at most in so many draws, but for one case in a thousand.
MOST = SIMULATED * ALPHA + 3.1 * np.sqrt(SIMULATED * ALPHA * (1 - ALPHA))
CENTRES = np.random.default_rng(3).normal(size=(CLASSES, WIDTH))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer permutations: the level is the same."""
    monkeypatch.setattr(module, "DRAWS", 199)


def draw(rng: np.random.Generator, shift: float = 0.0, mix: float = 0.0) -> Sources:
    """So many old sources and a fifth as many new ones; these farther from their class by a shift, or more of one class."""
    new = np.arange(120) < 20
    labels = np.where(new & (rng.random(120) < mix), 0, rng.integers(0, CLASSES, 120))
    features = CENTRES[labels] + rng.normal(size=(120, WIDTH)) + shift * new[:, None]
    return Sources(features, labels, new)


def many(**differing: float) -> Iterator[Sources]:
    rng = np.random.default_rng(1)
    return (draw(rng, **differing) for _ in range(SIMULATED))


def test_without_a_difference_one_night_in_twenty_is_an_alarm() -> None:
    found = [each.p for sources in many() if (each := drift(sources))]
    assert len(found) == SIMULATED
    assert sum(p < ALPHA for p in found) <= MOST


def test_another_mix_of_classes_is_not_taken_for_other_pictures() -> None:
    assert sum(shift_within_classes(sources) < ALPHA for sources in many(mix=0.8)) <= MOST


@pytest.mark.parametrize(("difference", "which"), [({"shift": 0.8}, "pictures"), ({"mix": 0.8}, "classes")])
def test_a_difference_is_found_and_named(difference: dict[str, float], which: str) -> None:
    rng = np.random.default_rng(2)
    found = [each for _ in range(40) if (each := drift(draw(rng, **difference)))]
    assert sum(getattr(each, which) < ALPHA and each.p < ALPHA for each in found) >= 0.9 * len(found)


def test_one_kind_alone_or_one_new_source_is_not_tested() -> None:
    sources = draw(np.random.default_rng(1))
    for new in (np.zeros(120, np.bool_), np.ones(120, np.bool_), np.arange(120) == 7):
        assert drift(Sources(sources.features, sources.labels, new)) is None


def test_one_class_has_no_other_mix_and_a_class_without_new_ones_says_nothing() -> None:
    sources = draw(np.random.default_rng(1))
    alone = Sources(sources.features, np.zeros(120, np.int64), sources.new)
    assert shift_of_classes(alone) == 1
    apart = Sources(sources.features, sources.new.astype(np.int64), sources.new)
    assert shift_within_classes(apart) == 1
