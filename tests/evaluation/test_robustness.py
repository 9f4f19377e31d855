import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.errors import PipelineError
from pipeline_lib.evaluation.evaluate import Subject
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.evaluation.robustness import robustness
from pipeline_lib.views.view import CLEAN, View

AUG1 = View(number=1)


def cell(sigma, angle=0):
    return View(kind="grid", sigma=(sigma, sigma), angle_max=angle)


def predictions(hits_of_view):
    """Return predictions of two classes: for each view, whether each of its images is right."""
    rows = [(f"test/a/{number}", view.name, hit) for view, hits in hits_of_view.items() for number, hit in enumerate(hits)]
    images, views, hits = zip(*rows, strict=True)
    logits = np.array([[1, 0] if hit else [0, 1] for hit in hits], np.float32)
    return Predictions(np.array(images), np.zeros(len(rows), int), np.array(views), logits)


def test_every_cell_has_its_own_accuracy_in_rising_order():
    hits = {cell(25): [1, 1, 0, 0], CLEAN: [1, 1, 1, 1], cell(5): [1, 1, 1, 0], AUG1: [0] * 4}
    cells = robustness(predictions(hits), list(hits), 0.95)
    assert [(cell.sigma, cell.angle, cell.top1, cell.n) for cell in cells] == [
        (0, 0, 1.0, 4),
        (5, 0, 0.75, 4),
        (25, 0, 0.5, 4),
    ]
    assert all(cell.low <= cell.top1 <= cell.high for cell in cells)


@given(st.sampled_from([{CLEAN: [1, 0]}, {AUG1: [1, 0]}, {CLEAN: [1, 0], AUG1: [1, 1]}]))
def test_without_a_grid_there_is_no_table(hits):
    assert robustness(predictions(hits), list(hits), 0.95) == []


def test_predictions_of_a_view_that_nobody_knows_are_refused_by_its_name():
    with pytest.raises(PipelineError, match="sigma5-angle0"):
        Subject(predictions({CLEAN: [1], cell(5): [1]}), ("a", "b"), views=[CLEAN, cell(25)])
