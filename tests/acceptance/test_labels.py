"""A planted experiment: labels are flipped, the flags are compared with what is known, and a person who knows decides."""

from __future__ import annotations

import shutil
import statistics
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import write_shapes
from support import CommandLine, Finished, photographs

from pipeline_lib.files.digest import file_sha256
from pipeline_lib.files.table import read_table
from pipeline_lib.labels.record import record as decide

SHARE = 0.05
SEEDS = (1, 2, 3)
SHAPES = {"augment_train.views": 1, "augment_test.views": 1, "augment_test.grid_sigmas": [0], "augment_test.grid_angles": [0]}


@pytest.fixture(params=["shapes", "photographs"])
def clean(request: pytest.FixtureRequest, tmp_path: Path, garbage: CommandLine) -> Path:
    """A dataset whose labels are right: drawn ones; those of the photographs are believed to be."""
    garbage.settings = dict(SHAPES)
    if request.param == "shapes":
        return write_shapes(tmp_path / "clean")
    with zipfile.ZipFile(photographs()) as archive:
        archive.extractall(tmp_path / "clean")
    (train,) = (tmp_path / "clean").rglob("train")
    return train.parent


def flip(clean: Path, root: Path, seed: int) -> tuple[Path, dict[str, str]]:
    """Copy a dataset, a share of train under other classes; return it, and the true class by digest."""
    shutil.copytree(clean, root)
    files, classes = sorted((root / "train").rglob("*.jpg")), sorted(path.name for path in (root / "train").iterdir())
    rng, truth = np.random.default_rng(seed), {}
    for file in rng.choice(np.array(files, object), round(SHARE * len(files)), replace=False):
        true = file.parent.name
        truth[file_sha256(file)] = true
        file.rename(
            root / "train" / str(rng.choice([each for each in classes if each != true])) / f"flipped-{true}-{file.name}"
        )
    return root, truth


def planted(garbage: CommandLine, dataset: Path, truth: dict[str, str], seed: int) -> dict[str, Any]:
    """The figures of one seed: how good the flags are, and the model with the flips, without those flagged, and without any."""
    first = garbage.run(dataset, seed=seed)
    (listed,) = garbage.artifacts.glob(f"stages/labels/{first.stage('labels')['key']}/suspects.csv")
    suspects = read_table(listed)
    flagged = {row["sha256"] for row in suspects}
    found = flagged & truth.keys()
    suggested = sum(truth.get(row["sha256"]) == row["suggested"] for row in suspects)
    for digest in flagged:
        decide(dataset / "labels.csv", [digest], truth.get(digest, "keep"))
    second = garbage.run(dataset, seed=seed)
    asked_again = {row["sha256"] for row in read_table(suspects_of(garbage, second))} & flagged
    for digest, true in truth.items():
        decide(dataset / "labels.csv", [digest], true)
    third = garbage.run(dataset, seed=seed)
    return {
        "seed": seed,
        "flips": len(truth),
        "flags": len(flagged),
        "precision": len(found) / len(flagged),
        "precision_of_first_40": statistics.mean(row["sha256"] in truth for row in suspects[:40]),
        "recall": len(found) / len(truth),
        "right_suggestions": suggested / max(len(found), 1),
        "asked_again": len(asked_again),
        "with_flips": figures(first),
        "flagged_decided": figures(second),
        "without_flips": figures(third),
    }


def suspects_of(garbage: CommandLine, run: Finished) -> Path:
    return garbage.artifacts / "stages" / "labels" / run.stage("labels")["key"] / "suspects.csv"


def figures(run: Finished) -> dict[str, float]:
    return {name: run.json["metrics"][name]["top1"] for name in ("test", "data_new_test")}


def test_flipped_labels_are_flagged_and_decisions_restore_the_model(
    garbage: CommandLine, clean: Path, tmp_path: Path, record: Callable[[Any], None]
) -> None:
    rows = []
    for seed in SEEDS:
        dataset, truth = flip(clean, tmp_path / str(seed) / "flipped", seed)
        rows.append(planted(garbage, dataset, truth, seed))
        record(rows)
    assert all(row["asked_again"] == 0 for row in rows)
    assert statistics.mean(row["precision"] for row in rows) >= 0.5
    assert statistics.mean(row["recall"] for row in rows) >= 0.6
