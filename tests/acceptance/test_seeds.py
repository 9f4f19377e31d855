"""The figures that the documentation promises, as means over three seeds."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import pytest
from support import CommandLine

SEEDS = (1, 2, 3)


def means(rows: list[dict[str, Any]]) -> dict[str, float]:
    return {name: statistics.mean(row[name] for row in rows) for name in rows[0] if name != "seed"}


def trained_on(views: str, dataset: str, garbage: CommandLine) -> list[dict[str, Any]]:
    """The figures of a run under each seed that does not denoise; training on ``clean`` views or on ``all``."""
    rows = []
    for seed in SEEDS:
        finished = garbage.run(dataset, seed=seed, train__views=views, backbone__noise_aware=False)
        metrics = finished.json["metrics"]
        top1 = {name: judged["top1"] for name, judged in metrics.items() if isinstance(judged, dict) and "top1" in judged}
        calibration = metrics.get("test_without_leaks", metrics["test"])
        errors = {"calibration_error": calibration["ece"], "calibration_error_unscaled": calibration["ece_before"]}
        rows.append({"seed": seed, **top1, **errors, "train_seconds": finished.stage("train")["seconds"]})
    return rows


def test_augmented_views_in_training_lift_the_noisy_figure(
    garbage: CommandLine, dataset: str, record: Callable[[Any], None]
) -> None:
    garbage.settings, rows = {}, {}
    for views in ("all", "clean"):
        rows[views] = trained_on(views, dataset, garbage)
        record(rows)
    for noisy in ("unseen_noisy", "data_new_test"):
        assert means(rows["all"])[noisy] >= means(rows["clean"])[noisy] + 0.1
    if dataset != "sample":
        assert means(rows["all"])["unseen"] >= 0.76
        assert means(rows["all"])["unseen_noisy"] >= 0.51
        assert means(rows["all"])["data_new_test"] >= 0.79


@pytest.mark.parametrize("form", ["report", "classic"])
@pytest.mark.parametrize(("epochs", "wanted"), [(5, 0.985), (None, 0.990)], ids=["5-epochs", "early-stopping"])
def test_lenet_reaches_its_accuracy_on_mnist(
    garbage: CommandLine, record: Callable[[Any], None], form: str, epochs: int | None, wanted: float
) -> None:
    garbage.settings, rows = {}, []
    for seed in SEEDS:
        settings = [f"--set=network.form={form}", f"--set=seed={seed}", *([f"--set=train.epochs={epochs}"] if epochs else [])]
        finished = garbage("run", "--flow", "lenet-mnist", "--json", "--dataset", "mnist", *settings)
        if finished.code and "MNIST cannot be downloaded" in finished.json["error"]:
            pytest.skip(finished.json["error"])
        assert finished.code == 0, finished.err
        test = finished.json["metrics"]["test"]
        figures = {name: test[name] for name in ("top1", "top1_low", "top1_high", "loss", "ece")}
        rows.append({"seed": seed, **figures, "train_seconds": finished.stage("train")["seconds"]})
        record(rows)
    assert means(rows)["top1"] >= wanted
