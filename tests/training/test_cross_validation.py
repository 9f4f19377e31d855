from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_training import CLASSES, SETTINGS, MemoryTable

from pipeline_lib.evaluation.out_of_fold import OutOfFold
from pipeline_lib.models.heads import load_head
from pipeline_lib.models.outputs import logits_of_rows, logits_of_table
from pipeline_lib.training.cross_validation import predict_out_of_fold
from pipeline_lib.training.head import head_trainer, one_thread, train_head
from pipeline_lib.training.rows import FeatureTable, Subset, TooFewSourcesError


def predict(table: FeatureTable, sources: Mapping[str, Hashable] = {}, folds: int = 5, **options: Any) -> OutOfFold:
    return predict_out_of_fold(table, CLASSES, sources, SETTINGS, folds, 1, **options)


def test_each_fold_is_predicted_by_a_head_trained_as_usual_on_the_others() -> None:
    table = MemoryTable()
    judged = predict(table)
    assert judged.predictions.images.tolist() == table.images.tolist()
    assert judged.predictions.views.tolist() == table.views.tolist()
    assert judged.predictions.labels.tolist() == table.labels.tolist()
    held_out, others = np.flatnonzero(judged.folds == 2), np.flatnonzero(judged.folds != 2)
    with one_thread():
        fitted = head_trainer(None, Subset(table, others), CLASSES, {}, SETTINGS, 1).fit()
        expected = logits_of_rows(fitted.step.logits, table.take, held_out)
    assert judged.predictions.logits[held_out].tolist() == expected.tolist()
    assert len(fitted.training.history) > fitted.training.best.epoch  # the validation part chose


def test_features_of_what_is_held_out_have_no_influence_on_what_is_said_of_it() -> None:
    table = MemoryTable()
    before = predict(table)
    row = np.flatnonzero(before.folds == 3)[0]
    seen = table.images == table.images[row]
    table.features[seen] += 1
    after = predict(table)
    unchanged = (before.folds == 3) & ~seen
    assert after.predictions.logits[unchanged].tolist() == before.predictions.logits[unchanged].tolist()
    assert after.predictions.logits[before.folds == 1].tolist() != before.predictions.logits[before.folds == 1].tolist()


def test_the_same_rows_give_the_same_bytes_and_another_seed_others() -> None:
    first, second = (predict(MemoryTable()) for _ in range(2))
    assert first.predictions.logits.tobytes() == second.predictions.logits.tobytes()
    other = predict_out_of_fold(MemoryTable(), CLASSES, {}, SETTINGS, 5, 2)
    assert other.predictions.logits.tobytes() != first.predictions.logits.tobytes()


class Hard(MemoryTable):
    """Images of train and test that have little in common with others of their class.

    Attributes:
        sources: Two neighbours are of one source, one of train and one of test; with ``copies`` they are the same picture.
    """

    def __init__(self, copies: bool) -> None:
        super().__init__()
        random = np.random.default_rng(5)
        self.width = 120
        self.features = random.normal(size=(len(self), self.width)).astype(np.float32)
        self.features[:, :3] += 0.5 * np.eye(3, dtype=np.float32)[self.labels]
        if copies:
            self.features[1::2] = self.features[::2]
        self.images = np.array([key.replace("train/", "test/") if row % 2 else key for row, key in enumerate(self.images)])
        self.sources = {image: number // 2 for number, image in enumerate(self.images[self.views == "clean"].tolist())}


def delivered(table: Hard, folder: Path) -> float:
    """Return top-1 on test of a head that is trained on train."""
    test = np.char.startswith(table.images, "test/")
    train_head(folder, Subset(table, np.flatnonzero(~test)), CLASSES, table.sources, SETTINGS, 1)
    logits = logits_of_table(load_head(folder).logits, Subset(table, np.flatnonzero(test)))
    return float((logits.argmax(axis=1) == table.labels[test]).mean())


def unseen(table: Hard) -> float:
    rows = predict(table, table.sources).predictions
    return float((rows.predicted == rows.labels).mean())


def test_copies_planted_across_train_and_test_raise_the_delivered_figure_and_not_the_honest_one(tmp_path: Path) -> None:
    apart, leaking = Hard(copies=False), Hard(copies=True)
    assert delivered(apart, tmp_path / "apart") < 0.45
    assert delivered(leaking, tmp_path / "leaking") > 0.6
    assert unseen(apart) < 0.45
    assert unseen(leaking) < 0.45


def test_progress_says_which_fold_is_trained() -> None:
    texts: list[str] = []
    predict(MemoryTable(), folds=2, progress=lambda done, total, text: texts.append(text))
    assert list(dict.fromkeys(text.split(",")[0] for text in texts)) == ["fold 1 of 2", "fold 2 of 2"]


@pytest.mark.parametrize("images", [1, 2])
def test_too_few_sources_to_hold_any_out_are_refused(images: int) -> None:
    with pytest.raises(TooFewSourcesError):
        predict(MemoryTable(images=images))
