"""The flow garbage-sweep on the running product: trials are ordinary runs that share what they have in common."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support import CommandLine, Finished
from waiting import PATIENCE, Api

SWEEP = """
trials:
  plain: {}
  smooth: {train.label_smoothing: 0.2}
seeds: [1, 2]
rank_by: mean
"""
PREPARED = ["dataset", "backbone", "audit", "augment", "features", "sources"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "smoothing.yaml"
    path.write_text(SWEEP, encoding="utf-8")
    return path


def test_a_sweep_computes_what_differs_looks_at_no_test_set_and_its_best_trial_is_an_ordinary_run(
    garbage: CommandLine, tiny_dataset: Path, first: Finished, file: Path
) -> None:
    looks = (garbage.artifacts / "looks.csv").read_bytes()
    swept = garbage("sweep", "--json", "--dataset", tiny_dataset, file)
    assert swept.code == 0, swept.err
    assert swept.statuses == {
        **{f"plain seed 1 {stage}": "reused" for stage in [*PREPARED, "train", "cross_validate"]},
        **{f"plain seed 2 {stage}": "reused" for stage in ["dataset", "audit"]},
        **{f"plain seed 2 {stage}": "computed" for stage in ["backbone", "augment", "features", "sources", "cross_validate"]},
        **{f"smooth seed 1 {stage}": "computed" for stage in ["train", "cross_validate"]},
        "smooth seed 2 cross_validate": "computed",
        "leaderboard": "computed",
        "report": "computed",
    }
    assert (garbage.artifacts / "looks.csv").read_bytes() == looks

    board = json.loads(Path(swept.json["leaderboard"], "leaderboard.json").read_text(encoding="utf-8"))
    assert {trial["name"] for trial in board["trials"]} == {"plain", "smooth"}
    assert board["trials"][0]["name"] == swept.json["metrics"]["best"]
    assert f"best of 2: {swept.json['metrics']['best']}, top-1 " in swept.json["headline"]
    assert "Trials, ranked by mean of clean and noisy views" in swept.err
    page = Path(swept.json["report"]).read_text(encoding="utf-8")
    assert "Sweep smoothing on pictures" in page
    assert page.count("data:image/png") == 2
    assert set(garbage("sweep", "--json", "--dataset", tiny_dataset, file).statuses.values()) == {"reused"}

    best = Path(swept.json["best"])
    garbage.settings = {}
    chosen = garbage.run(tiny_dataset, "--config", str(best))
    assert {chosen.statuses[stage] for stage in [*PREPARED, "train", "cross_validate"]} == {"reused"}


@pytest.mark.acceptance
def test_a_killed_sweep_goes_on_from_its_finished_stages(
    garbage: CommandLine, tiny_dataset: Path, first: Finished, file: Path
) -> None:
    file.write_text(SWEEP.replace("[1, 2]", "[1]"), encoding="utf-8")
    process, pause = garbage.start("sweep", "--json", "--dataset", tiny_dataset, file), threading.Event()
    while process.poll() is None and not list(garbage.artifacts.glob("stages/cross_validate/*.partial")):
        pause.wait(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL

    again = garbage("sweep", "--json", "--dataset", tiny_dataset, file)
    assert again.code == 0, again.err
    computed = [name for name, status in again.statuses.items() if status == "computed"]
    assert computed == ["smooth cross_validate", "leaderboard", "report"]


def test_what_a_sweep_would_do_is_said_without_doing_it(
    garbage: CommandLine, tiny_dataset: Path, first: Finished, file: Path
) -> None:
    planned = garbage("status", "--json", "--flow", "garbage-sweep", "--dataset", tiny_dataset, sweep=str(file))
    assert planned.code == 0, planned.err
    assert planned.statuses["plain seed 1 cross_validate"] == "reused"
    assert planned.stage("smooth seed 1 train")["reason"] == "first run"
    assert planned.stage("leaderboard")["status"] == "stale"
    assert not (garbage.artifacts / "stages" / "leaderboard").exists()


def test_what_a_sweep_cannot_use_is_one_sentence(garbage: CommandLine, tiny_dataset: Path, file: Path) -> None:
    file.write_text(yaml.safe_dump({"grid": {"train.epoch": [5, 6]}}), encoding="utf-8")
    refused = garbage("sweep", "--dataset", tiny_dataset, file)
    assert refused.code == 1
    assert f"The sweep {file} cannot be used: line 2: trial 1: There is no setting train.epoch; did you mean" in refused.err
    assert "Traceback" not in refused.err
    assert not garbage.artifacts.exists()


@pytest.fixture
def api(prefect_api: str) -> Iterator[Api]:
    return Api(prefect_api)


def test_the_leaderboard_is_an_artifact_in_the_ui(
    garbage: CommandLine, tiny_dataset: Path, first: Finished, file: Path, api: Api
) -> None:
    file.write_text(SWEEP.replace("[1, 2]", "[1]"), encoding="utf-8")
    assert garbage("sweep", "--json", "--dataset", tiny_dataset, file).code == 0
    artifact = api.get("/artifacts/garbage-sweep-leaderboard/latest")
    assert "| trial | clean | noisy | mean | to the best" in artifact["data"]
    run = api.get(f"/flow_runs/{artifact['flow_run_id']}")
    assert run["state"]["message"].startswith("best of 2: ")
