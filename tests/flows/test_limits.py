"""What ends a stage that takes too long, and what is tried again when the network fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import CommandLine, Finished, free_port
from waiting import Api, eventually

OVER = "it took longer than 0.0001 minutes; raise the setting stage_minutes, or fix what holds it up"


def test_a_stage_over_its_time_ends_the_run_and_says_which_and_what_to_do(garbage: CommandLine, tiny_dataset: Path) -> None:
    finished = garbage("run", "--json", "--dataset", tiny_dataset, stage_minutes=0.0001)
    assert finished.code == 1
    assert finished.json["error"] == f"Stage dataset failed: {OVER}"
    assert garbage.run(tiny_dataset).stage("dataset")["status"] == "computed"


def test_shards_have_a_time_limit_together(garbage: CommandLine, tiny_dataset: Path, first: Finished) -> None:
    finished = garbage("run", "--json", "--dataset", tiny_dataset, stage_minutes=0.0001, augment_train__views=2)
    assert finished.code == 1
    done = dict.fromkeys(["dataset", "backbone", "audit"], "reused")
    assert finished.statuses == {**done, "augment": "failed"}
    assert finished.json["error"] == f"Stage augment failed: {OVER}"


@pytest.mark.parametrize(("deployed", "tries"), [(False, 1), (True, 3)])
def test_a_network_that_fails_is_tried_again_in_deployed_runs_alone(garbage: CommandLine, deployed: bool, tries: int) -> None:
    garbage.edit("tasks/contract/stage.py", "[10, 60, 300]", "[0, 0]")
    garbage.environment["GARBAGE_DATA_EN_URL"] = f"http://127.0.0.1:{free_port()}/data_en.zip"
    if deployed:
        garbage.edit(
            "tasks/contract/stage.py", "context.flow_run.deployment_id is not None", "context.flow_run.deployment_id is None"
        )
    finished = garbage("run", "--json", "--dataset", "data_en")
    assert finished.code == 1
    assert "The dataset data_en is out of reach" in finished.json["error"]
    api = Api(garbage.environment["PREFECT_API_URL"])
    run = api.last_run()["id"]
    # The server takes states from a queue.
    (source,) = eventually(lambda: api.tasks(run, "source"), lambda tasks: [t["state_type"] for t in tasks] == ["FAILED"])
    assert source["run_count"] == tries
