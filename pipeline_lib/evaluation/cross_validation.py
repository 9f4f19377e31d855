"""Figures on sources never seen: what a cross-validation says of all photographs, and of those of train or test alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.evaluation import tables
from pipeline_lib.evaluation.calibration import cross_fitted, fit_temperature
from pipeline_lib.evaluation.out_of_fold import OutOfFold, write_out_of_fold
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.evaluation.scores import TOP_K, Terms, judge, scores
from pipeline_lib.evaluation.selection import UNSEEN
from pipeline_lib.views.view import CLEAN

PARTS = {"": "", "_train": "train/", "_test": "test/"}
"""What follows a key -> how the keys of the images begin that the figures are on; those of train can choose settings."""


def evaluate_out_of_fold(folder: Path, judged: OutOfFold, class_of: Mapping[str, str], terms: Terms) -> dict[str, Any]:
    """Write ``metrics.json``, ``per_class.csv``, ``confusion.csv`` and the outputs themselves; return the figures.

    Each fold's outputs are scaled by the temperature that fits the clean views of all other folds, so no temperature has seen
    what it is judged on.

    Args:
        folder: An existing folder.
        judged: Out-of-fold outputs, n at least 1.
        class_of: The class of every image by its key, also of those that could not be predicted.
        terms: By what they are judged.

    Returns:
        The figures by `UNSEEN` and `PARTS`: ``unseen``, ``unseen_noisy_train`` and so on, each None without rows; ``folds``
        and ``sources`` (numbers), ``temperature`` (the one that fits all), ``unpredicted`` (``images``, a number, and
        ``classes``, names of those that lack images), ``obstacle`` (empty, see `no_figures`).
    """
    clean = judged.where(judged.predictions.views == CLEAN.name)
    rows = clean.predictions
    scaled = _scaled(clean)
    result: dict[str, Any] = {}
    for suffix, beginning in PARTS.items():
        inside, noisy = (np.char.startswith(each.images, beginning) for each in (rows, judged.predictions))
        noisy &= judged.predictions.views != CLEAN.name
        result[f"unseen{suffix}"] = judge(rows.where(inside), scaled[inside], terms)
        result[f"unseen_noisy{suffix}"] = scores(judged.predictions.where(noisy), terms.bins, terms.confidence)
    tables.write_classes(folder, "", rows, terms)
    write_out_of_fold(folder, judged, terms.classes)
    return tables.write_metrics(folder, result | _described(clean, class_of, terms))


def no_figures(folder: Path, obstacle: str, class_of: Mapping[str, str], terms: Terms) -> dict[str, Any]:
    """Write and return a result without figures and outputs; ``obstacle`` says why there are none and what to do."""
    nothing = np.zeros(0, np.int64)
    names, logits = nothing.astype(np.str_), np.zeros((0, len(terms.classes)), np.float32)
    judged = OutOfFold(Predictions(names, nothing, names, logits), nothing)
    write_out_of_fold(folder, judged, terms.classes)
    empty = {f"{name}{suffix}": None for suffix in PARTS for name in UNSEEN}
    return tables.write_metrics(folder, empty | _described(judged, class_of, terms) | {"obstacle": obstacle})


def _scaled(clean: OutOfFold) -> NDArray[np.float64]:
    """Return the logits (n, C) of clean views, each divided by the temperature that fits the other folds."""
    rows = clean.predictions
    scaled = rows.logits.astype(np.float64)
    for fold, temperature in cross_fitted(rows.logits, rows.labels, clean.folds).items():
        scaled[clean.folds == fold] /= temperature
    return scaled


def _described(clean: OutOfFold, class_of: Mapping[str, str], terms: Terms) -> dict[str, Any]:
    """Return what the figures are about."""
    rows = clean.predictions
    missing = Counter(class_of[image] for image in class_of.keys() - set(rows.images.tolist()))
    return {
        "confidence": terms.confidence,
        "top_k": min(TOP_K, len(terms.classes)),
        "folds": len(np.unique(clean.folds)),
        "sources": len(np.unique(rows.groups)),
        "temperature": fit_temperature(rows.logits, rows.labels),
        "unpredicted": {"images": missing.total(), "classes": sorted(missing)},
        "obstacle": "",
    }
