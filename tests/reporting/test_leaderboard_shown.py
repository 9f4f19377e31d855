"""What a leaderboard shows: who is first, who could as well be, and what the reader must know about the noisy figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline_lib.files.table import write_table
from pipeline_lib.reporting.blocks import Images, Shown, Table
from pipeline_lib.reporting.shown.leaderboard import OWN_NOISE, show
from pipeline_lib.stages.result import Manifest, Ref


def trial(name: str, changes: dict[str, Any], top1: float, *, distinguished: bool) -> dict[str, Any]:
    figures = {kind: {"value": top1, "low": top1 - 0.02, "high": top1 + 0.02} for kind in ("clean", "noisy", "mean")}
    behind = {"value": top1 - 0.9, "low": top1 - 0.92, "high": top1 - 0.88}
    by_seed = {"by_seed": [top1, top1], "behind_by_seed": [top1 - 0.9] * 2, "spread": 0.004}
    return {"name": name, "changes": changes, "figures": figures, "behind": behind, **by_seed, "distinguished": distinguished}


def shown(folder: Path, *trials: dict[str, Any]) -> Shown:
    board = {"rank_by": "clean", "confidence": 0.95, "seeds": [1, 2], "photographs": 100, "sources": 50, "trials": trials}
    (folder / "curves").mkdir()
    (folder / "leaderboard.json").write_text(json.dumps(board))
    (folder / "best.yaml").write_text("train.batch: 8\n")
    for each in trials:
        rows = [(epoch, 2 / epoch, 0.5, 3 / epoch, 0.4, 0.01) for epoch in (1, 2, 3)]
        columns = ("epoch", "train_loss", "train_top1", "val_loss", "val_top1", "lr")
        write_table(folder / "curves" / f"{each['name']}.csv", columns, rows)
    summary = {"about": "About it.", "seconds": {each["name"]: 12.3 for each in trials}}
    manifest = Manifest(
        stage="leaderboard", key="0", parts={}, outputs=(), digest="0", summary=summary, reason="", run="", seconds=1
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return show({"leaderboard": Ref(stage="leaderboard", key="0", digest="0", path=str(folder))})


def test_the_ranking_has_the_paired_difference_and_the_noise_of_the_seeds(tmp_path: Path) -> None:
    first, second = (
        trial(name, {"train.batch": n}, top1, distinguished=n > 8) for name, n, top1 in (("a", 8, 0.9), ("b", 9, 0.8))
    )
    page = shown(tmp_path, first, second)
    table = next(block for block in page.blocks if isinstance(block, Table))
    assert table.role == "figures"
    assert [cell.text for cell in table.rows[0]] == ["a", "90.0%", "90.0%", "best", "0.4", "12.3 s"]
    assert [cell.text for cell in table.rows[1]][3:] == ["-10.0 (-12.0 to -8.0)", "0.4", "12.3 s"]
    assert page.findings[0].startswith("a is better than every other trial")
    assert [block.title for block in page.blocks if isinstance(block, Images)] == ["Behind a", "Curves"]
    assert page.lead == "About it. 2 trials with 2 seeds; top-1 on sources never seen, clean views."
    assert page.notices == ()


def test_a_trial_that_could_as_well_be_first_is_named(tmp_path: Path) -> None:
    page = shown(tmp_path, trial("a", {}, 0.9, distinguished=False), trial("b", {}, 0.899, distinguished=False))
    assert page.findings[0] == "a comes first, but other photographs or seeds could put b before it."


@pytest.mark.parametrize(("changed", "notices"), [("augment_train.sigma_max", (OWN_NOISE,)), ("augment_train.views", ())])
def test_noisy_figures_on_different_noise_come_with_a_notice(tmp_path: Path, changed: str, notices: tuple[str, ...]) -> None:
    page = shown(tmp_path, trial("a", {changed: 10}, 0.9, distinguished=False), trial("b", {}, 0.8, distinguished=True))
    assert page.notices == notices
