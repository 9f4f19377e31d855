"""A worker killed with SIGKILL, alone and with the run it had started."""

from __future__ import annotations

from pathlib import Path

from operated import SILENCE, Operated


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


def test_a_run_that_died_with_its_worker_is_given_up_and_frees_the_queue(operated: Operated, pictures: Path) -> None:
    run = operated.ask(pictures, train__lr_max=0.032, train__epochs=9_000, train__patience=9_000)
    process = operated.trains(run)
    operated.worker.kill()
    process.kill()
    operated.up()
    following = operated.ask(pictures)

    crashed = operated.ends(run, seconds=SILENCE + 30)
    assert crashed["state_name"] == "Crashed"
    assert crashed["state"]["message"].startswith(f"No sign of life for {SILENCE} s")
    assert operated.ends(following)["state_name"] == "Completed"
    assert set(operated.slots()) == {0}
