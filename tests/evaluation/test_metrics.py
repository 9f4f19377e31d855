import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binomtest
from sklearn.metrics import log_loss, top_k_accuracy_score

from pipeline_lib.evaluation import metrics
from pipeline_lib.evaluation.reliability import cross_entropy, probabilities

shares = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
levels = st.floats(0.51, 0.999)
logits_of = st.integers(2, 7).flatmap(
    lambda classes: arrays(np.float32, st.tuples(st.integers(1, 30), st.just(classes)), elements=st.floats(-50, 50, width=32))
)


def random_logits(rows=200, classes=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, classes)).astype(np.float32), rng.integers(0, classes, rows)


class TestWilsonInterval:
    @settings(deadline=None)
    @given(shares, levels)
    def test_agrees_with_scipy(self, share, level):
        hits, n = share
        expected = binomtest(hits, n).proportion_ci(level, method="wilson")
        assert metrics.wilson_interval(hits / n, n, level) == pytest.approx((expected.low, expected.high), abs=1e-9)

    @settings(deadline=None)
    @given(st.floats(0, 1), st.floats(0.5, 1e6), levels)
    def test_contains_the_share_and_stays_within_0_and_1(self, share, n, level):
        low, high = metrics.wilson_interval(share, n, level)
        assert 0 <= low <= share <= high <= 1

    def test_has_a_width_where_everything_is_right(self):
        assert metrics.wilson_interval(1.0, 5, 0.95) == pytest.approx((5 / (5 + 1.959964**2), 1.0))


class TestEffectiveSize:
    def test_follows_its_formula(self):
        # Four images of two views, 2 of 4 pairs disagree; p q without its bias is 1/4 * 4/3, so rho = 1 - (1/2) / (2/3) = 1/4,
        # the design effect is 1 + (2 - 1) / 4, and 8 rows are worth 6.4.
        hits = np.array([1, 1, 1, 0, 0, 1, 0, 0], bool)
        assert metrics.effective_size(hits, np.repeat([0, 1, 2, 3], 2)) == pytest.approx(6.4)

    @settings(deadline=None)
    @given(st.lists(st.booleans(), min_size=1, max_size=60))
    def test_single_views_count_as_they_are(self, hits):
        assert metrics.effective_size(np.array(hits), np.arange(len(hits))) == len(hits)

    @settings(deadline=None)
    @given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 6))
    def test_views_that_agree_are_worth_one_each(self, hits, views):
        size = metrics.effective_size(np.repeat(hits, views), np.repeat(np.arange(len(hits)), views))
        assert size == pytest.approx(len(hits))

    @settings(deadline=None)
    @given(st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=1, max_size=80))
    def test_lies_between_its_limits(self, rows):
        hits, groups = (np.array(column) for column in zip(*rows, strict=True))
        sizes = np.unique(groups, return_counts=True)[1]
        least = len(rows) ** 2 / (sizes**2).sum()
        assert least - 1e-9 <= metrics.effective_size(hits, groups) <= len(rows) + 1e-9

    def test_does_not_depend_on_the_order_of_rows(self):
        rng = np.random.default_rng(0)
        hits, groups = rng.random(100) < 0.7, rng.integers(0, 30, 100)
        order = rng.permutation(100)
        assert metrics.effective_size(hits[order], groups[order]) == pytest.approx(metrics.effective_size(hits, groups))

    def test_agrees_with_a_bootstrap_over_images(self):
        rng = np.random.default_rng(1)
        hits = rng.random((300, 5)) < rng.beta(3, 1, (300, 1))
        drawn = hits.mean(axis=1)[rng.integers(0, 300, (4000, 300))].mean(axis=1)
        expected = hits.mean() * (1 - hits.mean()) / drawn.var()
        assert metrics.effective_size(hits.ravel(), np.repeat(np.arange(300), 5)) == pytest.approx(expected, rel=0.1)

    @settings(deadline=None)
    @given(st.lists(st.tuples(st.booleans(), st.integers(0, 12)), min_size=1, max_size=60), st.integers(2, 9))
    def test_copying_every_image_changes_nothing(self, rows, copies):
        hits, groups = (np.array(column) for column in zip(*rows, strict=True))
        size = metrics.effective_size(hits, groups)
        copied = metrics.effective_size(np.repeat(hits, copies), np.repeat(groups, copies))
        # An estimate above the number of rows is cut there, which is further off with more rows.
        assert copied == pytest.approx(size) or copied > size == pytest.approx(len(rows))

    @settings(deadline=None)
    @given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(2, 9))
    def test_copies_of_images_seen_once_leave_the_interval_as_it_was(self, hits, copies):
        before = metrics.share_of(np.array(hits), np.arange(len(hits)), 0.95)
        after = metrics.share_of(np.repeat(hits, copies), np.repeat(np.arange(len(hits)), copies), 0.95)
        assert (after.low, after.high) == pytest.approx((before.low, before.high))

    @pytest.mark.parametrize("right", [True, False])
    def test_a_few_copied_images_count_for_what_they_are_however_they_turn_out(self, right):
        # 92 single images, 83 of them right, and 8 copies of another one: Kish's size, (sum n_i)^2 / sum n_i^2.
        hits = np.concatenate([np.arange(92) < 83, np.full(8, right)])
        assert metrics.effective_size(hits, np.minimum(np.arange(100), 92)) == pytest.approx(100**2 / (92 + 64))


