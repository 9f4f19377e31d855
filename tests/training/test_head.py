from __future__ import annotations

import csv
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import small_training
from small_training import CLASSES, SETTINGS, WIDTH, MemoryTable, train
from threadpoolctl import threadpool_info, threadpool_limits

from pipeline_lib.errors import PipelineError
from pipeline_lib.evaluation.calibration import calibration_error_of, fit_temperature
from pipeline_lib.models.classifier import Classifier
from pipeline_lib.models.heads import HeadSpec, load_head, write_head
from pipeline_lib.models.inference import Predictor
from pipeline_lib.models.outputs import logits_of_table
from pipeline_lib.models.parameters import assign, parameters_of, read_parameters
from pipeline_lib.training.head import train_head

STEPS_PER_EPOCH = 2 * 36 * len(CLASSES) // SETTINGS.batch  # two views of the 36 images per class that are not held out


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training, not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "summary.json").write_text(json.dumps(train(folder)))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "summary.json"
    }


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_folder_holds_the_head_its_history_and_the_last_checkpoints(trained: Path) -> None:
    summary = json.loads((trained / "summary.json").read_text())
    last = summary["epochs"] // 2 * 2
    expected = {"head.npz", "head.json", "history.csv", "holdout.csv", "best.ckpt"}
    expected |= {f"checkpoints/epoch-{epoch:03d}.ckpt" for epoch in (last - 4, last - 2, last)}
    last = summary["best_epoch"] // 2 * 2
    expected |= {f"checkpoints-refit/epoch-{epoch:03d}.ckpt" for epoch in (last - 4, last - 2, last) if epoch > 0}
    last = summary["best_epoch"] // 2 * 2
    for fold in range(1, 6):
        expected |= {f"checkpoints-fold-{fold}/epoch-{epoch:03d}.ckpt" for epoch in (last - 4, last - 2, last) if epoch > 0}
    assert set(contents(trained)) == expected


def test_the_history_says_the_epochs_that_ran_and_the_summary_the_best(trained: Path) -> None:
    summary = json.loads((trained / "summary.json").read_text())
    history = table(trained / "history.csv")
    assert list(history[0]) == ["epoch", "lr", "train_loss", "train_top1", "val_loss", "val_top1"]
    assert [int(row["epoch"]) for row in history] == list(range(1, summary["epochs"] + 1))
    best = min(history, key=lambda row: float(row["val_loss"]))
    assert summary["best_epoch"] == int(best["epoch"])
    assert summary["val_top1"] == pytest.approx(float(best["val_top1"]), rel=1e-5)
    assert summary["steps"] == summary["epochs"] * STEPS_PER_EPOCH
    assert summary["parameters"] == WIDTH * len(CLASSES) + len(CLASSES)


def judged_head(trained: Path) -> Classifier:
    """The head of the best epoch, which has not seen the validation part."""
    head = Classifier(WIDTH, len(CLASSES))
    assign(head, read_parameters(trained / "best.ckpt"), "best.ckpt", "")
    return head


def test_the_head_has_learned_and_is_the_one_of_the_best_epoch(trained: Path) -> None:
    head, spec = judged_head(trained), load_head(trained).spec
    features = MemoryTable()
    held_out = [row["image"] for row in table(trained / "holdout.csv") if row["part"] == "validation"]
    rows = np.flatnonzero(np.isin(features.images, held_out))
    top1 = (logits_of_table(Predictor(head).outputs, features)[rows].argmax(axis=1) == features.labels[rows]).mean()
    history = {int(row["epoch"]): row for row in table(trained / "history.csv")}
    assert top1 == pytest.approx(float(history[spec.best_epoch]["val_top1"]), abs=1e-4)
    assert top1 > 0.8


def test_without_a_refit_the_temperature_fits_the_clean_views_of_the_validation_images(tmp_path: Path) -> None:
    train(tmp_path, SETTINGS.model_copy(update={"refit": False, "val_share": 0.4}))
    head = load_head(tmp_path)
    features = MemoryTable()
    held_out = [row["image"] for row in table(tmp_path / "holdout.csv") if row["part"] == "validation"]
    rows = np.flatnonzero(np.isin(features.images, held_out) & (features.views == "clean"))
    expected = fit_temperature(logits_of_table(head.logits, features)[rows], features.labels[rows])
    assert head.spec.temperature == pytest.approx(expected, abs=1e-4) != 1


