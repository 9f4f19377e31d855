"""Thirty runs are pruned, killed ten times on the way: what is kept verifies and is reused; bytes before and after."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support import CommandLine, Finished

RUNS, KEEP, KILLS, CHOSEN, PINNED = 30, 7, 10, 4, 9


def settings(number: int) -> dict[str, Any]:
    return {"train__label_smoothing": number / 100}


def age(artifacts: Path) -> None:
    """Let all results be older than a day, so that they may be pruned."""
    for manifest in artifacts.glob("stages/*/*/manifest.json"):
        os.utime(manifest, (time.time() - 200_000,) * 2)


def test_a_store_of_thirty_runs(garbage: CommandLine, tiny_dataset: Path, record: Callable[[Any], None]) -> None:
    runs = [garbage.run(tiny_dataset, **settings(number)) for number in range(RUNS)]
    champion = runs[CHOSEN].stage("train")["key"]
    assert garbage("promote", champion).code == 0
    kept = {each["key"]: each["folder"] for each in garbage("models", "--json").json["models"]}
    records = sorted((garbage.artifacts / "runs").glob("*.json"), key=lambda path: path.stat().st_mtime)
    assert garbage("pin", records[PINNED].stem).code == 0
    age(garbage.artifacts)
    before = {number: statuses(garbage, tiny_dataset, number) for number in (CHOSEN, PINNED, RUNS - 1)}
    planned = garbage("prune", "--keep", str(KEEP), "--dry-run", "--json").json

    kills, rng = 0, random.Random(1)
    while kills < KILLS:
        pruning = garbage.start("prune", "--keep", str(KEEP))
        try:
            pruning.wait(rng.uniform(0.2, 1.5))
        except subprocess.TimeoutExpired:
            kills += 1
        pruning.kill()
        pruning.communicate()
        assert garbage("verify").code == 0
    last = garbage("prune", "--keep", str(KEEP), "--json").json
    assert garbage("verify").code == 0
    assert last["kept"] == planned["kept"]
    assert not list(garbage.artifacts.glob("stages/*/*.removed"))
    for number, was in before.items():
        assert statuses(garbage, tiny_dataset, number) == was
        assert {status for name, status in was.items() if name != "report"} == {"reused"}  # it counts the looks since then
    there = {path for path in kept.values() if Path(path).exists()}
    record({"bytes before": planned["bytes"] + planned["kept"], "after": last["kept"], "models": [len(kept), len(there)]})
    assert Path(kept[champion]).exists()
    assert len(there) == KEEP + 2


def statuses(garbage: CommandLine, dataset: Path, number: int) -> dict[str, str]:
    finished: Finished = garbage("status", "--json", "--dataset", dataset, **settings(number))
    return finished.statuses
