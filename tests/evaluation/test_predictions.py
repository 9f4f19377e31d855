import numpy as np
import pytest

from pipeline_lib.errors import PipelineError
from pipeline_lib.evaluation.predictions import Predictions

GOOD = {
    "images": np.array(["test/a/1", "test/b/2"]),
    "labels": np.array([0, 1]),
    "views": np.array(["clean", "clean"]),
    "logits": np.array([[2, 1], [2, 1]], np.float32),
}


def test_the_largest_output_is_predicted():
    assert Predictions(**GOOD).predicted.tolist() == [0, 0]


def test_rows_are_selected_together():
    rows = Predictions(**GOOD).where(np.array([False, True]))
    assert (rows.images.tolist(), rows.labels.tolist(), len(rows)) == (["test/b/2"], [1], 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.array([0])}, "do not fit together"),
        ({"logits": np.zeros(2, np.float32)}, "do not fit together"),
        ({"labels": np.array([0, 2])}, "outside 0..1"),
        ({"labels": np.array([-1, 0])}, "outside 0..1"),
        ({"logits": np.array([[1, 1], [np.nan, 1]], np.float32)}, r"test/b/2 \(clean\) is not a finite number"),
        ({"logits": np.array([[1, np.inf], [1, 1]], np.float32)}, "test/a/1"),
        ({"images": np.array(["test/a/1", "test/a/1"])}, "predicted twice"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    with pytest.raises(PipelineError, match=message):
        Predictions(**(GOOD | change))


def test_corrected_labels_replace_those_delivered_and_leave_out_what_does_not_belong():
    rows = Predictions(**GOOD)
    corrected = rows.relabelled({"test/b/2": 0, "test/gone/9": 1})
    assert (corrected.labels.tolist(), corrected.images.tolist()) == ([0, 0], rows.images.tolist())
    assert rows.labels.tolist() == [0, 1]
    left = rows.relabelled({"test/a/1": None})
    assert (left.images.tolist(), left.labels.tolist(), left.logits.tolist()) == (["test/b/2"], [1], [[2, 1]])
    assert len(rows.relabelled({"test/a/1": None, "test/b/2": None})) == 0
