"""A Prefect server and a worker as `make ui` starts them, in folders of their own, and what tests do with them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
from support import PROJECT, TINY, clean_environment, free_port

FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
SILENCE = 35  # seconds; heartbeats come every 30

Seen = TypeVar("Seen")


def nested(dotted: Mapping[str, Any]) -> dict[str, Any]:
    """``{"train.epochs": 4}`` as the run form sends it: ``{"train": {"epochs": 4}}``."""
    tree: dict[str, Any] = {}
    for name, value in dotted.items():
        *sections, leaf = name.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[leaf] = value
    return tree


def read_record(path: Path) -> psutil.Process:
    return psutil.Process(json.loads(path.read_text())["pid"])


@dataclass
class Operated:
    """The project in operation: its server, worker and deployments below one folder."""

    folder: Path
    port: int
    extra: Mapping[str, str]

    @property
    def home(self) -> Path:
        return self.folder / "prefect-home"

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    @cached_property
    def environment(self) -> dict[str, str]:
        user = self.folder / "user"
        user.mkdir(parents=True, exist_ok=True)
        return {
            **clean_environment(),
            "HOME": str(user),
            "PREFECT_HOME": str(self.home),
            "GARBAGE_ARTIFACTS": str(self.artifacts),
            "GARBAGE_SILENCE_SECONDS": str(SILENCE),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "MPLCONFIGDIR": str(self.folder / "matplotlib"),
            **self.extra,
        }

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @cached_property
    def api(self) -> httpx.Client:
        secret = self.extra.get("PREFECT_SERVER_API_AUTH_STRING")
        return httpx.Client(base_url=self.address, timeout=60, auth=httpx.BasicAuth(*secret.split(":")) if secret else None)

    def command(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=PROJECT,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def up(self) -> str:
        ended = self.command("scripts.ui", "up", "--port", str(self.port))
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def down(self) -> str:
        ended = self.command("scripts.ui", "down")
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    @property
    def worker(self) -> psutil.Process:
        return read_record(self.home / "worker.json")

    @property
    def server(self) -> psutil.Process:
        return read_record(self.home / "server.json")

    def get(self, path: str) -> Any:
        return self.send("GET", path).raise_for_status().json()

    def post(self, path: str, content: Mapping[str, Any]) -> Any:
        return self.send("POST", path, content).raise_for_status().json()

    def send(self, method: str, path: str, content: Mapping[str, Any] | None = None) -> httpx.Response:
        """Ask the API; as Prefect's own clients do, ask again when it says that its database is busy."""
        return self.eventually(
            lambda: self.api.request(method, path, json=content),
            lambda answer: answer.status_code != httpx.codes.SERVICE_UNAVAILABLE,
        )

    def deployment(self, name: str) -> dict[str, Any]:
        return dict(self.get(f"/deployments/name/garbage-finetune/{name}"))

    def ask(self, dataset: Path | str, deployment: str = "garbage-finetune", job: Any = None, **settings: Any) -> str:
        """Ask for a run as the UI does and return its id; settings are named with ``__`` for the dot."""
        changed = {**TINY, **{name.replace("__", "."): value for name, value in settings.items()}}
        content = {"parameters": {"dataset": str(dataset), "settings": nested(changed)}, "job_variables": job}
        return str(self.post(f"/deployments/{self.deployment(deployment)['id']}/create_flow_run", content)["id"])

    def run(self, run: str) -> dict[str, Any]:
        return dict(self.get(f"/flow_runs/{run}"))

    def eventually(self, look: Callable[[], Seen], good: Callable[[Seen], bool], seconds: float = 90) -> Seen:
        """Look again and again until what is seen is good; fails with what was seen last."""
        for _ in range(int(seconds * 5)):
            if good(seen := look()):
                return seen
            self.pause()
        raise AssertionError(f"not within {seconds:g} s; last seen: {str(seen)[:2000]}")

    def pause(self) -> None:
        """A fifth of a second, in which the server is watched."""
        try:
            self.server.wait(0.2)
        except psutil.TimeoutExpired:
            return
        raise AssertionError("the server ended")

    def ends(self, run: str, seconds: float = 90) -> dict[str, Any]:
        """Wait for a run's last state and return the run."""
        return self.eventually(lambda: self.run(run), lambda seen: seen["state_type"] in FINAL, seconds)

    def trains(self, run: str) -> psutil.Process:
        """Wait until a run is in its stage ``train`` and return its process."""

        def training() -> bool:
            tasks = self.post("/task_runs/filter", {"flow_runs": {"id": {"any_": [run]}}})
            return any(task["name"] == "train" and task["state_type"] == "RUNNING" for task in tasks)

        self.eventually(training, bool)
        (process,) = self.processes(run)
        return process

    def processes(self, run: str) -> list[psutil.Process]:
        """The processes of a run that are alive."""

        def belongs(process: psutil.Process) -> bool:
            try:
                return process.environ().get("PREFECT__FLOW_RUN_ID") == run
            except psutil.Error:
                return False

        return [process for process in psutil.process_iter() if belongs(process)]

    def log(self, run: str) -> list[str]:
        """The log of a run, once its process has ended and so has sent all of it."""
        self.eventually(lambda: self.processes(run), lambda alive: not alive)
        wanted = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC", "limit": 200}
        return [line["message"] for line in self.post("/logs/filter", wanted)]

    def slots(self) -> list[int]:
        """Slots taken of each deployment's concurrency limit."""
        return [limit["active_slots"] for limit in self.post("/v2/concurrency_limits/filter", {})]


@contextmanager
def operating(folder: Path, **extra: str) -> Iterator[Operated]:
    """Start a server and a worker, deploy, and stop all of it at the end; nothing may be left but files below ``folder``."""
    operated = Operated(folder, free_port(), extra)
    operated.up()
    try:
        yield operated
    finally:
        operated.down()
        operated.api.close()
    left = [process for process in psutil.process_iter(["pid", "cmdline"]) if _of(process, operated.home)]
    assert not left, f"processes left: {left}"
    assert not (written := list((folder / "user").rglob("*"))), f"the user's home was written to: {written}"


def _of(process: psutil.Process, home: Path) -> bool:
    try:
        return process.environ().get("PREFECT_HOME") == str(home) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
