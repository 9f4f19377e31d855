from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import TEST_VIEWS

from pipeline_lib.evaluation.cross_validation import evaluate_out_of_fold
from pipeline_lib.evaluation.evaluate import Subject, evaluate_model
from pipeline_lib.evaluation.out_of_fold import OutOfFold
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.evaluation.scores import Terms
from pipeline_lib.evaluation.selection import unseen_in_short
from pipeline_lib.reporting.blocks import Page, Shown, facts
from pipeline_lib.reporting.pages.report import report_page
from pipeline_lib.reporting.pictures import picture_file
from pipeline_lib.reporting.shown import cross_validate, dataset, evaluate, train
from pipeline_lib.settings.sections import EvaluateSettings
from pipeline_lib.stages.key import plan
from pipeline_lib.stages.result import Ref
from pipeline_lib.stages.root import ARTIFACTS
from pipeline_lib.stages.store import Store

VIEWS = tuple(view.name for view in TEST_VIEWS)


def _made_up(split: str, classes: Sequence[str], views: Sequence[str], images: int, noise: float) -> Predictions:
    """Return the outputs of a made-up network."""
    rng = np.random.default_rng(0)
    rows = [
        (f"{split}/{name}/{n}.jpg", label, view) for view in views for label, name in enumerate(classes) for n in range(images)
    ]
    keys, labels, names = (np.array(column) for column in zip(*rows, strict=True))
    logits = 3 * np.eye(len(classes))[labels] + noise * rng.normal(size=(len(rows), len(classes)))
    return Predictions(keys, labels, names, logits.astype(np.float32))


def _write_cross_validation(folder: Path, classes: Sequence[str], bins: Sequence[str] | None = None) -> dict[str, Any]:
    """Write the figures of a made-up cross-validation, in which a train image without outputs is not judged."""
    rows = _made_up("train", classes, ("clean", "aug1"), 6, 2.8)
    class_of = {image: classes[label] for image, label in zip(rows.images.tolist(), rows.labels.tolist(), strict=True)}
    alone = {f"train/{classes[0]}/alone.jpg": classes[0]}
    judged = OutOfFold(rows, np.arange(len(rows)) % 3 + 1)
    return evaluate_out_of_fold(folder, judged, class_of | alone, Terms(classes, bins, 0.95, 15))


def _write_evaluation(
    folder: Path,
    classes: Sequence[str],
    views: Sequence[str] = VIEWS,
    images: int = 3,
    noise: float = 2.2,
    temperature: float = 0.8,
    **subject: Any,
) -> Path:
    """Evaluate a made-up network."""
    predictions = _made_up("test", classes, views, images, noise)
    evaluated = Subject(predictions, classes, temperature, views=TEST_VIEWS, **subject)
    evaluate_model(folder, evaluated, EvaluateSettings(), open_image=lambda key: Image.new("RGB", (40, 40), "teal"), seed=1)
    return folder


def _write_history(path: Path, epochs: int = 8) -> Path:
    rows = [f"{n},{0.01 / n},{2 / n},{1 - 0.5 / n},{2.2 / n},{0.9 - 0.5 / n}" for n in range(1, epochs + 1)]
    path.write_text("\n".join(["epoch,lr,train_loss,train_top1,val_loss,val_top1", *rows]) + "\n", encoding="utf-8")
    return path


MODEL = {
    "epochs": 8,
    "best_epoch": 6,
    "stopped_early": False,
    "val_top1": 0.8,
    "parameters": 5_000_000,
    "train_images": 90,
    "val_images": 10,
    "temperature": 0.8,
    "held_out_images": 90,
    "held_out_ece_before": 0.2,
    "held_out_ece_after": 0.1,
}


def _result(store: Store, stage: str, write: Callable[[Path], dict[str, Any]], **settings: Any) -> dict[str, Ref]:
    """A stage's result, kept in a store."""
    planned = plan(stage, "slot", f"tasks.finetune.{stage}", settings)
    return {stage: store.build(planned, "first run", "run", write)}


def _full_report(store: Store, names: Sequence[str]) -> Page:
    """Return a report that holds every part, in which the names of the classes are also all other texts of the user's."""
    name = names[0]
    leaked = {f"test/{key}/{n}.jpg" for key in names[::2] for n in range(3)}
    bins = [names[number % 2] for number in range(len(names))]
    sheet = store.root / "sheet.jpg"
    store.root.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (300, 100), "orange").save(sheet)
    counts = {"train": dict.fromkeys(names, 30), "test": dict.fromkeys(names, 6)}
    described = {"name": name, "what": name, "classes": list(names), "counts": counts, "test_split": "given", "set_aside": 0}

    def cross_validated(folder: Path) -> dict[str, Any]:
        return _write_cross_validation(folder, names, bins)

    unseen = _result(store, "cross_validate", cross_validated)

    def evaluated(folder: Path) -> dict[str, Any]:
        short = unseen_in_short(unseen["cross_validate"].manifest().summary)
        _write_evaluation(folder, names, bins=bins, leaked=leaked, unseen=short)
        return {}

    def trained(folder: Path) -> dict[str, Any]:
        _write_history(folder / "history.csv")
        return MODEL

    settings: dict[str, Any] = {"seed": 1, **{text: {"epochs": 100, "nested": {text: [1, 2.5]}} for text in names}}
    pictures = [block for text in names for block in picture_file("sheet", sheet, text, text)]
    other = [*facts(dict.fromkeys(names, "text")), *pictures]
    stages = {
        "dataset": dataset.show(_result(store, "dataset", lambda folder: described)),
        "other": Shown(name, lead=name, notices=tuple(names), blocks=other),
        "train": train.show(_result(store, "train", trained, **settings)),
        "cross_validate": cross_validate.show(unseen),
        "evaluate": evaluate.show(_result(store, "evaluate", evaluated)),
    }
    timings = {text: {"seconds": 75, "images_per_second": 58.31, "note": text} for text in names}
    return report_page(name, stages, timings, {"commit": name, **dict.fromkeys(names, "text")})


@pytest.fixture(scope="session")
def full_report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Sequence[str]], Page]]:
    """Make a report that holds every part, with these names wherever a user's text may be."""
    with pytest.MonkeyPatch.context() as patch:

        def make(names: Sequence[str]) -> Page:
            root = tmp_path_factory.mktemp("store")
            patch.setenv(ARTIFACTS, str(root))
            return _full_report(Store(root), names)

        yield make


@pytest.fixture(scope="session")
def write_evaluation() -> Callable[..., Path]:
    """Write the evaluation of a made-up network: folder, classes, views, images per class, noise, and what `Subject` takes."""
    return _write_evaluation


@pytest.fixture(scope="session")
def write_cross_validation() -> Callable[..., dict[str, Any]]:
    """Write the figures of a made-up cross-validation: folder, classes, bins; return its summary."""
    return _write_cross_validation
