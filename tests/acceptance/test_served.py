"""Ten runs in operation, asked for as a user asks: one after the other, and everything computed once."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from operated import Operated, operating

RUNS = 2
SMALL = {"image_size": 96}


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """The project in operation, with the intervals and the settings that users have."""
    usual = {"GARBAGE_WATCH_SECONDS": "20", "PREFECT_WORKER_QUERY_SECONDS": "5"}
    with operating(tmp_path_factory.mktemp("accepted"), **usual) as running:
        running.settings = {}
        yield running


def computed(run: dict[str, Any]) -> str:
    """What the last message of a completed run says of its stages."""
    assert run["state_name"] == "Completed", run["state"]["message"]
    (said,) = (part for part in run["state"]["message"].split("; ") if re.match("every stage|nothing|computed: ", part))
    return str(said)


def seconds(operated: Operated, run: dict[str, Any]) -> float:
    """The time from the moment the worker takes a run (Pending) to Completed, by the server's clock."""
    states = operated.get(f"/flow_run_states/?flow_run_id={run['id']}")
    moments = {state["name"]: datetime.fromisoformat(state["timestamp"]) for state in states}
    return (moments["Completed"] - moments["Pending"]).total_seconds()


def test_runs_of_two_deployments_take_turns_and_each_stage_is_computed_once(
    operated: Operated, record: Callable[[Any], None]
) -> None:
    asked = [operated.ask("sample", ("garbage-finetune", "nightly")[number % 2], **SMALL) for number in range(RUNS)]
    runs = sorted((operated.ends(run) for run in asked), key=lambda run: str(run["start_time"]))
    pauses = [
        (datetime.fromisoformat(later["start_time"]) - datetime.fromisoformat(earlier["end_time"])).total_seconds()
        for earlier, later in pairwise(runs)
    ]
    record({"seconds_between_runs": pauses})
    assert [computed(run) for run in runs] == ["every stage computed"] + ["nothing computed, every stage reused"] * (RUNS - 1)
    assert min(pauses) >= 0


def test_a_nightly_with_nothing_new_reuses_every_stage(operated: Operated, dataset: str, record: Callable[[Any], None]) -> None:
    settings = SMALL if dataset == "sample" else {}
    first, *others = (operated.ends(operated.ask(dataset, "nightly", seed=2, **settings)) for _ in range(RUNS))
    times = [seconds(operated, run) for run in others]
    record({"first": [computed(first), seconds(operated, first)], "reused": times, "median": statistics.median(times)})
    assert {computed(run) for run in others} == {"nothing computed, every stage reused"}
