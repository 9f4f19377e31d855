"""What is wrong, from what the server says: the rules, without a server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from operation.sight import Deployed, RunSeen, Seen, TaskSeen
from operation.verdicts import Limits, endings, given_up, in_words, orphaned, silences
from pipeline_lib.errors import PipelineError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS = Limits()


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def nightly(**known: Any) -> Deployed:
    return Deployed("garbage-finetune/nightly", True, **known)


def a_run(kind: str, state: str | None = None, deployment: Deployed | None = None, since: float = 1, **more: Any) -> RunSeen:
    deployment = deployment or Deployed("garbage-finetune/garbage-finetune")
    return RunSeen("id", "quick-owl", deployment, kind, state or kind.capitalize(), "state", ago(since), **more)


def seen(**known: Any) -> Seen:
    return Seen(**{"now": NOW, "answering": ago(90_000_000), "worker": ago(5), **known})


def test_nothing_is_wrong_on_a_new_home() -> None:
    fresh = seen(deployments=[nightly(active_since=ago(60))], runs=[a_run("SCHEDULED", due=NOW + timedelta(hours=9))])
    assert (silences(fresh, LIMITS), given_up(fresh, LIMITS), endings(fresh)) == ([], [], [])


@pytest.mark.parametrize(
    ("deployment", "alarm"),
    [
        (nightly(active_since=ago(27 * 3600)), True),
        (nightly(active_since=ago(27 * 3600), completed=ago(25 * 3600)), False),
        (nightly(active_since=ago(90 * 3600), completed=ago(27 * 3600)), True),
        (nightly(active_since=ago(1 * 3600), completed=ago(90 * 3600)), False),  # its schedule was switched on again
        (nightly(active_since=None, completed=ago(90 * 3600)), False),  # its schedule is paused
        (Deployed("garbage-finetune/garbage-finetune"), False),
    ],
)
def test_a_night_without_a_completed_run(deployment: Deployed, alarm: bool) -> None:
    notices = silences(seen(deployments=[deployment]), LIMITS)
    assert [notice.subject for notice in notices] == ["garbage-finetune/nightly: no run has completed for 26 hours"] * alarm


@pytest.mark.parametrize(("due", "alarm"), [(1790, False), (1810, True)])
def test_a_run_that_stays_late_says_what_it_waits_for(due: float, alarm: bool) -> None:
    late = a_run("SCHEDULED", "Late", due=ago(due))
    going = RunSeen("other", "slow-cat", late.deployment, "RUNNING", "Running", "s", ago(5000), heartbeat=ago(3))
    alone, waits = silences(seen(runs=[late]), LIMITS), silences(seen(runs=[late, going]), LIMITS)
    assert [notice.subject.partition(": ")[2] for notice in alone] == [
        "quick-owl is Late and has been due for 30 minutes"
    ] * alarm
    advice = "No other run is in progress. `make ui`, or `make team`, starts a worker"
    assert all(notice.body.startswith(advice) for notice in alone)
    assert [notice.body for notice in waits] == [
        "It waits its turn: slow-cat has been Running since 2026-03-01 10:36 UTC.\n"
    ] * alarm


@pytest.mark.parametrize(("worker", "answering", "alarm"), [(290, 9999, False), (310, 9999, True), (310, 20, False)])
def test_no_worker_alive(worker: float, answering: float, alarm: bool) -> None:
    notices = silences(seen(worker=ago(worker), answering=ago(answering)), LIMITS)
    assert [notice.subject for notice in notices] == ["No worker has been alive for 5 minutes"] * alarm


@pytest.mark.parametrize(
    ("run", "state"),
    [
        (a_run("RUNNING", since=500, heartbeat=ago(80)), None),
        (a_run("RUNNING", since=500, heartbeat=ago(100)), "CRASHED"),
        (a_run("RUNNING", since=500), None),
        (a_run("PENDING", since=290), None),
        (a_run("PENDING", since=310), "CRASHED"),
        (a_run("CANCELLING", since=110), None),
        (a_run("CANCELLING", since=130), "CANCELLED"),
        (a_run("SCHEDULED", since=99_999), None),
    ],
)
def test_what_nobody_works_on_is_given_up(run: RunSeen, state: str | None) -> None:
    assert [verdict.state for verdict in given_up(seen(runs=[run]), LIMITS)] == [state] * bool(state)
    assert given_up(seen(runs=[run], answering=ago(30)), LIMITS) == []  # nobody could be heard while the server was down


def test_endings_are_reported_of_failures_and_of_nights_that_changed_something() -> None:
    ended = [
        a_run("FAILED", message="There is no dataset", link="http://here/run"),
        a_run("COMPLETED"),
        a_run("COMPLETED", deployment=nightly()),
        a_run("COMPLETED", deployment=nightly(), message="top-1 81.8%; nothing computed, every stage reused; report here"),
        a_run("FAILED", deployment=nightly(), message="No space left; nothing computed, every stage reused"),
    ]
    assert [(notice.subject, notice.body) for notice in endings(seen(ended=ended))] == [
        ("garbage-finetune/garbage-finetune: quick-owl Failed", "There is no dataset\nhttp://here/run"),
        ("garbage-finetune/nightly: quick-owl Completed", "all stages are done\n"),
        ("garbage-finetune/nightly: quick-owl Failed", "No space left; nothing computed, every stage reused\n"),
    ]


def test_a_night_on_which_something_was_decided_says_so_first_with_its_ids() -> None:
    message = "top-1 81.8%; kept: it is worse [0123abcd]; 6 new leaks [89efabcd]; computed: train; report here"
    run = a_run("COMPLETED", message=message, deployment=nightly(), link="http://here/run")
    (notice,) = endings(seen(ended=[run]))
    assert notice.subject == "garbage-finetune/nightly: quick-owl kept"
    assert notice.body.splitlines() == [
        "kept: it is worse [0123abcd]",
        "6 new leaks [89efabcd]",
        "top-1 81.8%",
        "computed: train",
        "report here",
        "http://here/run",
    ]


def test_the_id_of_a_notice_is_the_same_when_the_same_is_reported_again() -> None:
    def ids(**known: Any) -> list[str]:
        return [each.id for each in (*endings(seen(**known)), *silences(seen(**known), LIMITS))]

    failed = a_run("FAILED", message="No space left", dataset="pictures")
    later = replace(failed, id="other", state_id="other", name="slow-cat", since=ago(7))
    assert ids(ended=[failed]) == ids(ended=[later])
    decided = a_run("COMPLETED", deployment=nightly(), message="top-1 81.8%; kept: it is worse [0123abcd]; computed: train")
    again = replace(decided, message="top-1 81.8%; kept: it is worse [0123abcd]; computed: report")
    assert ids(ended=[decided]) == ids(ended=[again])
    silent = {since: ids(deployments=[nightly(active_since=ago(since * 3600))], worker=ago(since * 3600)) for since in (30, 60)}
    assert silent[30] == silent[60]
    others = [replace(failed, message="No memory left"), replace(failed, dataset="others"), replace(decided, dataset="others")]
    assert len({*ids(ended=[failed, decided, *others]), *silent[30]}) == 7


@pytest.mark.parametrize(("since", "left"), [(10, 0), (30, 1)])
def test_a_task_run_is_left_the_time_that_its_last_word_may_take(since: float, left: int) -> None:
    assert len(orphaned(seen(orphans=[TaskSeen("task", a_run("CRASHED", since=since))]), LIMITS)) == left


@pytest.mark.parametrize(
    ("seconds", "words"), [(93_600, "26 hours"), (3600, "1 hour"), (1800, "30 minutes"), (5, "5 seconds"), (0.5, "0.5 seconds")]
)
def test_lengths_of_time_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_limits_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GARBAGE_NIGHTLY_SECONDS", "7200")
    assert Limits.of_environment() == Limits(nightly=7200)


@pytest.mark.parametrize("value", ["26h", "0", "nan", "inf"])
def test_a_limit_that_is_no_length_of_time_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("GARBAGE_LATE_SECONDS", value)
    with pytest.raises(PipelineError, match=f"^GARBAGE_LATE_SECONDS={value} is not a number of seconds above 0$"):
        Limits.of_environment()