def with_odd_validation_images(images: int) -> MemoryTable:
    """A table in which the last tenth of each class, the validation part, is much harder than all other images."""
    features = MemoryTable(images=images)
    odd = np.array([int(Path(key).stem) >= 0.9 * images for key in features.images.tolist()])
    features.features[odd] += np.random.default_rng(3).normal(scale=2.0, size=(odd.sum(), WIDTH)).astype(np.float32)
    return features


def test_the_shipped_head_is_as_sure_as_it_is_right_whatever_the_validation_part_is_like(tmp_path: Path) -> None:
    summary = train_head(tmp_path, with_odd_validation_images(100), CLASSES, {}, SETTINGS, 1)
    head = load_head(tmp_path)
    fresh = MemoryTable(images=1000, views=("clean",))
    logits = logits_of_table(head.logits, fresh)
    before, after = (calibration_error_of(logits / divisor, fresh.labels) for divisor in (1, head.spec.temperature))
    assert after < 0.06 < 0.2 < before
    assert summary["held_out_ece_before"] == pytest.approx(before, abs=0.06)
    assert summary["held_out_ece_after"] == pytest.approx(after, abs=0.06)
    assert summary["held_out_images"] == 300


def test_a_refit_sees_all_of_train_for_as_many_epochs_as_were_best(trained: Path, tmp_path: Path) -> None:
    spec = load_head(trained).spec
    newest = max((trained / "checkpoints-refit").iterdir())
    assert int(newest.stem.removeprefix("epoch-")) == spec.best_epoch // 2 * 2
    judged = parameters_of(judged_head(trained))
    assert not np.array_equal(judged["output.weight"], load_head(trained).arrays["output.weight"])
    train(tmp_path, SETTINGS.model_copy(update={"refit": False}))
    again = load_head(tmp_path).arrays
    assert all(np.array_equal(again[name], judged[name]) for name in judged)
    assert not (tmp_path / "best.ckpt").exists()


@pytest.mark.parametrize("hidden", [0, 5])
@pytest.mark.parametrize("noise_aware", [False, True])
def test_a_heads_logits_are_those_of_the_network_that_was_trained(hidden: int, noise_aware: bool, tmp_path: Path) -> None:
    network = Classifier(WIDTH, len(CLASSES), hidden, noise_aware=noise_aware, seed=3)
    spec = HeadSpec(
        classes=CLASSES,
        in_features=WIDTH,
        hidden=hidden,
        noise_aware=noise_aware,
        temperature=1.0,
        best_epoch=1,
        parameters=sum(array.size for array in parameters_of(network).values()),
    )
    write_head(tmp_path, spec, parameters_of(network))
    rows = np.random.default_rng(0).normal(size=(50, WIDTH + noise_aware)).astype(np.float32)
    np.testing.assert_allclose(load_head(tmp_path).logits(rows), Predictor(network).outputs(rows), rtol=1e-4, atol=1e-6)


def test_all_rows_of_a_table_are_computed_in_their_order(trained: Path) -> None:
    head, features = load_head(trained), MemoryTable(images=350)  # more rows than one read
    np.testing.assert_allclose(logits_of_table(head.logits, features), head.logits(features.features), rtol=1e-5)


def test_a_second_training_writes_the_same_bytes_and_another_seed_does_not(trained: Path, tmp_path: Path) -> None:
    train(tmp_path / "same")
    train(tmp_path / "other", seed=2)
    assert contents(tmp_path / "same") == contents(trained)
    assert contents(tmp_path / "other")["head.npz"] != contents(trained)["head.npz"]


