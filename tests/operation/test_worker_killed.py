"""A worker killed with SIGKILL, alone and with the run it had started."""

from __future__ import annotations

from pathlib import Path

import pytest
from operated import SILENCE, Operated


@pytest.mark.acceptance
def test_a_run_outlives_its_worker_and_the_next_one_waits_for_it(operated: Operated, pictures: Path) -> None:
    run = operated.ask(pictures, train__lr_max=0.031, train__epochs=1_500, train__patience=9_000)
    following = operated.ask(pictures)
    process = operated.trains(run)
    operated.worker.kill()
    assert process.is_running()
    operated.up()

    runs = [operated.ends(each) for each in (run, following)]
    assert [each["state_name"] for each in runs] == ["Completed", "Completed"]
    assert runs[0]["end_time"] <= runs[1]["start_time"]


@pytest.mark.acceptance
def test_a_run_that_died_with_its_worker_is_given_up_and_frees_the_queue(operated: Operated, pictures: Path) -> None:
    suspended = operated.ask(pictures, train__lr_max=0.033, train__epochs=9_000, train__patience=9_000)
    operated.trains(suspended)
    operated.suspend(suspended)
    run = operated.ask(pictures, train__lr_max=0.032, train__epochs=9_000, train__patience=9_000)
    process = operated.trains(run)
    operated.worker.kill()
    process.kill()
    operated.up()
    following = operated.ask(pictures)

    crashed = operated.ends(run)
    assert crashed["state_name"] == "Crashed"
    assert crashed["state"]["message"].startswith(f"No sign of life for {SILENCE} s")
    assert operated.ends(following)["state_name"] == "Completed"
    assert set(operated.slots()) == {0}
    assert operated.run(suspended)["state_name"] == "Suspended"  # silent on purpose
    for each, state in ((run, "Crashed"), (suspended, "Suspended")):
        tasks = operated.eventually(lambda each=each: operated.api.tasks(each), lambda seen: not is_any_in_progress(seen))
        (train,) = [task for task in tasks if task["name"] == "train"]
        assert train["state_name"] == "Crashed"
        assert train["state"]["message"] == f"Its run is {state}: nothing works on this any more"
    operated.cancel(suspended)


def is_any_in_progress(tasks: list[dict[str, object]]) -> bool:
    return any(task["state_type"] in ("SCHEDULED", "PENDING", "RUNNING") for task in tasks)
