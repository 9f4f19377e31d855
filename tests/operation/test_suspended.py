"""*Suspend*, *Resume* and *Cancel* in the UI, and a run that is cancelled while no worker is there to stop it."""

from __future__ import annotations

from pathlib import Path

import pytest
from operated import Operated


@pytest.mark.acceptance
def test_a_suspended_run_computes_no_more_and_resume_reuses_what_is_finished(operated: Operated, pictures: Path) -> None:
    before = operated.unfinished("train")
    run = operated.ask(pictures, train__lr_max=0.041, train__epochs=4_000, train__patience=9_000)
    operated.trains(run)
    operated.suspend(run)
    operated.gone(run)
    assert operated.run(run)["state_name"] == "Suspended"
    assert len(operated.unfinished("train") - before) == 1  # it did not train to the end first
    assert set(operated.slots()) == {0}

    operated.post(f"/flow_runs/{run}/resume", {})
    assert operated.ends(run)["state_name"] == "Completed"

    def backbones() -> list[str]:
        tasks = sorted(operated.api.tasks(run, "backbone"), key=lambda task: str(task["start_time"]))
        return [task["state_name"] for task in tasks]

    operated.eventually(backbones, lambda states: states[1:] == ["Cached"])


@pytest.mark.acceptance
def test_a_run_is_suspended_while_it_compiles(operated: Operated, pictures: Path) -> None:
    """While a graph is compiled, or a library is imported, little else gets a turn in the process."""
    run = operated.ask(pictures, seed=8, backbone__width=0.5)
    operated.trains(run, "backbone")
    operated.suspend(run)
    operated.gone(run)
    assert operated.run(run)["state_name"] == "Suspended"


def test_a_suspended_run_that_is_cancelled_stays_so_and_computes_no_more(operated: Operated, pictures: Path) -> None:
    run = operated.ask(pictures, train__lr_max=0.042, train__epochs=9_000, train__patience=9_000)
    operated.trains(run)
    operated.suspend(run)
    operated.cancel(run)
    assert operated.run(run)["state_name"] == "Cancelled"
    operated.gone(run)
    assert operated.run(run)["state_name"] == "Cancelled"


def test_a_run_that_is_cancelled_without_a_worker_stops_itself(operated: Operated, pictures: Path) -> None:
    run = operated.ask(pictures, train__lr_max=0.043, train__epochs=9_000, train__patience=9_000)
    operated.trains(run)
    operated.worker.kill()
    operated.cancel(run)
    operated.gone(run)
    ended = operated.run(run)
    operated.up()
    assert (ended["state_name"], ended["state"]["message"]) == (
        "Cancelled",
        "Cancelled; its process stopped itself",
    )
