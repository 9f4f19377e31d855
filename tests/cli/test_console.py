"""The terminal's table of figures, from evaluations that were really made."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from support import TEST_VIEWS

from cli.console import figures_table
from pipeline_lib.evaluation.evaluate import Subject, evaluate_model
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.settings.sections import EvaluateSettings


def evaluated(folder: Path, classes: int, leaked: Sequence[str] = (), temperature: float = 0.5) -> dict[str, Any]:
    """Evaluate a made-up network on five images a class, clean and with noise."""
    rows = [(f"test/{label}/{n}.jpg", label, view) for view in ("clean", "aug1") for label in range(classes) for n in range(5)]
    images, labels, views = (np.array(column) for column in zip(*rows, strict=True))
    logits = np.eye(classes)[labels] + np.random.default_rng(0).normal(size=(len(rows), classes))
    names = [str(label) for label in range(classes)]
    predictions = Predictions(images, labels, views, logits.astype(np.float32))
    subject = Subject(predictions, names, temperature, leaked, views=TEST_VIEWS)
    return evaluate_model(folder, subject, EvaluateSettings(mistakes=0), open_image=lambda key: Image.new("L", (8, 8)), seed=1)


def shown(metrics: dict[str, Any]) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=160).print(figures_table(metrics))
    return text.getvalue().splitlines()


@pytest.mark.parametrize(("classes", "k"), [(3, 3), (5, 5), (7, 5)])
def test_the_heading_says_which_k_was_used(tmp_path: Path, classes: int, k: int) -> None:
    text = "\n".join(shown(evaluated(tmp_path, classes)))
    assert f"top-{k} %" in text
    assert text.count("top-") == 2  # top-1 and this one


def test_once_images_leak_the_figures_without_them_come_first(tmp_path: Path) -> None:
    metrics = evaluated(tmp_path, 3, leaked=("test/0/0.jpg", "test/1/0.jpg"))
    lines = shown(metrics)
    assert [line.split("│")[1].strip() for line in lines if line.startswith("│")] == [
        "test without leaks",
        "test as delivered",
        "data_new/test without leaks",
        "data_new/test as delivered",
    ]
    captions = [line.strip() for line in lines if line.strip().startswith("calibration error")]
    assert captions == [
        f"calibration error{words} {test['ece']:.3f}, unscaled {test['ece_before']:.3f}, by chance {test['ece_of_chance']:.3f}"
        for words, test in ((" without leaks", metrics["test_without_leaks"]), (" as delivered", metrics["test"]))
    ]


def test_without_leaks_nothing_is_doubled(tmp_path: Path) -> None:
    metrics = evaluated(tmp_path, 3, temperature=1.0)
    lines = shown(metrics)
    assert [line.split("│")[1].strip() for line in lines if line.startswith("│")] == ["test", "data_new/test"]
    test = metrics["test"]
    assert [line.strip() for line in lines if "calibration" in line] == [
        f"calibration error {test['ece']:.3f}, by chance {test['ece_of_chance']:.3f}"
    ]
