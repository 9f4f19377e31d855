from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline_lib.errors import PipelineError
from pipeline_lib.models.classifier import Classifier
from pipeline_lib.settings.sections import TrainingSettings
from pipeline_lib.training.checkpoints import Checkpoints
from pipeline_lib.training.loop import Epoch, Plan, Step, Training, fit
from pipeline_lib.training.steps import NetworkStep

STEPS = 3


def make_step(epochs: int, lr: float = 0.1) -> tuple[Step, Plan]:
    schedule = np.full(epochs * STEPS, lr, np.float32)
    step = NetworkStep(Classifier(4, 2, seed=1), schedule, TrainingSettings(weight_decay=0.0, label_smoothing=0.0), classes=2)
    return step, Plan(epochs, STEPS, schedule, patience=2)


def batches(epoch: int) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    random = np.random.default_rng((1, epoch))
    return [(random.normal(size=(8, 4)).astype(np.float32), random.integers(0, 2, 8).astype(np.int32)) for _ in range(STEPS)]


def weight(step: Step) -> NDArray[Any]:
    return step.parameters()["output.weight"]


def checkpoints(folder: Path, every: int = 1000) -> Checkpoints:
    return Checkpoints(folder / "checkpoints", "test", every, keep=20)


def test_the_parameters_of_the_epoch_with_the_lowest_validation_loss_are_left(tmp_path: Path) -> None:
    step, plan = make_step(epochs=10)
    losses = iter([3.0, 1.0, 2.0, 0.5, 0.9, 0.5, 0.1])
    after_epoch: dict[int, NDArray[Any]] = {}

    def remember(row: Epoch) -> None:
        after_epoch[row.epoch] = weight(step)

    training = fit(step, plan, batches, lambda: (next(losses), 0.5), checkpoints(tmp_path), on_epoch=remember)
    # Epoch 6 only equals the best, so patience 2 ends after it and the 0.1 is never reached.
    assert [row.epoch for row in training.history] == [1, 2, 3, 4, 5, 6]
    assert training.best.epoch == 4
    assert np.array_equal(weight(step), after_epoch[4])
    assert not np.array_equal(after_epoch[4], after_epoch[6])


def test_without_validation_all_epochs_run_and_the_last_parameters_are_left(tmp_path: Path) -> None:
    step, plan = make_step(epochs=6)
    after_epoch: dict[int, NDArray[Any]] = {}

    def remember(row: Epoch) -> None:
        after_epoch[row.epoch] = weight(step)

    training = fit(step, plan, batches, None, checkpoints(tmp_path), on_epoch=remember)
    assert training.best.epoch == len(training.history) == 6
    assert np.array_equal(weight(step), after_epoch[6])


def test_a_training_interrupted_again_and_again_ends_the_same(tmp_path: Path) -> None:
    losses = [1.0, 0.9, 0.95, 0.8, 0.85, 0.9]

    def run(folder: Path, until: int) -> tuple[list[Epoch], NDArray[Any]]:
        step, plan = make_step(epochs=10)
        done: list[Epoch] = []

        def stop(row: Epoch) -> None:
            done.append(row)
            if row.epoch == until:
                raise KeyboardInterrupt

        start = len(list((folder / "checkpoints").glob("*.ckpt")))
        remaining = iter(losses[start:])
        training = fit(step, plan, batches, lambda: (next(remaining), 0.5), checkpoints(folder, every=1), on_epoch=stop)
        return training.history, weight(step)

    expected = run(tmp_path / "whole", until=0)
    for epoch in (1, 4, 6):  # the first one, the best one, and the one after which patience is at its end
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "parts", until=epoch)
    history, parameters = run(tmp_path / "parts", until=0)
    assert history == expected[0]
    assert np.array_equal(parameters, expected[1])


def test_what_is_watched_is_kept_and_chooses_nothing(tmp_path: Path) -> None:
    seen: list[int] = []

    def watch(row: Epoch) -> float:
        seen.append(row.epoch)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return 1.0 - row.epoch / 10  # the first epoch looks best to whoever watches

    def run() -> Training:
        losses = iter([3.0, 2.0, 1.0, 2.0, 3.0][len(seen) - (len(seen) > 1) :])
        step, plan = make_step(epochs=10)
        return fit(step, plan, batches, lambda: (next(losses), 0.5), checkpoints(tmp_path, every=1), watch=watch)

    with pytest.raises(KeyboardInterrupt):
        run()
    training = run()
    assert seen == [1, 2, 2, 3, 4, 5]
    assert training.watched == [pytest.approx(1.0 - epoch / 10) for epoch in range(1, 6)]
    assert training.best.epoch == 3


def test_progress_never_goes_back_and_ends_complete(tmp_path: Path) -> None:
    step, plan = make_step(epochs=4)
    calls: list[tuple[int, int, str]] = []
    losses = iter([1.0, 2.0, 3.0])
    fit(step, plan, batches, lambda: (next(losses), 0.5), checkpoints(tmp_path), progress=lambda *call: calls.append(call))
    assert [done for done, _, _ in calls] == [0, 3, 6, 12]
    assert {total for _, total, _ in calls} == {12}
    assert calls[-1][2] == "best epoch 1 of 3"


def test_training_figures_are_means_over_the_batches(tmp_path: Path) -> None:
    step, plan = make_step(epochs=1, lr=0.0)
    training = fit(step, plan, batches, lambda: (1.0, 0.5), checkpoints(tmp_path))
    inputs, labels = (np.concatenate(parts) for parts in zip(*batches(1), strict=True))
    logits = inputs @ weight(step).T
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]
    assert training.history[0].train_loss == pytest.approx(losses.mean(), rel=1e-5)
    assert training.history[0].train_top1 == pytest.approx((logits.argmax(axis=1) == labels).mean())


def test_a_loss_that_is_no_number_ends_the_training_with_advice(tmp_path: Path) -> None:
    step, plan = make_step(epochs=3)
    with pytest.raises(PipelineError, match="epoch 1 is not a finite number; lower the learning rate"):
        fit(step, plan, batches, lambda: (float("nan"), 0.5), checkpoints(tmp_path))


@given(losses=st.lists(st.integers(0, 5), min_size=1, max_size=12), patience=st.integers(1, 6))
def test_early_stopping_follows_its_rule(losses: list[int], patience: int) -> None:
    training = Training([Epoch(number, 0.1, 0.0, 0.0, float(loss), 0.0) for number, loss in enumerate(losses, start=1)])
    assert training.best.epoch == losses.index(min(losses)) + 1
    without_gain = len(losses) - 1 - losses.index(min(losses))
    assert training.is_over(patience) == (without_gain >= patience)
