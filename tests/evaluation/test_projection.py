import numpy as np
import pytest

from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.evaluation.projection import project, sample


def outputs(rows, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(rows, classes)) + 8 * np.eye(classes)[np.arange(rows) % classes]).astype(np.float32)


def predictions(rows):
    images = np.array([f"test/a/{number:03}" for number in range(rows)])
    return Predictions(images, np.arange(rows) % 4, np.full(rows, "clean"), outputs(rows))


def test_same_outputs_and_seed_give_the_same_map():
    first, second = project(outputs(60), 1), project(outputs(60), 1)
    assert first.tobytes() == second.tobytes()


def test_classes_that_the_network_tells_apart_lie_apart():
    points, labels = project(outputs(80), 1), np.arange(80) % 4
    middles = np.array([points[labels == label].mean(axis=0) for label in range(4)])
    nearest = np.linalg.norm(points[:, None] - middles, axis=2).argmin(axis=1)
    assert (nearest == labels).mean() > 0.95


@pytest.mark.parametrize("rows", [5, 6, 9])
def test_few_images_still_make_a_map(rows):
    points = project(outputs(rows), 1)
    assert points.shape == (rows, 2)
    assert np.isfinite(points).all()


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_too_few_images_make_none(rows):
    assert project(outputs(rows), 1) is None


def test_a_network_that_always_says_the_same_still_makes_a_map():
    assert np.isfinite(project(np.ones((20, 3), np.float32), 1)).all()


def test_a_sample_keeps_the_order_and_depends_on_the_seed_alone():
    all_rows = predictions(100)
    first, again, other = sample(all_rows, 30, 1), sample(all_rows, 30, 1), sample(all_rows, 30, 2)
    assert len(first) == 30
    assert first.images.tolist() == sorted(first.images.tolist()) == again.images.tolist()
    assert first.images.tolist() != other.images.tolist()
    assert sample(all_rows, 1000, 1).images.tolist() == all_rows.images.tolist()
