"""The evaluation of one network: figures as JSON, tables as CSV, the most confident mistakes as pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import confusion_matrix

from pipeline_lib.errors import PipelineError
from pipeline_lib.evaluation import metrics, tables
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.evaluation.projection import project, sample
from pipeline_lib.evaluation.robustness import is_augmented, robustness
from pipeline_lib.settings import EvaluateSettings
from pipeline_lib.views import CLEAN

_MOST_CONFUSED = 10
_THUMBNAIL = 160  # pixels; a gallery shows four in a row
_TOP_K = 5


@dataclass(frozen=True)
class Subject:
    """What is evaluated.

    Attributes:
        predictions: The network's outputs for every view of the test split.
        classes: (C,) the names of the classes, in the order of the outputs.
        temperature: What the outputs are divided by to calibrate them, above 0; 1 changes nothing.
        leaked: Keys ``test/<class>/<name>`` of the test images that also stand in train.
        bins: (C,) the bin that each class belongs in; None when the classes have no bins.
    """

    predictions: Predictions
    classes: Sequence[str]
    temperature: float = 1.0
    leaked: Collection[str] = frozenset()
    bins: Sequence[str] | None = None

    def __post_init__(self) -> None:
        outputs = self.predictions.logits.shape[1]
        if not len(self.predictions):
            raise PipelineError("There is no test image to evaluate on; give the dataset a test split.")
        if len(self.classes) != outputs or (self.bins is not None and len(self.bins) != outputs):
            raise PipelineError(
                f"The model has {outputs} outputs but the dataset has {len(self.classes)} classes; train again."
            )
        if not self.temperature > 0:
            raise PipelineError(f"Temperature {self.temperature:g} is not above 0; train again.")


def bins_of(classes: Sequence[str], bin_of: Callable[[str], str | None]) -> tuple[str, ...] | None:
    """Return the bin of every class, or None unless each of them has one: a share over some classes would mislead."""
    bins = [bin_of(name) for name in classes]
    return None if None in bins else tuple(str(bin_) for bin_ in bins)


def evaluate_model(
    folder: Path, subject: Subject, settings: EvaluateSettings, *, open_image: Callable[[str], Image.Image], seed: int
) -> dict[str, Any]:
    """Evaluate a network, write the result into a folder, and return its figures.

    The folder receives ``metrics.json`` (what is returned), ``predictions.csv``, and, when there are clean views,
    ``per_class.csv``, ``confusion.csv``, ``tsne.csv`` (five images or more) and ``mistakes/NN.jpg``; with a robustness
    grid also ``robustness.csv``. A figure without rows is null; shares and intervals are 0..1.

    Args:
        folder: An existing or new folder.
        subject: What is evaluated.
        settings: Confidence level, bins of the calibration error, sizes of the map and of the gallery.
        open_image: Returns the picture with a given image key, for the gallery of mistakes.
        seed: Seed of the t-SNE map.
    """
    folder.mkdir(parents=True, exist_ok=True)
    predictions, classes, bins = subject.predictions, subject.classes, subject.bins
    clean = predictions.where(predictions.views == CLEAN)
    cells = robustness(predictions, settings.confidence)
    result = _figures(subject, clean, settings) | {"robustness": [cell._asdict() for cell in cells] or None}
    tables.write_predictions(
        folder / "predictions.csv",
        predictions,
        classes=classes,
        bins=bins,
        temperature=subject.temperature,
        leaked=subject.leaked,
    )
    if cells:
        tables.write_robustness(folder / "robustness.csv", cells)
    if len(clean):
        matrix = confusion_matrix(clean.labels, clean.predicted, labels=np.arange(len(classes)))
        tables.write_confusion(folder / "confusion.csv", matrix, classes)
        tables.write_per_class(folder / "per_class.csv", clean, classes=classes, bins=bins)
        _write_map(folder / "tsne.csv", clean, classes, settings.tsne_images, seed)
        result["most_confused"] = [
            [classes[true], classes[said], n] for true, said, n in metrics.most_confused(matrix, _MOST_CONFUSED)
        ]
        result["mistakes"] = _write_mistakes(folder, clean, subject, settings.mistakes, open_image)
    rounded: dict[str, Any] = _rounded(result)
    (folder / "metrics.json").write_text(json.dumps(rounded, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return rounded


def _figures(subject: Subject, clean: Predictions, settings: EvaluateSettings) -> dict[str, Any]:
    """Return every figure but the grid's."""
    predictions, bins, level = subject.predictions, subject.bins, settings.confidence
    augmented = predictions.where(np.array([is_augmented(view) for view in predictions.views.tolist()], np.bool_))
    return {
        "confidence": level,
        "top_k": min(_TOP_K, len(subject.classes)),
        "temperature": subject.temperature,
        "leaked_images": int(np.isin(np.unique(predictions.images), sorted(subject.leaked)).sum()),
        "test": _scores(clean, bins, level),
        "test_without_leaks": _scores(_without(clean, subject.leaked), bins, level),
        "data_new_test": _scores(augmented, bins, level),
        "data_new_test_without_leaks": _scores(_without(augmented, subject.leaked), bins, level),
        "bins": _per_bin(clean, bins, level) if bins else None,
        "mistakes": None,
        "most_confused": None,
    } | _calibration(clean, subject.temperature, settings.ece_bins)


