"""A planted cause is named: a batch under the wrong class, a setting, other features; on made-up features of known classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline_lib.causes.changes import Change, between, changes_of, in_words
from pipeline_lib.causes.material import Material
from pipeline_lib.causes.why import Seen, explain
from pipeline_lib.errors import PipelineError
from pipeline_lib.features.table import COLUMNS, FEATURES, SHARD_INDEX, FeatureSet
from pipeline_lib.files.table import write_table
from pipeline_lib.settings.sections import TrainSettings
from pipeline_lib.training.head import head_trainer, one_thread

CLASSES = ("Cans", "Eggshell", "Paper")
CENTRES = dict(zip(CLASSES, 3 * np.eye(3, 6, dtype=np.float32), strict=True))
SETTINGS = TrainSettings(epochs=6, warmup_epochs=1, batch=16)
ASKED = CENTRES["Eggshell"] + np.float32([0, 0, 0.2, 0.8, 0, 0])

Photographs = Mapping[str, tuple[str, NDArray[np.float32]]]
"""Class and features of photographs by their digest."""

Make = Callable[..., Material]


def photographs(name: str, count: int, of: NDArray[np.float32], seed: int = 0, as_class: str = "") -> Photographs:
    rng = np.random.default_rng(seed)
    rows = of + rng.normal(0, 0.2, (count, 6)).astype(np.float32)
    return {f"{name} {number:03}": (as_class or name, row) for number, row in enumerate(rows)}


BASE: Photographs = {
    digest: each for seed, name in enumerate(CLASSES) for digest, each in photographs(name, 20, CENTRES[name], seed).items()
}
BAD = photographs("wrong", 14, ASKED, 9, as_class="Paper")
FINE = photographs("fine", 10, CENTRES["Cans"], 10, as_class="Cans")


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """The material of a run, its features in a shard."""

    def material(
        run: str, known: Photographs, settings: TrainSettings = SETTINGS, factor: float = 1, seed: int = 1
    ) -> Material:
        folder = tmp_path / run
        folder.mkdir()
        keys = {digest: f"train/{label}/{digest}.jpg" for digest, (label, _) in known.items()}
        features = np.array([row * factor for _, row in known.values()], np.float32)
        np.save(folder / FEATURES, features)
        rows = ((keys[digest], digest, label, "clean", digest, "") for digest, (label, _) in known.items())
        write_table(folder / SHARD_INDEX, COLUMNS, rows)
        table = FeatureSet([folder], CLASSES)
        by_key = {image: np.array([at], np.int64) for at, image in enumerate(table.images.tolist())}
        sources = {key: number for number, key in enumerate(sorted(by_key))}
        named = {digest: (key,) for digest, key in keys.items()}
        return Material(CLASSES, named, {}, table, by_key, sources, settings, seed, folder, 6)

    return material


def view(material: Material, row: NDArray[np.float32]) -> Seen:
    """What the head of a run says, which is trained here as the run would."""
    trainer = head_trainer(None, material.table, CLASSES, material.sources, material.settings, material.seed)
    with one_thread():
        logits = trainer.fit().step.logits(row[None])[0].astype(np.float64)
    shares = np.exp(logits) / np.exp(logits).sum()
    return Seen(row[None], dict(sorted(zip(CLASSES, shares.tolist(), strict=True), key=lambda item: -item[1])), 1.0)


def test_a_bad_batch_is_named_among_harmless_changes(make: Make) -> None:
    before = make("before", BASE)
    relabelled = {**BASE, "Cans 003": ("Paper", BASE["Cans 003"][1])}
    after = make("after", {**relabelled, **BAD, **FINE}, SETTINGS.model_copy(update={"weight_decay": 0.05}))
    cause = explain(before, after, (view(before, ASKED), view(after, ASKED)))
    assert next(iter(cause.before)) == "Eggshell" == next(iter(cause.without))
    assert next(iter(cause.after)) == "Paper"
    assert in_words(cause.members, "") == "14 photographs added to Paper"
    assert {change.photograph for change in cause.suffice} <= BAD.keys()
    assert next(iter(cause.without_few)) == "Eggshell"
    assert cause.alone


def test_a_changed_setting_is_named_among_harmless_changes(make: Make) -> None:
    known = {**BASE, **photographs("few", 5, ASKED, 9, as_class="Paper")}  # a head that is trained for long follows them
    before = make("before", known)
    after = make("after", {**known, **FINE}, SETTINGS.model_copy(update={"lr_max": 0.3, "dropout": 0.01}))
    both = view(before, ASKED), view(after, ASKED)
    assert next(iter(both[0].answer)) != next(iter(both[1].answer))
    cause = explain(before, after, both)
    assert {change.kind for change in cause.members} == {"setting"}
    assert in_words(cause.members, "") == "the setting train.lr_max 0.01 -> 0.3"


def test_features_that_come_from_other_weights_are_named(make: Make) -> None:
    before, after = make("before", BASE), make("after", {**BASE, **FINE}, factor=-1)
    row = np.float32([2, -2, 0, 0, 0, 0])
    cause = explain(before, after, (view(before, row), view(after, row)))
    assert [change.kind for change in cause.members] == ["features"]
    assert in_words(cause.members, "other weights") == "other weights"


def test_a_copy_under_another_class_counts_as_added_there(make: Make) -> None:
    before, after = make("before", BASE), make("after", BASE)
    digest, (key,) = next(iter(after.keys.items()))
    twice = Material(
        CLASSES,
        {**after.keys, digest: (key, "train/Paper/x.jpg")},
        {},
        after.table,
        after.rows,
        {},
        SETTINGS,
        1,
        after.model,
        6,
    )
    assert changes_of(before, twice) == [Change("added", "Paper", digest)]
    assert changes_of(twice, before) == [Change("removed", "Paper", digest)]


def test_all_changes_taken_back_are_the_first_training_and_none_the_second(make: Make) -> None:
    before, after = make("before", BASE), make("after", {**BASE, **BAD, "Cans 000": ("Paper", BASE["Cans 000"][1])}, seed=2)
    changes = changes_of(before, after)
    for material, taken_back in ((before, changes), (after, [])):
        given = between(before, after, changes, taken_back)
        assert given.table.images.tolist() == material.table.images.tolist()
        assert given.table.labels.tolist() == material.table.labels.tolist()
        rows = np.arange(len(given.table))
        assert np.array_equal(given.table.take(rows), material.table.take(rows))
        assert (given.settings, given.seed) == (material.settings, material.seed)


def test_a_photograph_of_the_same_name_as_another_one_is_not_lost(make: Make) -> None:
    before = make("before", BASE)
    renamed = {f"other {digest}": each for digest, each in BASE.items()}
    after = make("after", renamed)
    keys = {digest: (key.replace("other ", ""),) for digest, (key,) in after.keys.items()}
    rows = {key.replace("other ", ""): row for key, row in after.rows.items()}
    sources = {key.replace("other ", ""): source for key, source in after.sources.items()}
    after.table.images = np.array([image.replace("other ", "") for image in after.table.images.tolist()])
    after = Material(CLASSES, keys, {}, after.table, rows, sources, SETTINGS, 1, after.model, 6)
    changes = changes_of(before, after)
    removed = [change for change in changes if change.kind == "removed"]
    given = between(before, after, changes, removed)
    assert len(set(given.table.images.tolist())) == len(given.table) == 2 * len(BASE)


def test_equal_answers_and_trainings_that_cannot_be_repeated_are_said(make: Make) -> None:
    before, after = make("before", BASE), make("after", {**BASE, **BAD})
    both = view(before, ASKED)
    with pytest.raises(PipelineError, match="Both runs answer Eggshell"):
        explain(before, after, (both, both))
    other = Seen(both.row, {"Cans": 0.9, "Eggshell": 0.1}, 1.0)
    with pytest.raises(PipelineError, match=r"says Cans, but trained again .*dense\.py"):
        explain(before, after, (both, other), ["pipeline_lib/training/dense.py"])
    with pytest.raises(PipelineError, match="the two trainings are the same"):
        explain(before, before, (both, other))


def test_changes_are_counted_by_kind_and_class() -> None:
    changes = [Change("added", "Paper", "a"), Change("added", "Paper", "b"), Change("seed", before="1", after="2")]
    assert in_words(changes, "") == "2 photographs added to Paper and the seed of the training 1 -> 2"
