"""The evaluation's figures as JSON and its tables as CSV: plain text, one header line, floats to six decimals."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.evaluation import metrics
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.evaluation.reliability import probabilities
from pipeline_lib.evaluation.robustness import CellResult
from pipeline_lib.evaluation.scores import Terms, confusion
from pipeline_lib.files.table import write_table

METRICS = "metrics.json"


def write_predictions(
    path: Path,
    predictions: Predictions,
    *,
    classes: Sequence[str],
    bins: Sequence[str] | None,
    temperature: float,
    leaked: Collection[str],
) -> None:
    """Write one row for each view of each image: what it is, what the network said, how sure it was, and whether it is right.

    ``rank`` is the place of the true class among the outputs; ``leaked`` is 1 for an image that is also in train. The
    columns ``bin`` and ``predicted_bin`` are empty when the classes have no bins.
    """
    confidence = probabilities(predictions.logits, temperature).max(axis=1)
    rank = metrics.truth_ranks(predictions.logits, predictions.labels)
    rows = (
        (
            image,
            view,
            classes[true],
            classes[said],
            sure,
            int(true == said),
            place,
            *((bins[true], bins[said]) if bins else ("", "")),
            int(image in leaked),
        )
        for image, view, true, said, sure, place in zip(
            predictions.images.tolist(),
            predictions.views.tolist(),
            predictions.labels.tolist(),
            predictions.predicted.tolist(),
            confidence.tolist(),
            rank.tolist(),
            strict=True,
        )
    )
    header = ("image", "view", "class", "predicted", "confidence", "correct", "rank", "bin", "predicted_bin", "leaked")
    write_table(path, header, rows)


def write_metrics(folder: Path, result: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``metrics.json``: a result, every float in it rounded to six decimals, below which sums depend on the machine.

    Returns:
        What was written.
    """
    rounded: dict[str, Any] = metrics.rounded_floats(result)
    (folder / METRICS).write_text(json.dumps(rounded, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return rounded


def write_classes(folder: Path, suffix: str, clean: Predictions, terms: Terms) -> None:
    """Write ``per_class<suffix>.csv`` and ``confusion<suffix>.csv`` of clean views."""
    write_confusion(folder / f"confusion{suffix}.csv", confusion(clean, terms.classes), terms.classes)
    write_per_class(folder / f"per_class{suffix}.csv", clean, classes=terms.classes, bins=terms.bins)


def write_per_class(path: Path, predictions: Predictions, *, classes: Sequence[str], bins: Sequence[str] | None) -> None:
    """Write precision, recall, F1 and number of images of every class."""
    scores = metrics.per_class(predictions.labels, predictions.predicted, len(classes))
    rows = ((name, bins[index] if bins else "", *scores[index]) for index, name in enumerate(classes))
    write_table(path, ("class", "bin", "precision", "recall", "f1", "n"), rows)


def write_confusion(path: Path, matrix: NDArray[np.int64], classes: Sequence[str]) -> None:
    """Write the (C, C) confusion matrix: one row for each true class, one column for each predicted class."""
    write_table(
        path, ("true class", *classes), ((name, *counts) for name, counts in zip(classes, matrix.tolist(), strict=True))
    )


def write_robustness(path: Path, cells: Sequence[Mapping[str, Any]]) -> None:
    """Write the accuracy of every cell of the robustness grid."""
    write_table(path, CellResult._fields, [list(cell.values()) for cell in cells])


def write_projection(path: Path, predictions: Predictions, points: NDArray[np.float32], classes: Sequence[str]) -> None:
    """Write the place of every projected image on the map."""
    columns = zip(
        points.tolist(), predictions.labels.tolist(), predictions.predicted.tolist(), predictions.images.tolist(), strict=True
    )
    write_table(
        path,
        ("x", "y", "class", "predicted", "image"),
        ((x, y, classes[true], classes[said], image) for (x, y), true, said, image in columns),
    )