def _without(predictions: Predictions, images: Collection[str]) -> Predictions:
    return predictions.where(~np.isin(predictions.images, sorted(images)))


def _scores(predictions: Predictions, bins: Sequence[str] | None, confidence: float) -> dict[str, Any] | None:
    """Return the figures of one set of rows: shares with their intervals, loss, macro F1; None without rows."""
    if not len(predictions):
        return None
    labels, images = predictions.labels, predictions.images
    rank = metrics.truth_ranks(predictions.logits, labels)
    hits = {"top1": rank == 1, "top5": rank <= _TOP_K}
    if bins:
        bin_index = _bin_index(bins)
        hits["bin_accuracy"] = bin_index[labels] == bin_index[predictions.predicted]
    shares = {name: metrics.share_of(hit, images, confidence) for name, hit in hits.items()}
    result: dict[str, Any] = {}
    for name, share in shares.items():
        result |= {name: share.value, f"{name}_low": share.low, f"{name}_high": share.high}
    return result | {
        "n": len(predictions),
        "images": len(np.unique(images)),
        "n_effective": shares["top1"].n_effective,
        "loss": metrics.cross_entropy(predictions.logits, labels),
        "macro_f1": metrics.macro_f1(labels, predictions.predicted),
    }


def _bin_index(bins: Sequence[str]) -> NDArray[np.int64]:
    """Return for each class the index of its bin among the sorted bins."""
    return np.asarray(np.unique(np.asarray(bins), return_inverse=True)[1], np.int64)


def _per_bin(predictions: Predictions, bins: Sequence[str], confidence: float) -> list[dict[str, Any]] | None:
    """Return precision, recall (with its interval) and F1 of every bin: a mistake inside the right bin counts as right."""
    if not len(predictions):
        return None
    names, index = sorted(set(bins)), _bin_index(bins)
    true, said = index[predictions.labels], index[predictions.predicted]
    rows = []
    for number, (precision, recall, f1, n) in enumerate(metrics.per_class(true, said, len(names))):
        share = metrics.share_of(said[true == number] == number, predictions.images[true == number], confidence) if n else None
        rows.append(
            {"bin": names[number], "n": n, "precision": precision, "recall": recall, "f1": f1}
            | {"low": share and share.low, "high": share and share.high}
        )
    return rows


def _calibration(predictions: Predictions, temperature: float, bins: int) -> dict[str, Any]:
    """Return the calibration error and the reliability diagram before and after temperature scaling."""
    if not len(predictions):
        return {"ece": None, "ece_before": None, "reliability": None}
    hits = predictions.predicted == predictions.labels
    before, after = (
        metrics.reliability(metrics.probabilities(predictions.logits, divisor).max(axis=1), hits, bins)
        for divisor in (1.0, temperature)
    )
    return {
        "ece": metrics.calibration_error(after),
        "ece_before": metrics.calibration_error(before),
        "reliability": {"before": [asdict(bin_) for bin_ in before], "after": [asdict(bin_) for bin_ in after]},
    }


def _write_map(path: Path, clean: Predictions, classes: Sequence[str], limit: int, seed: int) -> None:
    shown = sample(clean, limit, seed)
    points = project(shown.logits, seed)
    if points is not None:
        tables.write_projection(path, shown, points, classes)


def _write_mistakes(
    folder: Path, clean: Predictions, subject: Subject, limit: int, open_image: Callable[[str], Image.Image]
) -> list[dict[str, Any]]:
    """Write the most confident mistakes as small JPEG files and return what each one shows."""
    probabilities = metrics.probabilities(clean.logits, subject.temperature)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(clean.predicted != clean.labels).tolist()
    worst = sorted(wrong, key=lambda row: (-confidence[row], clean.images[row]))[:limit]
    mistakes = []
    for number, row in enumerate(worst, start=1):
        image, true = str(clean.images[row]), int(clean.labels[row])
        picture = f"mistakes/{number:02}.jpg"
        _write_thumbnail(folder / picture, open_image(image))
        mistakes.append(
            {
                "picture": picture,
                "image": image,
                "class": subject.classes[true],
                "predicted": subject.classes[int(clean.predicted[row])],
                "confidence": float(confidence[row]),
                "class_probability": float(probabilities[row, true]),
                "leaked": image in subject.leaked,
            }
        )
    return mistakes


def _write_thumbnail(path: Path, image: Image.Image) -> None:
    path.parent.mkdir(exist_ok=True)
    thumbnail = image.convert("RGB")
    thumbnail.thumbnail((_THUMBNAIL, _THUMBNAIL))
    thumbnail.save(path, "JPEG", quality=85)


def _rounded(value: Any) -> Any:
    """Return the value with every float in it rounded to six decimals, below which sums depend on the machine."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value
