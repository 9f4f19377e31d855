"""A Prefect server and a worker of the project's own, in the background: ``make ui`` and ``make down``.

Everything they write is in ``PREFECT_HOME``, which the Makefile sets to ``artifacts/prefect-home``.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click
import httpx
import psutil
from filelock import FileLock

from flows.table import DEFAULT
from operation.background import Background, end
from operation.deploy import POOL, PROJECT, answering, deploy, deployed, plan
from operation.home import AUTH, check_operation, home, keep_private, remember_operation
from operation.processes import ADDRESS, address, local_api, server, watchman, worker
from pipeline_lib.errors import PipelineError

PORT = 4200
LOOPBACK = "127.0.0.1"
WORKER = f"garbage-{platform.node()}"
STOPPED = "Stopped by `make down`; start the run again, its finished stages are reused"

# What the user has set stays.
SERVER = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # Runs that ended 90 days ago go (Prefect's own time), with their logs and artifacts; by default only events do.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs,orphans",
    # Kept in memory, as is the default, leases die with the server, and a run that outlives it is ended at its next renewal.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
}
WORKER_SETTINGS = {"PREFECT_WORKER_QUERY_SECONDS": "5", "GLOG_v": "3", "DO_NOT_TRACK": "1"}


def up(port: int | None, host: str) -> str:
    """Start what is not running, wait until it is healthy, deploy what changed, and return the API's address."""
    started: list[Background] = []
    operation = check_operation(host)
    try:
        api = ensure_server(port, host, started)
        if started:
            remember_operation(operation)  # only of a server that came up: a mistake must not be remembered
        use(api, os.environ.get(AUTH))
        with answering():
            deploy_if_changed()
            ensure_worker(api, started)
            ensure_watchman(started)
    except BaseException:
        for process in reversed(started):
            process.stop()
        if not server().find() and not worker().find():
            (home() / ADDRESS).unlink(missing_ok=True)
        raise
    return api


def ensure_server(port: int | None, host: str, started: list[Background]) -> str:
    """Return the address of the running server's API, or start one; a running server cannot change its port."""
    api = address() or f"http://{LOOPBACK}:{port or PORT}/api"
    if port not in (None, httpx.URL(api).port):
        if server().find() or worker().find():
            raise PipelineError(f"The server runs at {api}; to move it, run `make down`, then `make ui PORT={port}`")
        api = f"http://{LOOPBACK}:{port}/api"
    if not server().find():
        start_server(httpx.URL(api).port or PORT, host, api, started)
    _wait(lambda: _answers(api), server(), "The Prefect server")
    return api


def start_server(port: int, host: str, api: str, started: list[Background]) -> None:
    """Start the server; raises PipelineError when the port is in use, or when everybody could reach the server."""
    if host not in (LOOPBACK, "::1", "localhost") and not os.environ.get(AUTH):
        raise PipelineError(f"On {host} others could start runs: set {AUTH}=user:password as well, or leave GARBAGE_HOST unset")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PipelineError(
                f"Port {port} on {host} cannot be used ({error.strerror}); stop the program that uses it or choose another "
                "port: make ui PORT=4300"
            ) from None
    shown = api if host == LOOPBACK else f"http://{platform.node()}:{port}/api"
    settings = {"PREFECT_UI_API_URL": shown, **SERVER, **os.environ, "PREFECT_API_URL": api}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", str(port)]
    server().start(command, settings)
    started.append(server())
    (home() / ADDRESS).write_text(json.dumps({"api": api}), encoding="utf-8")


def use(api: str, auth: str | None) -> None:
    """Let Prefect's client, in this process and in the worker, talk to the server."""
    os.environ["PREFECT_API_URL"] = api
    if auth:
        os.environ["PREFECT_API_AUTH_STRING"] = auth


def deploy_if_changed() -> None:
    """Deploy, unless the server has what this project would deploy: deploying again would activate paused schedules."""
    note, wanted = home() / "deployed", _deployable()
    if note.exists() and note.read_text(encoding="utf-8") == wanted and _deployed():
        return
    deploy()
    note.write_text(wanted, encoding="utf-8")


def ensure_worker(api: str, started: list[Background]) -> None:
    """Start the worker if it is not running, and wait until the server has received a heartbeat of it."""
    process = worker().find()
    if not process:
        # One run at a time here too: the pool no longer counts a run that is being cancelled, its process still works.
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--name", WORKER, "--limit", "1"]
        # The worker passes its umask on to the runs, whose results other users may be allowed to read.
        process = worker().start(command, {**WORKER_SETTINGS, **os.environ}, umask=-1)
        started.append(worker())
    since = datetime.fromtimestamp(process.create_time(), UTC)
    _wait(lambda: _online(since), worker(), "The worker")


