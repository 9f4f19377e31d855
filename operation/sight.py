"""What a Prefect server says about this project's runs, workers and schedules at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

# The server may know of an end later than the end's own time says.
OVERLAP = timedelta(minutes=10)
HEARTBEAT = "prefect.flow-run.heartbeat"
GOING = ("SCHEDULED", "PENDING", "RUNNING", "CANCELLING")
OVER = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED", "PAUSED")  # no process works on these


@dataclass(frozen=True)
class Deployed:
    """A deployment: its name with the flow's, since when an active schedule is in force, and when a run last completed."""

    name: str
    scheduled: bool = False
    active_since: datetime | None = None
    completed: datetime | None = None


@dataclass(frozen=True)
class RunSeen:
    """A flow run: ``type``, ``state``, ``state_id``, ``since`` and ``message`` are those of its present state.

    ``due`` is when it should start; ``heartbeat`` the last one of a run that is Running; ``link`` leads to it in the UI;
    ``dataset`` is what it was asked to work on, empty for the default.
    """

    id: str
    name: str
    deployment: Deployed
    type: str
    state: str
    state_id: str
    since: datetime
    message: str = ""
    due: datetime | None = None
    heartbeat: datetime | None = None
    link: str = ""
    dataset: str = ""


@dataclass(frozen=True)
class TaskSeen:
    """A task run in progress, and the run it belongs to, which is not."""

    id: str
    run: RunSeen


@dataclass(frozen=True)
class Seen:
    """What the server says; all times are the server's own.

    Attributes:
        now: When it was asked.
        answering: Since when it has answered without a gap.
        worker: The last heartbeat of any worker; before the first one, the moment at which the work pool was made.
        deployments: Everything that is deployed to the work pool.
        runs: Their runs that wait or are in progress.
        ended: Their runs that ended recently.
        orphans: Task runs in progress of runs that are not.
    """

    now: datetime
    answering: datetime
    worker: datetime
    deployments: Sequence[Deployed] = ()
    runs: Sequence[RunSeen] = ()
    ended: Sequence[RunSeen] = ()
    orphans: Sequence[TaskSeen] = field(default=())


def look(client: SyncPrefectClient, pool: str, answering: datetime | None, since: datetime | None) -> Seen:
    """Ask the server about everything that is deployed to a work pool.

    Args:
        client: Of the server.
        pool: Name of the work pool.
        answering: Since when the server has been answering; None when it did not before.
        since: Until when endings of runs have been looked at; None when never.

    Raises:
        httpx.HTTPError: The server does not answer, or refuses.
        ObjectNotFound: It has no such work pool.
    """
    now = _now(client)
    deployments = _deployments(client, pool)
    ours = {"deployments": {"id": {"any_": list(deployments)}}}
    return Seen(
        now=now,
        answering=answering or now,
        worker=_last_worker(client, pool),
        deployments=list(deployments.values()),
        runs=_going(client, deployments, ours),
        ended=_ended(client, deployments, ours, (since or now) - OVERLAP),
        orphans=_orphans(client, deployments, ours),
    )


def _now(client: SyncPrefectClient) -> datetime:
    """Return the server's time: the clocks of two hosts may differ by more than what is measured here."""
    date = client.request("GET", "/health").headers.get("date")
    return parsedate_to_datetime(date) if date else datetime.now(UTC)


def _deployments(client: SyncPrefectClient, pool: str) -> dict[str, Deployed]:
    found = client.request("POST", "/deployments/filter", json={"work_pools": {"name": {"any_": [pool]}}}).json()
    flows = client.request(
        "POST", "/flows/filter", json={"flows": {"id": {"any_": [each["flow_id"] for each in found]}}}
    ).json()
    names = {flow["id"]: flow["name"] for flow in flows}
    return {each["id"]: _deployed(client, each, f"{names[each['flow_id']]}/{each['name']}") for each in found}


