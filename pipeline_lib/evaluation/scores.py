"""The figures of one set of rows, as they are in ``metrics.json``: shares are 0..1, a figure without rows is None.

`FIGURES` lists them once, for all that computes and shows them: another one is another row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from pipeline_lib.evaluation import metrics
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.evaluation.reliability import calibration_error, cross_entropy, probabilities, reliability

TOP_K = 5
_MOST_CONFUSED = 10
_DRAWS = 100  # the mean of an error of 0.07 is then known to 0.002


@dataclass(frozen=True)
class Terms:
    """By what rows are judged.

    Attributes:
        classes: (C,) the names of the classes, in the order of the outputs.
        bins: (C,) the bin that each class belongs in; None when the classes have no bins.
        confidence: Level of the intervals.
        ece_bins: Bins of the calibration error.
    """

    classes: Sequence[str]
    bins: Sequence[str] | None
    confidence: float
    ece_bins: int


@dataclass(frozen=True)
class Judged:
    """Rows that are judged, and the bin of each class (C,), None when the classes have none."""

    predictions: Predictions
    bins: Sequence[str] | None

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """(n,) the place of the true class among the outputs, 1 = the largest."""
        return metrics.truth_ranks(self.predictions.logits, self.predictions.labels)

    @property
    def in_the_right_bin(self) -> NDArray[np.bool_] | None:
        """(n,) whether the predicted class belongs in the bin of the true one."""
        if self.bins is None:
            return None
        bin_of = _bin_index(self.bins)
        return np.asarray(bin_of[self.predictions.labels] == bin_of[self.predictions.predicted])


class Figure(NamedTuple):
    """A figure of merit.

    Attributes:
        key: Its name in ``metrics.json``; a share has ``<key>_low`` and ``<key>_high`` too.
        title: What its column is called; may name a value at the top of ``metrics.json``.
        table: Which table it is in, among figures next to it in `FIGURES`.
        of: Computes it from the rows: (n,) hits of a share, a number, or None where it has no meaning. None for what
            `scores` and `calibration` compute anyway.
        text: How a number is written; shares are written in percent with their interval.
        beside: Key of another figure: the column is left out where it only repeats that one.
        note: What the reader of the table must know.
    """

    key: str
    title: str
    table: str
    of: Callable[[Judged], NDArray[np.bool_] | float | None] | None = None
    text: str = "{:,.0f}"
    beside: str = ""
    note: str = ""


_SCORES, _FURTHER, _ECE = "Scores", "Further figures", "Expected calibration error"
_WORTH = (
    "Views of one image, and copies of one picture, tend to be right or wrong together, so the rows are worth fewer "
    "independent images: the column on the right, from which the intervals are computed."
)
FIGURES = (
    Figure("top1", "top-1", _SCORES, lambda rows: rows.ranks == 1, note="With {confidence:.0%} Wilson intervals."),
    Figure("top5", "top-{top_k}", _SCORES, lambda rows: rows.ranks <= TOP_K),
    Figure("bin_accuracy", "right bin", _SCORES, lambda rows: rows.in_the_right_bin),
    Figure("macro_f1", "macro F1", _FURTHER, lambda rows: metrics.macro_f1(*_labels(rows)), "{:.3f}"),
    Figure("loss", "loss", _FURTHER, lambda rows: cross_entropy(*_outputs(rows)), "{:.3f}"),
    Figure("images", "images", _FURTHER),
    Figure("n", "rows", _FURTHER, beside="images"),
    Figure("n_effective", "worth", _FURTHER, beside="images", note=_WORTH),
    Figure("ece", "error", _ECE, text="{:.1%}"),
    Figure("ece_before", "unscaled", _ECE, text="{:.1%}", beside="ece"),
    Figure("ece_of_chance", "by chance", _ECE, text="{:.1%}"),
)


def judge(clean: Predictions, scaled: metrics.Logits, terms: Terms) -> dict[str, Any] | None:
    """Return all that is said of clean views: `scores`, `calibration`, `per_bin` and `most_confused`; None without rows.

    Args:
        clean: The rows.
        scaled: (n, C) their outputs divided by a temperature that was not fitted on them.
        terms: By what they are judged.
    """
    result = scores(clean, terms.bins, terms.confidence)
    if result is not None:
        result |= calibration(clean, scaled, terms.ece_bins)
        result["bins"] = per_bin(clean, terms.bins, terms.confidence) if terms.bins else None
        result["most_confused"] = most_confused(clean, terms.classes)
    return result


def scores(predictions: Predictions, bins: Sequence[str] | None, confidence: float) -> dict[str, Any] | None:
    """Return the `FIGURES` of rows, shares with their intervals; None without rows.

    ``n`` counts rows, ``images`` images, and ``n_effective`` the independent images that the rows are worth, from which the
    intervals are computed: views of an image and copies of a picture hang together.

    Args:
        predictions: The rows.
        bins: (C,) the bin of each class; None when the classes have none.
        confidence: Level of the intervals.
    """
    if not len(predictions):
        return None
    judged = Judged(predictions, bins)
    computed = {figure.key: figure.of(judged) for figure in FIGURES if figure.of}
    result: dict[str, Any] = {"n": len(predictions), "images": len(np.unique(predictions.images))}
    for name, value in computed.items():
        if isinstance(value, np.ndarray):
            share = metrics.share_of(value, predictions.groups, confidence)
            result |= {name: share.value, f"{name}_low": share.low, f"{name}_high": share.high}
            if name == "top1":
                result["n_effective"] = share.n_effective
        elif value is not None:
            result[name] = value
    return result


def calibration(predictions: Predictions, scaled: metrics.Logits, bins: int) -> dict[str, Any]:
    """Return the calibration error and the reliability diagram, of the outputs as they are and of scaled ones (n, C).

    ``ece_of_chance`` is the error that a network would show on average whose confidences were exactly right, were they as high
    as those of the scaled outputs: in a bin of few rows the share of hits strays from its expectation, so on few rows no
    error is near 0. An error below it or near it is not distinguished from none.

    Source of the simulation: J. Broecker, L. A. Smith, "Increasing the reliability of reliability diagrams", Weather and
    Forecasting 22 (2007), section 3.
    """
    hits = predictions.predicted == predictions.labels
    unsure, sure = (probabilities(logits).max(axis=1) for logits in (predictions.logits, scaled))
    before, after = reliability(unsure, hits, bins), reliability(sure, hits, bins)
    draws = np.random.default_rng(0).random((_DRAWS, len(sure))) < sure
    return {
        "ece": calibration_error(after),
        "ece_before": calibration_error(before),
        "ece_of_chance": float(np.mean([calibration_error(reliability(sure, draw, bins)) for draw in draws])),
        "reliability": {"before": [asdict(bin_) for bin_ in before], "after": [asdict(bin_) for bin_ in after]},
    }


def per_bin(predictions: Predictions, bins: Sequence[str], confidence: float) -> list[dict[str, Any]]:
    """Return precision, recall (with its interval) and F1 of every bin: a mistake inside the right bin counts as right."""
    names, index = sorted(set(bins)), _bin_index(bins)
    true, said = index[predictions.labels], index[predictions.predicted]
    rows = []
    for number, (precision, recall, f1, n) in enumerate(metrics.per_class(true, said, len(names))):
        share = metrics.share_of(said[true == number] == number, predictions.groups[true == number], confidence) if n else None
        rows.append(
            {"bin": names[number], "n": n, "precision": precision, "recall": recall, "f1": f1}
            | {"low": share and share.low, "high": share and share.high}
        )
    return rows


def confusion(predictions: Predictions, classes: Sequence[str]) -> NDArray[np.int64]:
    """Return the (C, C) confusion matrix: a row for each true class, a column for each predicted one."""
    matrix = confusion_matrix(predictions.labels, predictions.predicted, labels=np.arange(len(classes)))
    return np.asarray(matrix, np.int64)


def most_confused(predictions: Predictions, classes: Sequence[str]) -> list[list[Any]]:
    """Return the most frequent mistakes as [true class, predicted class, count]."""
    worst = metrics.most_confused(confusion(predictions, classes), _MOST_CONFUSED)
    return [[classes[true], classes[said], count] for true, said, count in worst]


def _labels(rows: Judged) -> tuple[metrics.Labels, metrics.Labels]:
    return rows.predictions.labels, rows.predictions.predicted


def _outputs(rows: Judged) -> tuple[metrics.Logits, metrics.Labels]:
    return rows.predictions.logits, rows.predictions.labels


def _bin_index(bins: Sequence[str]) -> NDArray[np.int64]:
    """Return for each class the index of its bin among the sorted bins."""
    return np.asarray(np.unique(np.asarray(bins), return_inverse=True)[1], np.int64)