def ensure_watchman(started: list[Background]) -> None:
    """Start the watchman if it is not running: last, because it reports a missing worker."""
    if not watchman().find():
        watchman().start([sys.executable, "-m", "operation.watch"], os.environ)
        started.append(watchman())


def down() -> list[str]:
    """Stop what ``up`` started, runs in progress first, and return what was done, one line each."""
    done = ["watchman stopped"] if watchman().stop() else []
    if running := server().find():
        use(local_api(), running.environ().get(AUTH))
        with _queue_held(done):
            with _even_if_silent(done):
                done += stop_runs()
            done += stop_worker()
            with _even_if_silent(done):
                for run in _runs():
                    _set_state(run, "CANCELLED")
    else:
        done += stop_worker()
    if server().stop():
        done.append("server stopped")
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
    process = worker().find()
    for _ in range(80):
        if not process or not _runs():
            break
        _pause(process, 0.5)
    return [f"run {run['name']} cancelled" for run in runs]


def stop_worker() -> list[str]:
    """Stop the worker and the processes of runs that it leaves behind."""
    stopped = ["worker stopped"] if worker().stop() else []
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


def _answers(api: str) -> bool:
    try:
        return httpx.get(f"{api}/health", timeout=30).is_success
    except httpx.TransportError:
        return False


def _online(since: datetime) -> bool:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        answer = client.request(
            "POST", "/work_pools/{work_pool_name}/workers/filter", path_params={"work_pool_name": POOL}, json={}
        )
    seen = [each for each in answer.json() if each["name"] == WORKER and each["status"] == "ONLINE"]
    return any(datetime.fromisoformat(each["last_heartbeat_time"].replace("Z", "+00:00")) >= since for each in seen)


def _deployed() -> bool:
    """Whether the server has all that is to be deployed."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return {each["name"] for each in plan()["deployments"]} <= deployed(client).keys()


def _deployable() -> str:
    """Return the digest of everything that the deployments depend on."""
    from operation.place import place
    from pipeline_lib.files.digest import file_sha256

    names = ("prefect.yaml", "pipeline_lib/settings/sections.py", "operation/notify.py", "operation/deploy.py")
    files = [*(PROJECT / name for name in names), *sorted((PROJECT / "flows").glob("*.py"))]
    values = [*place().values(), os.environ.get("GARBAGE_NOTIFY_URL", "")]
    return "\n".join([*(file_sha256(file) for file in files), *values])


def _wait(ready: Callable[[], bool], process: Background, what: str, seconds: float = 300) -> None:
    """Wait until ``ready``; raises PipelineError when the process ends first, or when it takes too long."""
    until = time.monotonic() + seconds
    while not ready():
        running = process.find()
        if not running:
            raise PipelineError(f"{what} ended right after its start: {process.last_words()} - the whole log is {process.log}")
        if time.monotonic() > until:
            raise PipelineError(f"{what} is not healthy after {seconds:.0f} s; its log is {process.log}")
        _pause(running, 0.2)


def _pause(process: psutil.Process, seconds: float) -> None:
    """Let time pass, less if the process ends."""
    try:
        process.wait(seconds)
    except psutil.TimeoutExpired:
        return


def _told(api: str) -> str:
    place, prefect = home(), PROJECT / ".venv" / "bin" / "prefect"
    login = ["  export PREFECT_API_AUTH_STRING=...           the server's user:password"] if AUTH in os.environ else []
    return "\n".join(
        [
            f"Prefect UI   {api.removesuffix('/api')}",
            f"artifacts    {api.removesuffix('/api')}/artifacts",
            f"logs         {place / 'server.log'}, {place / 'worker.log'}",
            f"start a run  export PREFECT_API_URL={api}",
            *login,
            f"             {prefect} deployment run {DEFAULT.name}/{DEFAULT.name} -p dataset=data_en --watch",
            "stop all     make down",
        ]
    )


@click.group()
def main() -> None:
    """Start or stop the project's own Prefect server and worker."""


@main.command("up")
@click.option("--port", type=click.IntRange(1, 65535), help=f"Port of the server; {PORT} if not given.")
def up_command(port: int | None) -> None:
    """Start the server and the worker unless they run, deploy, and print where to look."""
    with _explained(), _alone():
        click.echo(_told(up(port, os.environ.get("GARBAGE_HOST") or LOOPBACK)))


@main.command("down")
def down_command() -> None:
    """Stop the server and the worker that were started by ``up``; a run in progress is cancelled."""
    with _explained(), _alone():
        click.echo("\n".join(down()))


@contextmanager
def _alone() -> Iterator[None]:
    """Let only one of these commands run at a time."""
    keep_private()
    with FileLock(home() / "ui.lock"):
        yield
    keep_private()  # files that were written meanwhile


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except PipelineError as error:
        click.echo(f"error {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
