"""After a pruning the last run of a real flow is reused whole, and an earlier one is computed again where it differs."""

from __future__ import annotations

import os
import time
from pathlib import Path

from support import CommandLine, Finished


def test_the_last_run_is_reused_after_a_pruning_and_an_earlier_one_is_computed_again(
    garbage: CommandLine, tiny_dataset: Path, first: Finished
) -> None:
    changed = garbage.run(tiny_dataset, evaluate__mistakes=1)
    for manifest in garbage.artifacts.glob("stages/*/*/manifest.json"):
        os.utime(manifest, (time.time() - 200_000,) * 2)
    pruned = garbage("prune", "--keep", "1", "--json").json
    stages = {each["path"].split("/")[1] for each in pruned["results"]}
    assert stages == {"evaluate", "exhibit", "report"}
    assert pruned["bytes"] > 0

    assert set(garbage.run(tiny_dataset, "--verify", evaluate__mistakes=1).statuses.values()) == {"reused"}
    assert garbage("verify").code == 0
    again = garbage.run(tiny_dataset, retention__keep=1)
    assert {name for name, status in again.statuses.items() if status == "computed"} == {"evaluate", "report"}
    assert again.json["metrics"] == first.json["metrics"] != changed.json["metrics"]
    key = changed.stage("evaluate")["key"]
    assert not (garbage.artifacts / "stages" / "evaluate" / key).exists()  # the run has kept what it has used, and no more
    assert "retention" not in (garbage.artifacts / "looks.csv").read_text()  # it is not another model
