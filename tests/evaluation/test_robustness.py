import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.errors import PipelineError
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.evaluation.robustness import Cell, cell_of, is_augmented, robustness
from pipeline_lib.settings.sections import TestViewSettings
from pipeline_lib.views.view import grid_views, test_views


def predictions(hits_of_view):
    """Return predictions of two classes: for each view, whether each of its images is right."""
    rows = [(f"test/a/{number}", view, hit) for view, hits in hits_of_view.items() for number, hit in enumerate(hits)]
    images, views, hits = zip(*rows, strict=True)
    logits = np.array([[1, 0] if hit else [0, 1] for hit in hits], np.float32)
    return Predictions(np.array(images), np.zeros(len(rows), int), np.array(views), logits)


def test_names_of_views_are_read_back_as_they_were_given():
    settings = TestViewSettings(grid_sigmas=(0, 12.5, 1e-3, 50), grid_angles=(0, 7.25, 180))
    cells = [cell_of(view.name) for view in grid_views(settings)]
    assert cells == [Cell(view.sigma[1], view.angle_max) for view in grid_views(settings)]
    assert cell_of("clean") == Cell(0, 0)


def test_views_of_data_new_are_no_cells():
    assert all(is_augmented(view.name) and cell_of(view.name) is None for view in test_views(TestViewSettings()))


@pytest.mark.parametrize("name", ["", "aug", "augx", "sigma25", "sigma-angle3", "sigma1-angle2-3", "sigmax-angley", "Clean"])
def test_an_unknown_view_is_refused_by_name(name):
    with pytest.raises(PipelineError, match="View"):
        cell_of(name)


def test_every_cell_has_its_own_accuracy_in_rising_order():
    cells = robustness(
        predictions({"sigma25-angle0": [1, 1, 0, 0], "clean": [1, 1, 1, 1], "sigma5-angle0": [1, 1, 1, 0], "aug1": [0] * 4}),
        0.95,
    )
    assert [(cell.sigma, cell.angle, cell.top1, cell.n) for cell in cells] == [
        (0, 0, 1.0, 4),
        (5, 0, 0.75, 4),
        (25, 0, 0.5, 4),
    ]
    assert all(cell.low <= cell.top1 <= cell.high for cell in cells)


@given(st.sampled_from([{"clean": [1, 0]}, {"aug1": [1, 0]}, {"clean": [1, 0], "aug1": [1, 1]}]))
def test_without_a_grid_there_is_no_table(views):
    assert robustness(predictions(views), 0.95) == []
