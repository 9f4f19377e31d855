"""What is wrong, from what the server says at one moment: pure functions, on which ``operation/watch.py`` acts."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from operation.notify import Notice
from operation.sight import RunSeen, Seen, TaskSeen
from pipeline_lib.errors import PipelineError
from pipeline_lib.evaluation.decided import DECISIONS
from tasks.contract.endings import UNCHANGED
from tasks.contract.notices import Noticed, notice_id, notices_in

AGAIN = "make sure that a worker is running, then start the run again; its finished stages are reused"
WORKER = "`make ui`, or `make team`, starts a worker that died; elsewhere: `prefect worker start --pool garbage --limit 1`"


@dataclass(frozen=True)
class Limits:
    """How long a silence may last, in seconds.

    Attributes:
        nightly: Without a completed run of a deployment whose schedule is active; ``GARBAGE_NIGHTLY_SECONDS``.
        late: A run that should have started and has not; ``GARBAGE_LATE_SECONDS``.
        worker: Without a heartbeat of any worker, which sends one every 30 s; ``GARBAGE_WORKER_SECONDS``.
        silence: Without a heartbeat of a run, which sends one every 30 s; ``GARBAGE_SILENCE_SECONDS``. Three missed ones
            are no coincidence.
        start: A worker that has taken a run starts its process within seconds; importing everything takes a few more.
        stop: Prefect's worker gives a run 30 s to stop before it kills it.
        lag: The server takes states of task runs from a queue; those of a run may come after its own.
        server: Without an answer of the server; ``GARBAGE_SERVER_SECONDS``.
        watch: Between two checks; ``GARBAGE_WATCH_SECONDS``.
    """

    nightly: float = 26 * 3600
    late: float = 30 * 60
    worker: float = 5 * 60
    silence: float = 90
    start: float = 300
    stop: float = 120
    lag: float = 20
    server: float = 300
    watch: float = 20

    @classmethod
    def of_environment(cls) -> Limits:
        """Return the limits that the environment sets, and the defaults of the others.

        Raises:
            PipelineError: A variable is not a number of seconds above 0.
        """
        names = {each.name: f"GARBAGE_{each.name.upper()}_SECONDS" for each in fields(cls)}
        return cls(**{name: _seconds(variable) for name, variable in names.items() if variable in os.environ})


def _seconds(variable: str) -> float:
    try:
        seconds = float(os.environ[variable])
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise PipelineError(f"{variable}={os.environ[variable]} is not a number of seconds above 0")
    return seconds


@dataclass(frozen=True)
class Verdict:
    """A run that nothing works on any more, the state it should have, and why."""

    run: RunSeen
    state: str
    message: str


def given_up(seen: Seen, limits: Limits) -> list[Verdict]:
    """Return the runs that have died without a final state; each would block the queue for ever.

    Runs that never had a heartbeat are left alone: they were started in a way that sends none.
    """
    return [verdict for run in seen.runs if (verdict := _verdict(run, seen, limits))]


def _verdict(run: RunSeen, seen: Seen, limits: Limits) -> Verdict | None:
    if run.type == "RUNNING" and run.heartbeat and _older(run.heartbeat, limits.silence, seen):
        return Verdict(run, "CRASHED", f"No sign of life for {limits.silence:g} s: its process is gone; {AGAIN}")
    if run.type == "PENDING" and _older(run.since, limits.start, seen):
        return Verdict(run, "CRASHED", f"Its worker took this run but did not start it within {limits.start:g} s; {AGAIN}")
    if run.type == "CANCELLING" and _older(run.since, limits.stop, seen):
        return Verdict(run, "CANCELLED", f"Cancelled; there was nothing to stop within {limits.stop:g} s")
    return None


def orphaned(seen: Seen, limits: Limits) -> list[TaskSeen]:
    """Return the task runs in progress whose run has been over for a while."""
    return [task for task in seen.orphans if seen.now - task.run.since > timedelta(seconds=limits.lag)]


def endings(seen: Seen) -> list[Notice]:
    """Return a notice for each run that failed or crashed, and for each scheduled one that completed and computed something."""

    def worth_it(run: RunSeen) -> bool:
        return run.type != "COMPLETED" or (run.deployment.scheduled and UNCHANGED not in run.message)

    return [_ending(run) for run in seen.ended if worth_it(run)]


def _ending(run: RunSeen) -> Notice:
    """Return the notice of a run: a line for each thing that it has come to, those first that it gives notice of.

    Its id follows from these alone, if there are any: they stay the same when the run is repeated, all else need not.
    """
    parts, marked = run.message.split("; "), notices_in(run.message)
    first = [notice.marked for notice in marked]
    lines = [*first, *(part for part in parts if part not in first)] if marked else [run.message or "all stages are done"]
    about = [notice.id for notice in marked] or [run.type, run.message]
    return Notice(
        f"ended/{run.state_id}",
        f"{run.deployment.name}: {run.name} {_outcome(run, marked)}",
        "\n".join([*lines, run.link]),
        notice_id(run.deployment.name, run.dataset, *about),
    )


def _outcome(run: RunSeen, marked: Sequence[Noticed]) -> str:
    """Return what became of the model if it was decided on, else the state of the run."""
    decided = (word for notice in marked for word in DECISIONS if notice.text.startswith(word))
    return next(decided, run.state)


def silences(seen: Seen, limits: Limits) -> list[Notice]:
    """Return a notice for each thing that should have happened by now but did not."""
    return [*_missing_nightlies(seen, limits), *_late_runs(seen, limits), *_dead_workers(seen, limits)]


def _missing_nightlies(seen: Seen, limits: Limits) -> Iterator[Notice]:
    for each in seen.deployments:
        if not each.active_since:
            continue
        since = max(each.active_since, each.completed or each.active_since)
        if seen.now - since > timedelta(seconds=limits.nightly):
            last = f"The last one ended at {_clock(each.completed)}" if each.completed else "None has completed yet"
            yield Notice(
                f"nightly/{each.name}/{since.isoformat()}",
                f"{each.name}: no run has completed for {in_words(limits.nightly)}",
                f"{last}. Check that a worker is running and how the last runs ended: `prefect flow-run ls`. "
                f"`prefect deployment run {each.name}` starts one now.",
                notice_id("nightly", each.name),
            )


def _late_runs(seen: Seen, limits: Limits) -> Iterator[Notice]:
    going = next((run for run in seen.runs if run.type in ("PENDING", "RUNNING", "CANCELLING")), None)
    if going:
        why = f"It waits its turn: {going.name} has been {going.state} since {_clock(going.since)}."
    else:
        why = f"No other run is in progress. {WORKER}. A paused work pool starts nothing either."
    for run in seen.runs:
        if run.type == "SCHEDULED" and run.due and _older(run.due, limits.late, seen):
            yield Notice(
                f"late/{run.id}/{run.due.isoformat()}",
                f"{run.deployment.name}: {run.name} is {run.state} and has been due for {in_words(limits.late)}",
                f"{why}\n{run.link}",
                notice_id("late", run.deployment.name, run.dataset),
            )


def _dead_workers(seen: Seen, limits: Limits) -> Iterator[Notice]:
    if _older(seen.worker, limits.worker, seen):
        yield Notice(
            f"worker/{seen.worker.isoformat()}",
            f"No worker has been alive for {in_words(limits.worker)}",
            f"The last heartbeat of one was at {_clock(seen.worker)}; no run starts without a worker. {WORKER}.",
            notice_id("worker"),
        )


def _older(moment: datetime, seconds: float, seen: Seen) -> bool:
    """Whether a moment is too long ago. The time during which the server was down does not count: it received nothing."""
    return seen.now - max(moment, seen.answering) > timedelta(seconds=seconds)


def in_words(seconds: float) -> str:
    """Return a duration for people: ``26 hours``, ``30 minutes``, ``5 seconds``."""
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds >= length:
            return _counted(seconds / length, unit)
    return _counted(seconds, "second")


def _counted(number: float, unit: str) -> str:
    return f"{number:.3g} {unit}{'' if number == 1 else 's'}"


def _clock(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
