"""Planted causes between two runs are named, on photographs: a bad batch, a changed setting, other weights; seconds of each."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import CommandLine, Finished, photographs

BATCH = 14
FEW_VIEWS = {
    "augment_train.views": 1,
    "augment_test.views": 1,
    "augment_test.grid_sigmas": [0],
    "augment_test.grid_angles": [0],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with zipfile.ZipFile(photographs()) as archive:
        archive.extractall(tmp_path / "data")
    (train,) = (tmp_path / "data").rglob("train")
    return train.parent


def run_ids(garbage: CommandLine) -> dict[str, str]:
    """The id of each run by the key of its model; the last run of a model counts."""
    shown = {}
    for record in sorted((garbage.artifacts / "runs").glob("*.json"), key=lambda path: path.stat().st_mtime):
        run = garbage("show", record.stem, "--json").json
        (train,) = (row for row in run["stages"] if row["stage"] == "train")
        shown[train["keys"][0]] = record.stem
    return shown


def answers(garbage: CommandLine, run: Finished, folder: Path) -> dict[str, str]:
    model = garbage.artifacts / "stages" / "train" / run.stage("train")["key"]
    finished = garbage("predict", folder / "test", "--model", model, "--json")
    return {row["image"]: row["class"] for row in finished.json}


def flipped(before: dict[str, str], after: dict[str, str], to: str | None = None) -> list[str]:
    return [image for image, name in after.items() if name != before[image] and to in (None, name)]


def test_planted_causes_are_named(garbage: CommandLine, folder: Path, record: Callable[[Any], None]) -> None:
    garbage.settings = dict(FEW_VIEWS)
    bad, others = folder / "train/Cardboard", sorted((folder / "train/Eggshell").glob("*"))
    base = garbage.run(folder)
    shown = answers(garbage, base, folder)
    rows: list[dict[str, Any]] = []

    setting = garbage.run(folder, train__epochs=3)
    weights = garbage.run(folder, backbone__architecture="efficientnet_lite0")
    for number, image in enumerate(sorted((folder / "test/Eggshell").glob("*")) + others):
        if number < BATCH:  # Eggshells under Cardboard, as a person might file them; and harmless news
            (bad / f"batch-{number}.jpg").write_bytes(image.read_bytes() + b"\0")
    for image in sorted((folder / "train/Hats").glob("*"))[:20]:
        image.unlink()
    batch = garbage.run(folder)

    ids = run_ids(garbage)
    planted = {"added": (batch, "Cardboard"), "setting": (setting, None), "features": (weights, None)}
    for kind, (run, to) in planted.items():
        images = flipped(shown, answers(garbage, run, folder), to)
        assert images, kind
        first, second = (ids[each.stage("train")["key"]] for each in (base, run))
        done = garbage("why", images[0], "--between", first, second, "--json")
        assert done.code == 0, done.err
        rows.append({"planted": kind, "flipped": len(images), **done.json})
        record(rows)
        assert {each["kind"] for each in done.json["cause"]} == {kind}
    assert rows[0]["cause"][0]["what"] == "Cardboard"
    assert rows[0]["cause"][0]["files"] == BATCH
    assert rows[1]["cause"][0]["what"] == "train.epochs"
