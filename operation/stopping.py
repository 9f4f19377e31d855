"""Stops what `make ui` and `make team` have started: runs in progress first, the database last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import psutil

from operation.background import end, pause
from operation.deploy import POOL
from operation.home import AUTH, home
from operation.processes import ADDRESS, database, local_api, server, watchman, workers
from operation.starting import use

STOPPED = "Stopped by `make down`; start the run again, its finished stages are reused"


def down() -> list[str]:
    """Stop what ``up`` started, runs in progress first, and return what was done, one line each."""
    done = ["watchman stopped"] if watchman().stop() else []
    if running := server().find():
        use(local_api(), running.environ().get(AUTH))
        with _queue_held(done):
            with _even_if_silent(done):
                done += stop_runs()
            done += stop_workers()
            with _even_if_silent(done):
                for run in _runs():
                    _set_state(run, "CANCELLED")
    else:
        done += stop_workers()
    done += [f"{process.name} stopped" for process in (server(), database()) if process.stop()]
    (home() / ADDRESS).unlink(missing_ok=True)
    return done or ["nothing was running"]


@contextmanager
def _queue_held(done: list[str]) -> Iterator[None]:
    """Let no run start from the queue meanwhile: it would be cancelled with those that were in progress."""
    held = False
    with _even_if_silent(done):
        held = _pause_queue(True)
    try:
        yield
    finally:
        if held:
            with _even_if_silent(done):
                _pause_queue(False)


def _pause_queue(paused: bool) -> bool:
    """Pause the work pool or let it go on, and return whether that changed it."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolUpdate

    with get_client(sync_client=True) as client:
        changed = client.read_work_pool(POOL).is_paused != paused
        if changed:
            client.update_work_pool(POOL, WorkPoolUpdate(is_paused=paused))
    return changed


@contextmanager
def _even_if_silent(done: list[str]) -> Iterator[None]:
    """Go on when the server does not answer: what was started must be stopped in any case."""
    try:
        yield
    except httpx.HTTPError as error:
        done.append(f"the server did not answer ({error}); its runs in progress are ended when it is started again")


def stop_runs() -> list[str]:
    """Cancel the runs in progress and wait until their worker has stopped them; runs that wait stay in the queue."""
    runs = _runs()
    for run in runs:
        _set_state(run, "CANCELLED" if run["state_type"] == "PENDING" else "CANCELLING")
    alive = [process for each in workers() if (process := each.find())]
    for _ in range(80):
        if not alive or not _runs():
            break
        pause(alive[0], 0.5)
    return [f"run {run['name']} cancelled" for run in runs]


def stop_workers() -> list[str]:
    """Stop the workers and the processes of runs that they leave behind."""
    stopped = [f"{each.name} stopped" for each in workers() if each.stop()]
    return [*stopped, *end_orphans()]


def end_orphans() -> list[str]:
    """End the processes of runs whose worker is gone: nothing else would."""
    orphans = [process for process in psutil.process_iter() if _is_own_run(process)]
    end(orphans, patience=10)
    return [f"process {process.pid} of a run without a worker ended" for process in orphans]


def _is_own_run(process: psutil.Process) -> bool:
    try:
        environment = process.environ()
    except psutil.Error:
        return False
    return environment.get("PREFECT_HOME") == str(home()) and "PREFECT__FLOW_RUN_ID" in environment


def _runs() -> list[dict[str, Any]]:
    """Return the runs of the work pool that are in progress."""
    from prefect.client.orchestration import get_client

    wanted = {
        "flow_runs": {"state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}},
        "work_pools": {"name": {"any_": [POOL]}},
    }
    with get_client(sync_client=True) as client:
        return list(client.request("POST", "/flow_runs/filter", json=wanted).json())


def _set_state(run: Mapping[str, Any], kind: str) -> None:
    from prefect.client.orchestration import get_client

    state = {"type": kind, "name": kind.capitalize(), "message": STOPPED}
    with get_client(sync_client=True) as client:
        client.request(
            "POST",
            "/flow_runs/{id}/set_state",
            path_params={"id": run["id"]},
            json={"state": state, "force": kind == "CANCELLED"},
        )
