import numpy as np
import pytest
from scipy.special import softmax

from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.evaluation.scores import calibration


def drawn(rows, seed):
    """Predictions of a network that is exactly as sure as it is right."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2, size=(rows, 4)).astype(np.float32)
    labels = (rng.random((rows, 1)) > softmax(logits, axis=1).cumsum(axis=1)).sum(axis=1).clip(max=3)
    keys = np.array([f"test/a/{number}.jpg" for number in range(rows)])
    return Predictions(keys, labels, np.full(rows, "clean"), logits)


def unscaled(predictions):
    return calibration(predictions, predictions.logits, 15)


@pytest.mark.parametrize("rows", [100, 2000])
def test_a_network_that_is_as_sure_as_it_is_right_shows_the_error_of_chance(rows):
    figures = [unscaled(drawn(rows, seed)) for seed in range(30)]
    shown, expected = (np.mean([each[name] for each in figures]) for name in ("ece", "ece_of_chance"))
    assert shown == pytest.approx(expected, rel=0.15)


def test_on_more_images_chance_does_less():
    assert unscaled(drawn(5000, 0))["ece_of_chance"] < 0.02 < 0.06 < unscaled(drawn(100, 0))["ece_of_chance"]
