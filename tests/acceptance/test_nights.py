"""Twenty nights of a growing folder: no champion is replaced by a worse one, judged by photographs the product never saw."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import support
from arrivals import Night, World, divide, script
from support import CommandLine, photographs
from waiting import PATIENCE, a_moment

from pipeline_lib.evaluation.comparison import Estimate, Hits, difference, estimate
from pipeline_lib.stages.result import read_manifest

NIGHTS = "GARBAGE_NIGHTS"
"""An environment variable: how many of the nights are simulated, the first ones."""

# Fewer views and shards than usual, and no robustness grid: a night takes a minute.
SETTINGS = {
    "shards.train": 4,
    "shards.test": 1,
    "augment_train.views": 1,
    "augment_test.views": 1,
    "augment_test.grid_sigmas": [0],
    "augment_test.grid_angles": [0],
}
HELPS = 0.02
"""A gain on the held-out part that must not be missed once it is certain: at the lower end of its interval."""

Row = dict[str, Any]


@dataclass
class HeldOut:
    """The part that the product never sees, and what each model says of it."""

    garbage: CommandLine
    folder: Path
    source_of: Mapping[str, int]
    known: dict[str, Hits] = field(default_factory=dict)

    def judge(self, model: Path) -> Hits:
        if model.name not in self.known:
            answered = self.garbage("predict", "--json", "--model", model, self.folder)
            assert answered.code == 0, answered.err
            rows = sorted(answered.json, key=lambda row: str(row["image"]))
            images = np.array([Path(row["image"]).relative_to(self.folder).as_posix() for row in rows], np.str_)
            right = np.array([row["class"] == Path(row["image"]).parent.name for row in rows], np.float64)
            sources = np.array([self.source_of[image] for image in images.tolist()])
            self.known[model.name] = Hits(images, sources, {"clean": right})
        return self.known[model.name]


def test_no_night_makes_the_champion_worse_and_what_helps_is_promoted(
    garbage: CommandLine, tmp_path: Path, record: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(support, "PATIENCE", 3600)  # a new backbone looks at every photograph
    garbage.settings = {}
    world, held_out = make_world(garbage, tmp_path)
    garbage.settings, garbage.artifacts = dict(SETTINGS), tmp_path / "nights"
    rows: list[Row] = []
    for night in script()[: int(os.environ.get(NIGHTS, "100"))]:
        night.happens(world)
        rows.append({"night": len(rows) + 1, **pass_night(garbage, world, night, held_out)})
        record({"rows": rows, "table": table(rows)})
    for row, after in zip(rows, [*rows[1:], rows[-1]], strict=True):
        if row.get("replaced"):
            assert row["apart"][2] >= 0, row
        if row.get("apart") and row["apart"][1] >= HELPS:
            assert "promoted" in (row["decision"], after.get("decision")), row


COLUMNS = ("night", "what arrives", "train", "decision", "why", "notices", "seconds", "champion", "challenger")


def table(rows: list[Row]) -> list[str]:
    """The nights as lines of Markdown; champion and challenger by top-1 on the held-out part, %."""
    cells = [
        [
            row["night"],
            row["arrival"],
            f"{row['photographs']:,}",
            row["decision"] or "–",
            row["reason"],
            ", ".join(notice["id"] for notice in row["notices"]) or "–",
            round(row["seconds"]),
            *(f"{100 * row[who]:.1f}" if row.get(who) else "–" for who in ("champion", "challenger")),
        ]
        for row in rows
    ]
    return [f"| {' | '.join(map(str, line))} |" for line in (COLUMNS, ["---"] * len(COLUMNS), *cells)]


def make_world(garbage: CommandLine, folder: Path) -> tuple[World, HeldOut]:
    """Find the sources of the photographs, and divide these by them."""
    made = garbage("split", "--json", photographs(), folder / "divided")
    assert made.code == 0, made.err
    stages = garbage.artifacts / "stages"
    dataset, sources = (next(stages.glob(f"{stage}/*/manifest.json")).parent for stage in ("dataset", "sources"))
    world = divide(dataset, sources, folder)
    return world, HeldOut(garbage, world.held_out, world.source_of)


def pass_night(garbage: CommandLine, world: World, night: Night, held_out: HeldOut) -> Row:
    """Let a night pass; return what came of it."""
    if night.edit:
        garbage.edit(*night.edit)
    images = sum(1 for _ in (world.root / "train").glob("*/*"))
    row: Row = {"arrival": night.arrival, "photographs": images}
    before, started = champion(garbage), time.perf_counter()
    if night.killed:
        kill(garbage, world.root)
        return row | {"decision": "", "reason": "killed", "notices": [], "seconds": time.perf_counter() - started}
    finished = garbage.run(world.root, **{name.replace(".", "__"): value for name, value in night.settings.items()})
    row["seconds"] = time.perf_counter() - started
    results = finished.json
    row |= {"became": results["champion"], "notices": results["notices"], "changes": results["changes"]}
    row["unseen"] = results["metrics"]["unseen"]["top1"]
    stays = results["champion"].startswith("the champion since ")  # the date says nothing here
    row["decision"], _, row["reason"] = ("", "", "it is the champion") if stays else results["champion"].partition(": ")
    return row | beside(held_out, before, Path(results["model"]), champion(garbage))


def beside(held_out: HeldOut, before: Path | None, model: Path, now: Path | None) -> Row:
    """Return the figures on the held-out part, and the model of the night less the champion of the night before."""
    challenger = held_out.judge(model)
    row: Row = {"challenger": challenger.figure("clean"), "champion": held_out.judge(now).figure("clean") if now else None}
    if before and before != model:
        apart = estimate(difference(challenger, held_out.judge(before)), "clean", 0.95)
        row |= {"apart": [*_ends(apart)], "replaced": now == model}
    return row


def _ends(apart: Estimate) -> Iterator[float]:
    yield from (apart.value, apart.low, apart.high)


def champion(garbage: CommandLine) -> Path | None:
    link = garbage.artifacts / "latest/garbage-finetune/pictures/champion"
    return link.resolve() if link.is_symlink() else None


def kill(garbage: CommandLine, dataset: Path) -> None:
    """Kill a run with SIGKILL while it cross-validates."""
    process = garbage.start("run", "--json", "--dataset", dataset)
    until = time.monotonic() + PATIENCE
    while not list(garbage.artifacts.glob("stages/cross_validate/*.partial")):
        assert process.poll() is None
        assert time.monotonic() < until
        a_moment()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    done = [path.parent for path in garbage.artifacts.glob("stages/train/*/manifest.json")]
    assert all(read_manifest(folder).outputs for folder in done)