def test_products_are_computed_by_one_thread_so_that_the_bytes_do_not_depend_on_their_number(tmp_path: Path) -> None:
    def threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    seen: list[set[int]] = []
    with threadpool_limits(2, user_api="blas"):
        before = threads()  # libraries of other tests may have their own limit
        train(tmp_path, progress=lambda done, total, text: seen.append(threads()))
        assert threads() == before
        assert 2 in before
    assert all(each == {1} for each in seen)


def kill_at(step: int, folder: Path) -> None:
    """Train in another process and kill it at a step."""
    kill_when(lambda done: done >= step, folder)


def kill_when(is_time: Callable[[int], bool], folder: Path) -> None:
    """Train in another process and kill it when it is time, which gets the steps done and asked every few of them."""
    program = [sys.executable, str(Path(small_training.__file__)), str(folder)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        program, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in process.stdout:
            if is_time(int(line)):
                process.kill()
                break
            process.stdin.write("\n")
        assert process.wait() == -signal.SIGKILL


def test_a_training_killed_twice_ends_with_the_same_bytes(
    trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kill_at(STEPS_PER_EPOCH + 25, tmp_path)  # in the midst of epoch 2, before the first checkpoint
    kill_at(5 * STEPS_PER_EPOCH + 25, tmp_path)  # in the midst of epoch 6, after the second one
    assert not (tmp_path / "head.npz").exists()
    with caplog.at_level(logging.INFO, logger="pipeline_lib"):
        train(tmp_path)
    assert "Resumed after epoch 4" in caplog.text
    assert contents(tmp_path) == contents(trained)


def test_a_training_killed_between_its_folds_ends_with_the_same_bytes(trained: Path, tmp_path: Path) -> None:
    kill_when(lambda done: any((tmp_path / "checkpoints-fold-2").glob("*.ckpt")), tmp_path)
    assert not (tmp_path / "head.npz").exists()
    train(tmp_path)
    assert contents(tmp_path) == contents(trained)


def test_checkpoints_of_other_settings_are_not_used(trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    train(tmp_path, SETTINGS.model_copy(update={"weight_decay": 0.01}))
    with caplog.at_level(logging.INFO, logger="pipeline_lib"):
        train(tmp_path)
    assert "another training" in caplog.text
    assert "Resumed" not in caplog.text
    assert contents(tmp_path) == contents(trained)


def test_a_head_with_a_hidden_layer_comes_back(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(
        update={"hidden": 6, "optimizer": "adam", "views": "clean", "epochs": 3, "checkpoint_every": 5}
    )
    summary = train(tmp_path / "new" / "folder", settings)
    head = load_head(tmp_path / "new" / "folder")
    assert head.spec.hidden == 6
    assert summary["train_rows"] == summary["train_images"] == 36 * len(CLASSES)
    assert logits_of_table(head.logits, MemoryTable()).shape == (240, len(CLASSES))


def test_a_missing_head_is_reported(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"no trained head in .*: head.json is missing"):
        load_head(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": 3}, "hidden.0.weight is missing"),
        ({"in_features": 5}, "output.weight has shape"),
        *[
            ({"temperature": value}, "head.json is damaged: temperature: Input should be")
            for value in (0.0, -1.0, 1e-300, 1e300, float("inf"), float("nan"))
        ],
        ({"in_features": 10**15}, "head.json is damaged: in_features: Input should be"),
        ({"hidden": 10**15}, "head.json is damaged: hidden: Input should be"),
        ({"surplus": 1}, "head.json is damaged"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(
    trained: Path, tmp_path: Path, change: dict[str, float], message: str
) -> None:
    (tmp_path / "head.npz").write_bytes((trained / "head.npz").read_bytes())
    (tmp_path / "head.json").write_text(json.dumps(json.loads((trained / "head.json").read_text()) | change))
    with pytest.raises(PipelineError, match=message):
        load_head(tmp_path)


def test_a_damaged_head_is_refused(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "head.json").write_bytes((trained / "head.json").read_bytes())
    with pytest.raises(PipelineError, match=r"head.npz is missing"):
        load_head(tmp_path)
    (tmp_path / "head.npz").write_bytes((trained / "head.npz").read_bytes()[:50])
    with pytest.raises(PipelineError, match="damaged"):
        load_head(tmp_path)