def single_and_copied(rng):
    """60 pictures seen once and 5 of which there are 8 copies, right with probability 0.9."""
    groups = np.repeat(np.arange(65), [8] * 5 + [1] * 60)
    return (rng.random(65) < 0.9)[groups], groups, 0.9


def five_views(rng):
    """60 images, seen in 5 views that tend to be right together."""
    hits = rng.random((60, 5)) < rng.beta(1.6, 0.4, (60, 1))
    return hits.ravel(), np.repeat(np.arange(60), 5), 0.8


def views_of_copies(rng):
    """130 images in 5 views, of 7 of which there are 8 copies."""
    hits = rng.random((130, 5)) < rng.beta(3.2, 0.8, (130, 1))
    image = np.repeat(np.arange(130), [8] * 7 + [1] * 123)
    return hits[image].ravel(), np.repeat(image, 5), 0.8


@pytest.mark.parametrize("draw", [single_and_copied, five_views, views_of_copies])
def test_intervals_over_groups_hold_what_they_promise(draw):
    rng = np.random.default_rng(2)
    covered = {"over groups": 0, "over rows": 0}
    for _ in range(500):
        hits, groups, truth = draw(rng)
        share = metrics.share_of(hits, groups, 0.95)
        naive = metrics.wilson_interval(share.value, len(hits), 0.95)
        covered["over groups"] += share.low <= truth <= share.high
        covered["over rows"] += naive[0] <= truth <= naive[1]
    assert 0.92 < covered["over groups"] / 500 < 0.985
    assert covered["over rows"] / 500 < 0.85


class TestRanks:
    def test_agree_with_scikit_learn_on_top_k(self):
        logits, labels = random_logits()
        ranks = metrics.truth_ranks(logits, labels)
        for k in (1, 2, 5):
            assert (ranks <= k).mean() == pytest.approx(top_k_accuracy_score(labels, logits, k=k))

    def test_outputs_that_are_all_alike_are_right_by_chance_only(self):
        ranks = metrics.truth_ranks(np.zeros((4, 4), np.float32), np.arange(4))
        assert ranks.tolist() == [1, 2, 3, 4]

    @settings(deadline=None)
    @given(logits_of, st.data())
    def test_first_means_predicted(self, logits, data):
        labels = np.array(data.draw(st.lists(st.integers(0, logits.shape[1] - 1), min_size=len(logits), max_size=len(logits))))
        ranks = metrics.truth_ranks(logits, labels)
        assert ((ranks == 1) == (logits.argmax(axis=1) == labels)).all()
        assert (ranks <= 5).mean() >= (ranks <= 1).mean()


class TestLoss:
    def test_agrees_with_scikit_learn(self):
        logits, labels = random_logits()
        assert cross_entropy(logits, labels) == pytest.approx(log_loss(labels, probabilities(logits)))

    def test_of_guessing_is_the_logarithm_of_the_classes(self):
        assert cross_entropy(np.zeros((3, 26), np.float32), np.array([0, 5, 25])) == pytest.approx(math.log(26))

    def test_stays_finite_for_a_sure_mistake(self):
        assert cross_entropy(np.array([[1000.0, -1000.0]]), np.array([1])) == pytest.approx(2000)


class TestF1:
    labels, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 2, 2])

    def test_macro_by_hand(self):
        # F1 = 2 hits / (rows + predictions): 4/5, 2/4, 2/3.
        assert metrics.macro_f1(self.labels, self.predicted) == pytest.approx((4 / 5 + 2 / 4 + 2 / 3) / 3)

    def test_macro_leaves_out_classes_without_images(self):
        assert metrics.macro_f1(np.array([3, 3]), np.array([3, 0])) == pytest.approx(2 / 3)

    def test_per_class_by_hand(self):
        rows = metrics.per_class(self.labels, self.predicted, 4)
        assert rows[0] == pytest.approx((1.0, 2 / 3, 4 / 5, 3))
        assert rows[2] == pytest.approx((1 / 2, 1.0, 2 / 3, 1))
        assert rows[3] == (0, 0, 0, 0)


def test_most_confused_counts_mistakes_only_and_breaks_ties_by_class():
    matrix = np.array([[9, 2, 1], [0, 9, 3], [2, 0, 9]])
    assert metrics.most_confused(matrix, 3) == [(1, 2, 3), (0, 1, 2), (2, 0, 2)]
    assert matrix[0, 0] == 9