def _deployed(client: SyncPrefectClient, deployment: Mapping[str, Any], name: str) -> Deployed:
    schedules = deployment["schedules"]
    if not schedules:
        return Deployed(name)
    active = [each for each in schedules if each["active"] and not deployment["paused"]]
    since = max((_time(each["updated"]) for each in active), default=None)  # made, or switched on again
    completed = {"deployments": {"id": {"any_": [deployment["id"]]}}, "flow_runs": _of("COMPLETED")}
    last = client.request("POST", "/flow_runs/filter", json={**completed, "sort": "END_TIME_DESC", "limit": 1}).json()
    return Deployed(name, True, since, _time(last[0]["end_time"]) if last else None)


def _last_worker(client: SyncPrefectClient, pool: str) -> datetime:
    path = {"work_pool_name": pool}
    made = client.request("GET", "/work_pools/{name}", path_params={"name": pool}).json()["created"]
    workers = client.request("POST", "/work_pools/{work_pool_name}/workers/filter", path_params=path, json={}).json()
    return max(_time(each) for each in [made, *(worker["last_heartbeat_time"] for worker in workers)] if each)


def _going(client: SyncPrefectClient, deployments: Mapping[str, Deployed], ours: Mapping[str, Any]) -> list[RunSeen]:
    wanted = {**ours, "flow_runs": _of(*GOING), "sort": "EXPECTED_START_TIME_ASC"}
    found = client.request("POST", "/flow_runs/filter", json=wanted).json()
    return [_run(each, deployments, _heartbeat(client, each) if each["state_type"] == "RUNNING" else None) for each in found]


def _ended(
    client: SyncPrefectClient, deployments: Mapping[str, Deployed], ours: Mapping[str, Any], since: datetime
) -> list[RunSeen]:
    over = _of("COMPLETED", "FAILED", "CRASHED") | {"end_time": {"after_": since.isoformat()}}
    found = client.request("POST", "/flow_runs/filter", json={**ours, "flow_runs": over, "sort": "END_TIME_DESC"}).json()
    return [_run(each, deployments) for each in reversed(found)]


def _orphans(client: SyncPrefectClient, deployments: Mapping[str, Deployed], ours: Mapping[str, Any]) -> list[TaskSeen]:
    wanted = {**ours, "task_runs": _of("SCHEDULED", "PENDING", "RUNNING"), "flow_runs": _of(*OVER)}
    tasks = client.request("POST", "/task_runs/filter", json=wanted).json()
    if not tasks:
        return []
    belong = {"flow_runs": {"id": {"any_": sorted({task["flow_run_id"] for task in tasks})}}}
    runs = {each["id"]: _run(each, deployments) for each in client.request("POST", "/flow_runs/filter", json=belong).json()}
    return [TaskSeen(task["id"], runs[task["flow_run_id"]]) for task in tasks if task["flow_run_id"] in runs]


def _heartbeat(client: SyncPrefectClient, run: Mapping[str, Any]) -> datetime | None:
    """Return when the server received a run's last heartbeat."""
    resource = {"id": [f"prefect.flow-run.{run['id']}"]}
    lately = {"since": (_time(run["state"]["timestamp"]) - timedelta(minutes=1)).isoformat()}
    wanted = {"event": {"name": [HEARTBEAT]}, "resource": resource, "occurred": lately, "order": "DESC"}
    events = client.request("POST", "/events/filter", json={"filter": wanted, "limit": 1}).json()["events"]
    return _time(events[0]["received"]) if events else None


def _run(run: Mapping[str, Any], deployments: Mapping[str, Deployed], heartbeat: datetime | None = None) -> RunSeen:
    from prefect.utilities.urls import url_for

    state, due = run["state"], run["next_scheduled_start_time"] or run["expected_start_time"]
    return RunSeen(
        id=run["id"],
        name=run["name"],
        deployment=deployments[run["deployment_id"]],
        type=state["type"],
        state=state["name"],
        state_id=state["id"],
        since=_time(state["timestamp"]),
        message=state["message"] or "",
        due=_time(due) if due else None,
        heartbeat=heartbeat,
        link=url_for("flow-run", run["id"]) or "",
        dataset=str(run["parameters"].get("dataset") or ""),
    )


def _of(*types: str) -> dict[str, Any]:
    return {"state": {"type": {"any_": list(types)}}}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
