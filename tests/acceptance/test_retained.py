"""Thirty runs are pruned, killed ten times on the way: what is kept verifies and is reused; bytes before and after."""

from __future__ import annotations

import os
import random
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

    rng, gone = random.Random(1), len(planned["results"])
    there = results(garbage)
    for left in sorted((there - rng.randrange(gone) for _ in range(KILLS)), reverse=True):
        pruning = garbage.start("prune", "--keep", str(KEEP))
        while pruning.poll() is None and results(garbage) > left:
            pass
        pruning.kill()
        pruning.communicate()
        assert garbage("verify").code == 0
    last = garbage("prune", "--keep", str(KEEP), "--json").json
    assert garbage("verify").code == 0
    models = {path for path in kept.values() if Path(path).exists()}
    sizes = {"bytes before": planned["bytes"] + planned["kept"], "bytes after": last["kept"]}
    record({**sizes, "results before": there, "results after": results(garbage), "models": [len(kept), len(models)]})
    assert last["kept"] == planned["kept"]
    assert not list(garbage.artifacts.glob("stages/*/*.removed"))
    for number, was in before.items():
        assert statuses(garbage, tiny_dataset, number) == was
        # A report counts the looks since then, a chart the nights; the other runs have not met this champion yet.
        rest = {"report", "nights"} | ({"changes", "promote", "champion features"} if number != CHOSEN else set())
        assert {name for name, status in was.items() if status != "reused"} <= rest
    assert Path(kept[champion]).exists()
    assert len(models) == KEEP + 2


def results(garbage: CommandLine) -> int:
    return sum("." not in path.name for path in garbage.artifacts.glob("stages/*/*"))


def statuses(garbage: CommandLine, dataset: Path, number: int) -> dict[str, str]:
    finished: Finished = garbage("status", "--json", "--dataset", dataset, **settings(number))
    return finished.statuses
