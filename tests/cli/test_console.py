"""The terminal's tables of figures, from evaluations that were really made."""

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

from cli.console import figures_tables
from pipeline_lib.evaluation.evaluate import Subject, evaluate_model
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.reporting.blocks import Shown
from pipeline_lib.reporting.shown.evaluate import evaluation_blocks
from pipeline_lib.settings.sections import EvaluateSettings


def evaluated(folder: Path, classes: int, leaked: Sequence[str] = (), temperature: float = 0.5) -> dict[str, Any]:
    """Evaluate a made-up network on five images per class, clean and with noise."""
    rows = [(f"test/{label}/{n}.jpg", label, view) for view in ("clean", "aug1") for label in range(classes) for n in range(5)]
    images, labels, views = (np.array(column) for column in zip(*rows, strict=True))
    logits = np.eye(classes)[labels] + np.random.default_rng(0).normal(size=(len(rows), classes))
    names = [str(label) for label in range(classes)]
    predictions = Predictions(images, labels, views, logits.astype(np.float32))
    subject = Subject(predictions, names, temperature, leaked, views=TEST_VIEWS)
    return evaluate_model(folder, subject, EvaluateSettings(mistakes=0), open_image=lambda key: Image.new("L", (8, 8)), seed=1)


def shown(folder: Path, metrics: dict[str, Any]) -> list[list[str]]:
    """The rows of all tables, headings included, as their cells."""
    text = io.StringIO()
    for table in figures_tables([Shown("Evaluation", blocks=evaluation_blocks(folder, metrics))]):
        Console(file=text, width=160).print(table)
    lines = [line.replace("┃", "│") for line in text.getvalue().splitlines() if line[0] in "│┃"]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


@pytest.mark.parametrize(("classes", "k"), [(3, 3), (5, 5), (7, 5)])
def test_the_heading_says_which_k_was_used(tmp_path: Path, classes: int, k: int) -> None:
    headings = shown(tmp_path, evaluated(tmp_path, classes))[0]
    assert headings == ["", "top-1", f"top-{k}"]


def test_once_images_leak_the_figures_without_them_come_first(tmp_path: Path) -> None:
    metrics = evaluated(tmp_path, 3, leaked=("test/0/0.jpg", "test/1/0.jpg"))
    rows = shown(tmp_path, metrics)
    of_test = ["test without leaks", "test as delivered"]
    everything = [*of_test, "data_new/test without leaks", "data_new/test as delivered"]
    assert [row[0] for row in rows] == ["", *everything, "", *everything, "", *of_test]
    shares = [metrics["test_without_leaks"], metrics["test"]]
    assert [row[1].split()[0] for row in rows[1:3]] == [f"{100 * test['top1']:.1f}%" for test in shares]
    keys = ("ece", "ece_before", "ece_of_chance")
    assert rows[-3:] == [
        ["", "error", "unscaled", "by chance"],
        *([name, *(f"{100 * test[key]:.1f}%" for key in keys)] for name, test in zip(of_test, shares, strict=True)),
    ]


def test_without_leaks_nothing_is_doubled(tmp_path: Path) -> None:
    metrics = evaluated(tmp_path, 3, temperature=1.0)
    rows = shown(tmp_path, metrics)
    assert [row[0] for row in rows] == ["", "test", "data_new/test"] * 2 + ["", "test"]
    test = metrics["test"]
    assert rows[-2:] == [["", "error", "by chance"], ["test", *(f"{100 * test[key]:.1f}%" for key in ("ece", "ece_of_chance"))]]
