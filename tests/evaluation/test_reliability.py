import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline_lib.evaluation.reliability import calibration_error, probabilities, reliability

logits_of = st.integers(2, 7).flatmap(
    lambda classes: arrays(np.float32, st.tuples(st.integers(1, 30), st.just(classes)), elements=st.floats(-50, 50, width=32))
)


class TestProbabilities:
    def test_of_two_classes_by_hand(self):
        assert probabilities(np.array([[0.0, math.log(3)]]))[0] == pytest.approx([0.25, 0.75])
        assert probabilities(np.array([[0.0, math.log(9)]]), 2.0)[0] == pytest.approx([0.25, 0.75])

    @settings(deadline=None)
    @given(logits_of, st.floats(0.05, 20))
    def test_temperature_leaves_the_order_of_classes(self, logits, temperature):
        shares = probabilities(logits, temperature)
        chosen = shares[np.arange(len(logits)), logits.argmax(axis=1)]
        assert (chosen == shares.max(axis=1)).all()
        assert shares.sum(axis=1) == pytest.approx(1)


class TestCalibration:
    def test_by_hand(self):
        confidence = np.array([0.55, 0.65, 0.95, 0.85])
        bins = reliability(confidence, np.array([True, False, True, True]), 2)
        assert (bins[0].n, bins[0].accuracy) == (0, None)
        assert (bins[1].n, bins[1].accuracy, bins[1].confidence) == (4, 0.75, pytest.approx(0.75))
        assert calibration_error(bins) == pytest.approx(0)
        finer = reliability(confidence, np.array([True, False, True, True]), 4)
        # (0.5, 0.75]: accuracy 1/2, confidence 0.6; (0.75, 1]: accuracy 1, confidence 0.9.
        assert calibration_error(finer) == pytest.approx(0.5 * 0.1 + 0.5 * 0.1)

    def test_an_edge_belongs_to_the_bin_below_it(self):
        bins = reliability(np.array([0.0, 0.5, 1.0]), np.ones(3, bool), 2)
        assert [bin_.n for bin_ in bins] == [2, 1]

    @settings(deadline=None)
    @given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60), st.integers(2, 30))
    def test_lies_within_0_and_1_and_counts_every_row(self, rows, count):
        confidence, hits = (np.array(column) for column in zip(*rows, strict=True))
        bins = reliability(confidence, hits, count)
        assert sum(bin_.n for bin_ in bins) == len(rows)
        assert 0 <= calibration_error(bins) <= 1
        assert all(bin_.low - 1e-9 <= bin_.confidence <= bin_.high + 1e-9 for bin_ in bins if bin_.n)

    def test_agrees_with_a_plain_loop(self):
        rng = np.random.default_rng(3)
        confidence, hits = rng.random(500), rng.random(500) < 0.6
        expected = 0.0
        for index in range(15):
            rows = [i for i in range(500) if index / 15 < confidence[i] <= (index + 1) / 15]
            if rows:
                expected += abs(sum(hits[i] for i in rows) - sum(confidence[i] for i in rows)) / 500
        assert calibration_error(reliability(confidence, hits, 15)) == pytest.approx(expected)
