"""Wrong labels are found, right ones mostly left alone, and nothing is said that nobody can act on."""

from __future__ import annotations

import socket
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline_lib.labels.outliers import NEAREST, distances
from pipeline_lib.labels.suspects import find_overlaps, find_suspects

CLASSES = 5


def model(truth: NDArray[np.int64], seed: int = 0, sure: float = 3.0) -> NDArray[np.float64]:
    """Probabilities (n, C) of a model that is right more often than not."""
    logits = np.random.default_rng(seed).normal(size=(len(truth), CLASSES)) + sure * np.eye(CLASSES)[truth]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


@pytest.fixture
def truth() -> NDArray[np.int64]:
    return np.arange(600) % CLASSES


def flipped(truth: NDArray[np.int64], share: float = 0.05) -> tuple[NDArray[np.int64], set[int]]:
    rows = np.random.default_rng(1).choice(len(truth), round(share * len(truth)), replace=False)
    labels = truth.copy()
    labels[rows] = (labels[rows] + 2) % CLASSES
    return labels, set(rows.tolist())


def test_flipped_labels_are_found_with_their_true_class(truth: NDArray[np.int64]) -> None:
    labels, wrong = flipped(truth)
    suspects = find_suspects(model(truth, sure=5), labels)
    found = [suspect for suspect in suspects if suspect.row in wrong]
    assert len(found) >= 0.8 * len(wrong)
    assert len(found) >= 0.9 * len(suspects)
    assert all(suspect.row in wrong for suspect in suspects[:20])  # the most suspicious first
    assert sum(suspect.suggested == truth[suspect.row] for suspect in found) >= 0.95 * len(found)


@given(st.integers(0, 1000), st.floats(0.5, 6), st.integers(2, 80), st.integers(2, CLASSES))
def test_a_suspect_has_a_more_probable_class_than_the_one_given(seed: int, sure: float, rows: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows)  # some classes may have no photograph
    probabilities = model(rng.integers(0, CLASSES, rows), seed, sure)
    suspects = find_suspects(probabilities, labels)
    assert len({suspect.row for suspect in suspects}) == len(suspects)
    assert [suspect.quality for suspect in suspects] == sorted(suspect.quality for suspect in suspects)
    for suspect in suspects:
        assert suspect.suggested == probabilities[suspect.row].argmax() != labels[suspect.row]
        assert suspect.probability == probabilities[suspect.row].max() > suspect.quality
        assert suspect.quality == probabilities[suspect.row, labels[suspect.row]]
    assert find_suspects(probabilities, labels) == suspects


@pytest.mark.parametrize("labels", [[], [1], [2, 2, 2]])
def test_without_two_classes_there_is_nothing_to_mix_up(labels: list[int]) -> None:
    given_labels = np.array(labels, np.int64)
    probabilities = model(given_labels)
    assert find_suspects(probabilities, given_labels) == []
    assert find_overlaps(probabilities, given_labels) == []


def test_nothing_is_printed_and_nobody_is_called(
    truth: NDArray[np.int64], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise AssertionError(f"somebody is called: {arguments}")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    labels, _ = flipped(truth)
    assert find_suspects(model(truth), labels)
    assert find_overlaps(model(truth), labels)
    assert capfd.readouterr() == ("", "")


def test_classes_that_are_mixed_up_are_named_with_about_how_many(truth: NDArray[np.int64]) -> None:
    labels = truth.copy()
    labels[np.flatnonzero(truth == 1)[:30]] = 3
    first, *others = find_overlaps(model(truth, sure=6), labels)
    assert (first.first, first.second) == (1, 3)
    assert first.images == pytest.approx(30, abs=10)
    assert all(other.images < 5 for other in others)


def clouds(rows: int = 200) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 32))
    return (centres[np.arange(rows) % 4] + 0.2 * rng.normal(size=(rows, 32))).astype(np.float32)


def test_a_photograph_like_no_other_is_the_farthest_even_with_copies_of_it() -> None:
    features, strange = clouds(), np.random.default_rng(5).normal(size=32).astype(np.float32)
    copies = strange + 0.001 * np.arange(2 * NEAREST, dtype=np.float32)[:, None]
    table, sources = np.concatenate([features, copies]), np.r_[np.arange(200), np.full(len(copies), 200)]
    apart = distances(table, sources)
    assert set(np.argsort(-apart)[: len(copies)].tolist()) == set(range(200, len(table)))
    assert (distances(table, np.arange(len(table)))[200:] < 0.01).all()  # as photographs of their own, copies hide each other
    assert (apart == distances(table, sources)).all()


def test_a_distance_is_that_to_the_nearest_ones_of_other_sources() -> None:
    features = clouds(40)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    expected = np.sort(1 - unit @ unit.T, axis=1)[:, 1 : NEAREST + 1].mean(axis=1)
    assert distances(features, np.arange(40)) == pytest.approx(expected, abs=1e-5)
    assert distances(features, np.zeros(40, np.int64)).tolist() == [0] * 40
    assert distances(features[:1], np.zeros(1, np.int64)).tolist() == [0]
