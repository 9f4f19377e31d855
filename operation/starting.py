"""Starts what `make ui` and `make team` are made of: what does not run is started, what runs stays as it is."""

from __future__ import annotations

import json
import os
import platform
import secrets
import socket
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import httpx

from operation.background import Background, pause
from operation.database import LOOPBACK, cluster, identity, prepare
from operation.deploy import POOL, PROJECT, answering, deploy, deployed, plan
from operation.home import AUTH, DATABASE, check_operation, check_profile, home, password, remember_operation
from operation.processes import ADDRESS, address, database, server, watchman, worker, workers
from operation.profiles import TEAM, Profile, worker_name
from pipeline_lib.errors import PipelineError

PORT = 4200

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


def up(port: int | None, host: str, profile: Profile) -> str:
    """Start what is not running, wait until it is healthy, deploy what changed, and return the API's address."""
    started: list[Background] = []
    check_profile(profile.name)
    own_database = profile is TEAM and keep_secrets()
    operation = check_operation(host, profile.name)
    try:
        if own_database:
            ensure_database(started)
        api = ensure_server(port, host, profile, started)
        if started:
            remember_operation(operation)  # only of a server that came up: a mistake must not be remembered
        use(api, os.environ.get(AUTH))
        with answering():
            deploy_if_changed(profile)
            for number in range(1, profile.workers + 1):
                ensure_worker(profile, number, started)
            ensure_watchman(started)
    except BaseException:
        for process in reversed(started):
            process.stop()
        if not _any_found():
            (home() / ADDRESS).unlink(missing_ok=True)
        raise
    return api


def _any_found() -> bool:
    return any(process.find() for process in (server(), *workers()))


def keep_secrets() -> bool:
    """Give the server of a team its password and its database, made once, unless this shell names others.

    Returns:
        Whether the database is the project's own.
    """
    own = not os.environ.get(DATABASE)
    if own:
        os.environ[DATABASE] = prepare().address
    if not os.environ.get(AUTH):
        if not password().exists():
            password().touch(mode=0o600)
            password().write_text(f"team:{secrets.token_urlsafe(18)}", encoding="utf-8")
        os.environ[AUTH] = password().read_text(encoding="utf-8")
    return own


def check_port(host: str, port: int, otherwise: str) -> None:
    """Raise PipelineError if a port cannot be used; ``otherwise`` says what to do if the program that has it is to stay."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PipelineError(
                f"Port {port} on {host} cannot be used ({error.strerror}); stop the program that uses it or {otherwise}"
            ) from None


def ensure_database(started: list[Background]) -> None:
    """Start the database server if it is not running, and wait until it takes connections.

    Raises:
        PipelineError: Another program has taken its port, or it does not start.
    """
    if not database().find():
        check_port(LOOPBACK, int(cluster().port), f"write another port into {cluster().folder / 'port'}")
        database().start(cluster().command, os.environ, identity=identity())
        started.append(database())
    _wait(cluster().answers, database(), "PostgreSQL")


def ensure_server(port: int | None, host: str, profile: Profile, started: list[Background]) -> str:
    """Return the address of the running server's API, or start one; a running server cannot change its port."""
    api = address() or f"http://{LOOPBACK}:{port or PORT}/api"
    if port not in (None, httpx.URL(api).port):
        if _any_found():
            again = f"make {profile.name} PORT={port}"
            raise PipelineError(f"The server runs at {api}; to move it, run `make down`, then `{again}`")
        api = f"http://{LOOPBACK}:{port}/api"
    if not server().find():
        start_server(httpx.URL(api).port or PORT, host, api, profile, started)
    _wait(lambda: _answers(api), server(), "The Prefect server")
    return api


def start_server(port: int, host: str, api: str, profile: Profile, started: list[Background]) -> None:
    """Start the server; raises PipelineError when the port is in use, or when everybody could reach the server."""
    if host not in (LOOPBACK, "::1", "localhost") and not os.environ.get(AUTH):
        raise PipelineError(f"On {host} others could start runs: set {AUTH}=user:password as well, or leave GARBAGE_HOST unset")
    check_port(host, port, f"choose another port: make {profile.name} PORT=4300")
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


def deploy_if_changed(profile: Profile) -> None:
    """Deploy, unless the server has what this project would deploy: deploying again would activate paused schedules."""
    note, wanted = home() / "deployed", _deployable(profile)
    if note.exists() and note.read_text(encoding="utf-8") == wanted and _deployed():
        return
    deploy(profile)
    note.write_text(wanted, encoding="utf-8")


def ensure_worker(profile: Profile, number: int, started: list[Background]) -> None:
    """Start a worker if it is not running, and wait until the server has received a heartbeat of it."""
    background, name = worker(number), worker_name(number)
    process = background.find()
    if not process:
        # One run at a time here too: the pool no longer counts a run that is being cancelled, its process still works.
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--name", name, "--limit", "1"]
        queues = [part for queue in profile.queues(number) for part in ("--work-queue", queue)]
        # The worker passes its umask on to the runs, whose results other users may be allowed to read.
        environment = {**WORKER_SETTINGS, **os.environ, **profile.environment(number)}
        process = background.start([*command, *queues], environment, umask=-1)
        started.append(background)
    since = datetime.fromtimestamp(process.create_time(), UTC)
    _wait(lambda: _online(name, since), background, f"The worker {name}")


def ensure_watchman(started: list[Background]) -> None:
    """Start the watchman if it is not running: last, because it reports a missing worker."""
    if not watchman().find():
        watchman().start([sys.executable, "-m", "operation.watch"], os.environ)
        started.append(watchman())


def _answers(api: str) -> bool:
    try:
        return httpx.get(f"{api}/health", timeout=30).is_success
    except httpx.TransportError:
        return False


def _online(name: str, since: datetime) -> bool:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        answer = client.request(
            "POST", "/work_pools/{work_pool_name}/workers/filter", path_params={"work_pool_name": POOL}, json={}
        )
    seen = [each for each in answer.json() if each["name"] == name and each["status"] == "ONLINE"]
    return any(datetime.fromisoformat(each["last_heartbeat_time"].replace("Z", "+00:00")) >= since for each in seen)


def _deployed() -> bool:
    """Whether the server has all that is to be deployed."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return {each["name"] for each in plan()["deployments"]} <= deployed(client).keys()


def _deployable(profile: Profile) -> str:
    """Return the digest of everything that the deployments depend on."""
    from operation.place import place
    from pipeline_lib.files.digest import file_sha256

    names = (
        "prefect.yaml",
        "pipeline_lib/settings/sections.py",
        "operation/notify.py",
        "operation/deploy.py",
        "operation/profiles.py",
    )
    files = [*(PROJECT / name for name in names), *sorted((PROJECT / "flows").glob("*.py"))]
    values = [*place().values(), os.environ.get("GARBAGE_NOTIFY_URL", ""), profile.name]
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
        pause(running, 0.2)
