"""The nightly as the server starts it: planned for the right instants, and once really started by a schedule."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from operated import FINAL, Operated, nested
from support import TINY

BERLIN = ZoneInfo("Europe/Berlin")
STAGES = {
    "dataset",
    "audit",
    "backbone",
    "augment",
    "data-new",
    "features",
    "sources",
    "train",
    "cross-validate",
    "evaluate",
    "report",
}

PREFETCH = timedelta(seconds=10)
"""A worker takes a run as early as that, and its process does not wait for the last part of a second."""


def started_by(operated: Operated, schedule: str) -> list[dict[str, Any]]:
    """What the server's scheduler made of a schedule of the nightly, soonest first."""
    wanted = {"flow_runs": {"deployment_id": {"any_": [operated.deployment("nightly")["id"]]}}}
    runs = operated.post("/flow_runs/filter", {**wanted, "sort": "EXPECTED_START_TIME_ASC"})
    return [run for run in runs if run["auto_scheduled"] and run["created_by"]["id"] == schedule]


@contextmanager
def schedule_of(operated: Operated, parameters: dict[str, Any]) -> Iterator[str]:
    """Give the nightly one more schedule, due in 20 s and every minute after; at the end none of its runs is left over.

    Every minute, because a busy scheduler may be late for the first: what is due when it looks is not made up for.
    """
    nightly = operated.deployment("nightly")["id"]
    due = {"anchor_date": (datetime.now(UTC) + timedelta(seconds=20)).isoformat(), "interval": 60}
    content = [{"schedule": due, "parameters": parameters, "active": True}]
    schedule = operated.api.send("POST", f"/deployments/{nightly}/schedules", content).raise_for_status().json()[0]["id"]
    try:
        yield schedule
    finally:
        operated.api.send("DELETE", f"/deployments/{nightly}/schedules/{schedule}").raise_for_status()
        operated.eventually(
            lambda: started_by(operated, schedule), lambda runs: all(run["state_type"] in FINAL for run in runs)
        )


def test_three_nights_ahead_are_planned_for_half_past_two_in_berlin(operated: Operated) -> None:
    (schedule,) = operated.deployment("nightly")["schedules"]
    runs = operated.eventually(lambda: started_by(operated, schedule["id"]), lambda runs: len(runs) >= 3)
    due = [datetime.fromisoformat(run["expected_start_time"]) for run in runs][-3:]
    nights = [due[0].astimezone(BERLIN).date() + timedelta(days=number) for number in range(3)]
    assert due == [datetime.combine(night, time(2, 30), BERLIN).astimezone(UTC) for night in nights]
    assert due[0] - datetime.now(UTC) < timedelta(hours=26)


def test_a_schedule_that_is_due_starts_the_nightly_and_every_stage_shows_its_artifact(
    operated: Operated, pictures: Path
) -> None:
    with schedule_of(operated, {"dataset": str(pictures), "settings": nested(TINY)}) as schedule:
        run, *_ = operated.eventually(
            lambda: started_by(operated, schedule),
            lambda runs: bool(runs) and runs[0]["state_type"] in FINAL,
        )
    assert (run["state_name"], run["parameters"]["dataset"]) == ("Completed", str(pictures))
    started, expected = (datetime.fromisoformat(run[moment]) for moment in ("start_time", "expected_start_time"))
    assert started - expected > -PREFETCH
    artifacts = operated.post("/artifacts/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}})
    assert {f"garbage-finetune-{stage}" for stage in STAGES} <= {artifact["key"] for artifact in artifacts}
