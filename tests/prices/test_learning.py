"""What more photographs gain is measured where the truth is known, and its interval holds about as often as it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.features.table import COLUMNS, FEATURES, SHARD_INDEX, FeatureSet
from pipeline_lib.files.table import write_table
from pipeline_lib.prices.learning import Slope, Trials, measure, slope_of
from pipeline_lib.settings.sections import TrainSettings

TRAININGS, COUNTS = 60, np.array([30, 50, 80])


def world(slope: float, seed: int, sources: int = 40) -> Trials:
    """Answers about a class whose top-1 grows by a slope with the logarithm of its photographs, in sources of 1 to 4."""
    rng = np.random.default_rng(seed)
    source = np.repeat(np.arange(sources), rng.integers(1, 5, sources))
    ease = rng.uniform(0.3, 0.7, sources)[source]
    parts = []
    for training in range(TRAININGS):
        rows = np.flatnonzero(source % 5 == training % 5)
        count = int(rng.choice(COUNTS))
        hits = rng.random(len(rows)) < ease[rows] + slope * np.log(count / 50)
        constant = [np.full(len(rows), each) for each in (0, training, count)]
        parts.append((constant[0], source[rows], constant[1], constant[2], hits))
    return Trials(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def test_the_interval_holds_the_true_slope_about_as_often_as_it_says() -> None:
    held = 0
    for seed in range(40):
        found = slope_of(world(0.15, seed), 0)
        assert found is not None
        held += found.low <= 0.15 <= found.high
    assert held >= 36


def test_a_class_whose_photographs_were_not_varied_has_no_slope() -> None:
    trials = world(0.1, 1)
    same = Trials(trials.labels, trials.sources, trials.trainings, np.full_like(trials.counts, 50), trials.hits)
    assert slope_of(same, 0) is None
    assert slope_of(trials, 1) is None


@given(slope=st.floats(-1, 1), photographs=st.integers(1, 500), more=st.integers(1, 500), top1=st.floats(0, 1))
def test_a_gain_is_no_more_than_is_missing_and_grows_with_the_photographs(
    slope: float, photographs: int, more: int, top1: float
) -> None:
    gain = Slope(slope, slope - 0.1, slope + 0.1).gain(photographs, more, top1)
    assert gain.low <= gain.value <= gain.high <= 1 - top1
    assert (
        abs(Slope(slope, slope, slope).gain(photographs, more + 1, 0).value)
        >= abs(min(gain.value, Slope(slope, slope, slope).gain(photographs, more, 0).value))
        or slope > 0
    )


def test_a_class_that_is_hard_to_say_gains_and_an_easy_one_does_not(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, rng = tmp_path_factory.mktemp("shard"), np.random.default_rng(1)
    keys = [f"train/{name}/{number:03}.jpg" for name in ("Easy", "Hard", "Like") for number in range(60)]
    centres = np.repeat([[9.0] + [0.0] * 11, [0.0, 0.8] + [0.0] * 10, [0.0, -0.8] + [0.0] * 10], 60, axis=0)
    np.save(folder / FEATURES, (centres + rng.normal(0, 1, centres.shape)).astype(np.float32))
    write_table(folder / SHARD_INDEX, COLUMNS, ((key, key, key.split("/")[1], "clean", key, "") for key in keys))
    classes, settings = ("Easy", "Hard", "Like"), TrainSettings(epochs=8, warmup_epochs=1, batch=16)
    trials = measure(FeatureSet([folder], classes), classes, {}, settings, 8, seed=1, repeats=4)
    assert set(trials.trainings.tolist()) == set(range(20))
    assert {label: len(set(trials.counts[trials.labels == label].tolist())) for label in range(3)} == {0: 3, 1: 3, 2: 3}
    easy, hard = slope_of(trials, 0), slope_of(trials, 1)
    assert easy is not None
    assert hard is not None
    assert abs(easy.value) < 0.02 < hard.value
