"""A Prefect server and a worker of a benchmark's own, on a free port and in a folder that is removed at the end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

PROJECT = Path(__file__).parent.parent
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


class Served:
    """The deployed flow, asked for runs as the UI does it."""

    def __init__(self, port: int, artifacts: Path) -> None:
        self.artifacts = artifacts
        self._api = httpx.Client(base_url=f"http://127.0.0.1:{port}/api", timeout=60)

    def send(self, method: str, path: str, **content: Any) -> Any:
        """Return the API's answer; ask again while it says that its database is busy."""
        while (answer := self._api.request(method, path, **content)).status_code == httpx.codes.SERVICE_UNAVAILABLE:
            time.sleep(0.2)
        return answer.raise_for_status().json()

    def ask(self, deployment: str, dataset: str, settings: dict[str, Any]) -> str:
        """Ask for a run and return its id."""
        found = self.send("GET", f"/deployments/name/garbage-finetune/{deployment}")
        parameters = {"dataset": dataset, "settings": settings}
        return str(self.send("POST", f"/deployments/{found['id']}/create_flow_run", json={"parameters": parameters})["id"])

    def end(self, run: str) -> dict[str, Any]:
        """Wait for a run's last state and return the run."""
        while (found := self.send("GET", f"/flow_runs/{run}"))["state_type"] not in FINAL:
            time.sleep(0.5)
        return dict(found)

    def tasks(self, run: str, expected: int) -> list[dict[str, Any]]:
        """Return the task runs of a run's stages; the source, asked in every run, is none.

        The server records them late: wait a minute for as many as are expected.
        """
        wanted = {"flow_runs": {"id": {"any_": [run]}}}
        until = time.monotonic() + 60
        while True:
            found = self.send("POST", "/task_runs/filter", json=wanted)
            stages = [task for task in found if task["name"] != "source"]
            recorded = len(stages) >= expected and all(task["state_type"] in FINAL for task in stages)
            if recorded or time.monotonic() > until:
                return stages
            time.sleep(0.5)

    @property
    def results(self) -> int:
        """How many results the stages have left; the exhibits drawn from them are none."""
        return sum(path.parts[-3] != "exhibit" for path in self.artifacts.glob("stages/*/*/manifest.json"))

    def seconds(self, run: str, since: str, until: str) -> float:
        """Return the time between two states of a run, by the server's clock."""
        states = self.send("GET", "/flow_run_states/", params={"flow_run_id": run})
        moments = {state["name"]: datetime.fromisoformat(state["timestamp"].replace("Z", "+00:00")) for state in states}
        return (moments[until] - moments[since]).total_seconds()


@contextmanager
def serving() -> Iterator[Served]:
    """Start with ``operation.ui up`` and stop with ``operation.ui down``."""
    with tempfile.TemporaryDirectory() as scratch, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "GARBAGE_"))}
        own = {"PREFECT_HOME": f"{scratch}/home", "GARBAGE_ARTIFACTS": f"{scratch}/artifacts"}
        command = [sys.executable, "-m", "operation.ui"]
        subprocess.run([*command, "up", "--port", str(port)], cwd=PROJECT, env={**kept, **own}, check=True, stdout=sys.stderr)
        try:
            yield Served(port, Path(scratch, "artifacts"))
        finally:
            subprocess.run([*command, "down"], cwd=PROJECT, env={**kept, **own}, check=True, stdout=sys.stderr)


@contextmanager
def prefect_server(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Start a Prefect server alone, on loopback, in the environment given; yield its address and stop it at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}/api", server)
        yield f"http://127.0.0.1:{port}/api"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def _wait_until_healthy(api: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until and server.poll() is None:
        if _is_healthy(api):
            return
        time.sleep(0.1)
    raise RuntimeError("the Prefect server does not answer; see server.log")


def _is_healthy(api: str) -> bool:
    try:
        return httpx.get(f"{api}/health", timeout=1).is_success
    except httpx.HTTPError:
        return False


def nested(assignments: list[str]) -> dict[str, Any]:
    """Return ``["train.epochs=4"]`` as the run form sends it: ``{"train": {"epochs": 4}}``; values are read as YAML."""
    import yaml

    tree: dict[str, Any] = {}
    for assignment in assignments:
        name, _, value = assignment.partition("=")
        *sections, leaf = name.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[leaf] = yaml.safe_load(value)
    return tree
