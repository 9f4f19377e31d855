from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import TEST_VIEWS

from pipeline_lib.evaluation.evaluate import Subject, evaluate_model
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.reporting.content import Picture, ReportContent, Timing
from pipeline_lib.settings.sections import EvaluateSettings

VIEWS = tuple(view.name for view in TEST_VIEWS)


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
    rng = np.random.default_rng(0)
    rows = [
        (f"test/{name}/{n}.jpg", label, view) for view in views for label, name in enumerate(classes) for n in range(images)
    ]
    keys, labels, names = (np.array(column) for column in zip(*rows, strict=True))
    logits = 3 * np.eye(len(classes))[labels] + noise * rng.normal(size=(len(rows), len(classes)))
    predictions = Predictions(keys, labels, names, logits.astype(np.float32))
    evaluated = Subject(predictions, classes, temperature, views=TEST_VIEWS, **subject)
    evaluate_model(folder, evaluated, EvaluateSettings(), open_image=lambda key: Image.new("RGB", (40, 40), "teal"), seed=1)
    return folder


def _write_history(path: Path, epochs: int = 8) -> Path:
    rows = [f"{n},{0.01 / n},{2 / n},{1 - 0.5 / n},{2.2 / n},{0.9 - 0.5 / n}" for n in range(1, epochs + 1)]
    path.write_text("\n".join(["epoch,lr,train_loss,train_top1,val_loss,val_top1", *rows]) + "\n", encoding="utf-8")
    return path


def _full_content(folder: Path, names: Sequence[str]) -> ReportContent:
    """Return a content that holds every part, in which the names of the classes are also all other texts of the user's."""
    name, named = names[0], dict.fromkeys(names, "text")
    leaked = {f"test/{key}/{n}.jpg" for key in names[::2] for n in range(3)}
    bins = [names[number % 2] for number in range(len(names))]
    Image.new("RGB", (300, 100), "orange").save(folder / "sheet.jpg")
    return ReportContent(
        title=name,
        summary=name,
        notices=tuple(names),
        dataset=named | {"images": 5_000_000},
        class_counts={"train": dict.fromkeys(names, 30), "test": dict.fromkeys(names, 6)},
        audit={"name": name, "other": names[-1]},
        data_pictures=tuple(Picture(path=folder / "sheet.jpg", title=text, caption=text) for text in names),
        model={"weights": name},
        history=_write_history(folder / "history.csv"),
        best_epoch=6,
        evaluation=_write_evaluation(folder / "evaluation", names, bins=bins, leaked=leaked),
        settings={"seed": 1, **{text: {"epochs": 100, "nested": {text: [1, 2.5]}} for text in names}},
        timings=tuple(Timing(stage=text, seconds=75, images_per_second=58.31, note=text) for text in names),
        versions=named,
        commit=name,
    )


@pytest.fixture(scope="session")
def full_content(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Sequence[str]], ReportContent]:
    """Make a content that holds every part, with these names wherever a user's text may stand."""
    return lambda names: _full_content(tmp_path_factory.mktemp("content"), names)


@pytest.fixture(scope="session")
def write_evaluation() -> Callable[..., Path]:
    """Write the evaluation of a made-up network: folder, classes, views, images a class, noise, and what `Subject` takes."""
    return _write_evaluation
