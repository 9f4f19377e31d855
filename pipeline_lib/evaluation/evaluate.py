"""The evaluation of one network: figures as JSON, tables as CSV, the most confident mistakes as pictures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline_lib.errors import PipelineError
from pipeline_lib.evaluation import tables
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.evaluation.projection import project, sample
from pipeline_lib.evaluation.reliability import probabilities
from pipeline_lib.evaluation.robustness import robustness
from pipeline_lib.evaluation.scores import TOP_K, Terms, judge, scores
from pipeline_lib.evaluation.selection import CORRECTED, SETS, WITHOUT_LEAKS
from pipeline_lib.images.thumbnail import write_thumbnail
from pipeline_lib.settings.sections import EvaluateSettings
from pipeline_lib.views.view import CLEAN, View


@dataclass(frozen=True)
class Subject:
    """What is evaluated.

    Attributes:
        predictions: The network's outputs for every view of the test split.
        classes: (C,) the names of the classes, in the order of the outputs.
        temperature: What the outputs are divided by to calibrate them, above 0; 1 changes nothing.
        leaked: Keys ``test/<class>/<name>`` of the test images that are also in train.
        bins: (C,) the bin that each class belongs in; None when the classes have no bins.
        views: The views that the predictions are of.
        corrections: What the label of a test image should be, by its key: a class 0..C-1, or None for an image that does not
            belong there.
        unseen: Figures on sources never seen, by cross-validation (see `unseen_in_short`); empty where there is none.
    """

    predictions: Predictions
    classes: Sequence[str]
    temperature: float = 1.0
    leaked: Collection[str] = frozenset()
    bins: Sequence[str] | None = None
    views: Sequence[View] = (CLEAN,)
    corrections: Mapping[str, int | None] = field(default_factory=dict)
    unseen: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        outputs = self.predictions.logits.shape[1]
        if not len(self.predictions):
            raise PipelineError("There is no test image to evaluate on; give the dataset a test split.")
        if len(self.classes) != outputs or (self.bins is not None and len(self.bins) != outputs):
            raise PipelineError(
                f"The model has {outputs} outputs but the dataset has {len(self.classes)} classes; train again."
            )
        unknown = set(self.predictions.views.tolist()) - {view.name for view in self.views}
        if unknown:
            raise PipelineError(f"There are predictions of views that are not in the settings: {', '.join(sorted(unknown))}.")
        if not self.temperature > 0:
            raise PipelineError(f"Temperature {self.temperature:g} is not above 0; train again.")


def evaluate_model(
    folder: Path, subject: Subject, settings: EvaluateSettings, *, open_image: Callable[[str], Image.Image], seed: int
) -> dict[str, Any]:
    """Evaluate a network, write the result into a folder, and return its figures.

    Every figure ``X`` on test as delivered has a counterpart ``X_without_leaks``: on the images that are not in train.
    That one says what to expect of new images, and comes first. Without leaks the two are equal. Where labels of test were
    corrected, ``X_corrected`` is on all test images with these.

    The folder receives ``metrics.json`` (what is returned), ``predictions.csv``, and, when there are clean views,
    ``per_class.csv``, ``confusion.csv``, ``tsne.csv`` (five images or more) and ``mistakes/NN.jpg``; with a robustness
    grid also ``robustness.csv``. Once images leak, ``per_class_without_leaks.csv`` and so on are written beside these tables. A
    figure without rows is null; shares and intervals are 0..1.

    Args:
        folder: An existing or new folder.
        subject: What is evaluated.
        settings: Confidence level, bins of the calibration error, sizes of the map and of the gallery.
        open_image: Returns the picture with a given image key, for the gallery of mistakes.
        seed: Seed of the t-SNE map.
    """
    folder.mkdir(parents=True, exist_ok=True)
    predictions = subject.predictions
    terms = Terms(subject.classes, subject.bins, settings.confidence, settings.ece_bins)
    leaked = np.isin(predictions.images, sorted(subject.leaked))
    parts = {WITHOUT_LEAKS: predictions.where(~leaked), "": predictions}
    result: dict[str, Any] = {
        **subject.unseen,
        "confidence": settings.confidence,
        "top_k": min(TOP_K, len(subject.classes)),
        "temperature": subject.temperature,
        "leaked_images": len(np.unique(predictions.images[leaked])),
        "corrections": len(subject.corrections),
    }
    for suffix, part in parts.items():
        result |= {f"{name}{suffix}": figures for name, figures in _figures(subject, part, terms).items()}
        if part is predictions or leaked.any():
            _write_tables(folder, suffix, part, terms, result[f"robustness{suffix}"])
    if subject.corrections:
        figures = _figures(subject, predictions.relabelled(subject.corrections), terms)
        result |= {f"{name}{CORRECTED}": figures[name] for name in SETS}
    tables.write_predictions(
        folder / "predictions.csv",
        predictions,
        classes=subject.classes,
        bins=subject.bins,
        temperature=subject.temperature,
        leaked=subject.leaked,
    )
    clean = predictions.clean
    if len(clean):
        _write_map(folder / "tsne.csv", clean, subject.classes, settings.tsne_images, seed)
    result["mistakes"] = _write_mistakes(folder, clean, subject, settings.mistakes, open_image) if len(clean) else None
    return tables.write_metrics(folder, result)


def _figures(subject: Subject, predictions: Predictions, terms: Terms) -> dict[str, Any]:
    """Return all figures of one set of images: on its clean views, on its augmented views, and on the robustness grid."""
    clean = predictions.clean
    augmented = predictions.where(np.isin(predictions.views, [view.name for view in subject.views if view.kind == "augmented"]))
    cells = [cell._asdict() for cell in robustness(predictions, subject.views, terms.confidence)]
    return {
        "test": judge(clean, clean.logits.astype(np.float64) / subject.temperature, terms),
        "data_new_test": scores(augmented, terms.bins, terms.confidence),
        "robustness": cells or None,
    }


def _write_tables(
    folder: Path, suffix: str, predictions: Predictions, terms: Terms, cells: Sequence[Mapping[str, Any]] | None
) -> None:
    """Write the tables of one set of images that has rows for them; the suffix of their names says which set."""
    if cells:
        tables.write_robustness(folder / f"robustness{suffix}.csv", cells)
    if len(predictions.clean):
        tables.write_classes(folder, suffix, predictions.clean, terms)


def _write_map(path: Path, clean: Predictions, classes: Sequence[str], limit: int, seed: int) -> None:
    shown = sample(clean, limit, seed)
    points = project(shown.logits, seed)
    if points is not None:
        tables.write_projection(path, shown, points, classes)


def _write_mistakes(
    folder: Path, clean: Predictions, subject: Subject, limit: int, open_image: Callable[[str], Image.Image]
) -> list[dict[str, Any]]:
    """Write the most confident mistakes as small JPEG files and return what each one shows."""
    sure = probabilities(clean.logits, subject.temperature)
    confidence = sure.max(axis=1)
    wrong = np.flatnonzero(clean.predicted != clean.labels).tolist()
    worst = sorted(wrong, key=lambda row: (-confidence[row], clean.images[row]))[:limit]
    mistakes = []
    for number, row in enumerate(worst, start=1):
        image, true = str(clean.images[row]), int(clean.labels[row])
        picture = f"mistakes/{number:02}.jpg"
        write_thumbnail(folder / picture, open_image(image))
        mistakes.append(
            {
                "picture": picture,
                "image": image,
                "class": subject.classes[true],
                "predicted": subject.classes[int(clean.predicted[row])],
                "confidence": float(confidence[row]),
                "class_probability": float(sure[row, true]),
                "leaked": image in subject.leaked,
            }
        )
    return mistakes
