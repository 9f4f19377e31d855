"""A Prefect server and a worker as `make ui` starts them, in folders of their own, and what tests do with them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psutil
from support import PROJECT, TINY, clean_environment, free_port
from waiting import PATIENCE, Api, Seen, eventually

from operation.background import Background

FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}

# What the server may log at the level ERROR, and why it is harmless; docs/operating.md lists the same lines.
HARMLESS = {
    r"OperationalError: database is locked": "SQLite was busy for longer than Prefect waits; each service does it again",
    r"IntegrityError: NOT NULL constraint failed: events\.occurred": "events that were sent twice and are stored already",
}
ERROR = re.compile(r"^\S+ \| (ERROR|CRITICAL)")
RECORD = re.compile(r"^(?=\d\d:\d\d:\d\d\.\d{3} \| )", re.MULTILINE)

# Seconds. Heartbeats come every 30, and the server may take 5 to store one.
SILENCE = 70
STOPS = 40  # a process that is asked to stop does so in less than 10 on an idle machine


def errors(log: str) -> list[str]:
    """The records of a server's log, each with its traceback, of level ERROR or above that are not known to be harmless."""
    records = [record for record in RECORD.split(log) if ERROR.match(record)]
    return [record for record in records if not any(re.search(known, record) for known in HARMLESS)]


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


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass
class Operated:
    """The project in operation: its server, worker and deployments below one folder."""

    folder: Path
    port: int
    extra: Mapping[str, str]
    settings: Mapping[str, Any] = field(default_factory=lambda: dict(TINY))
    profile: str = "ui"

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
            "GARBAGE_WATCH_SECONDS": "1",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "MPLCONFIGDIR": str(self.folder / "matplotlib"),
            "RUSTUP_HOME": str(self.folder / "rustup"),  # pip asks rustc for its version, which may be a link to rustup
            **self.extra,
        }

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @cached_property
    def api(self) -> Api:
        own = self.home / "password"
        secret = self.extra.get("PREFECT_SERVER_API_AUTH_STRING") or (own.read_text() if own.exists() else None)
        return Api(self.address, httpx.BasicAuth(*secret.split(":")) if secret else None, self.pause)

    def command(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=PROJECT,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def up(self) -> str:
        ended = self.command("operation.ui", "up", "--port", str(self.port), "--profile", self.profile)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def down(self) -> str:
        ended = self.command("operation.ui", "down")
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    @property
    def worker(self) -> psutil.Process:
        return read_record(self.home / "worker.json")

    @property
    def server(self) -> psutil.Process:
        return read_record(self.home / "server.json")

    @property
    def watchman(self) -> psutil.Process:
        return read_record(self.home / "watch.json")

    def get(self, path: str) -> Any:
        return self.api.get(path)

    def post(self, path: str, content: Mapping[str, Any]) -> Any:
        return self.api.post(path, content)

    def deployment(self, name: str) -> dict[str, Any]:
        return dict(self.get(f"/deployments/name/garbage-finetune/{name}"))

    def ask(
        self,
        dataset: Path | str,
        deployment: str = "garbage-finetune",
        job: Any = None,
        queue: str | None = None,
        **settings: Any,
    ) -> str:
        """Ask for a run as the UI does and return its id; settings are named with ``__`` for the dot."""
        changed = {**self.settings, **{name.replace("__", "."): value for name, value in settings.items()}}
        content = {"parameters": {"dataset": str(dataset), "settings": nested(changed)}, "job_variables": job}
        content |= {"work_queue_name": queue} if queue else {}
        return str(self.post(f"/deployments/{self.deployment(deployment)['id']}/create_flow_run", content)["id"])

    def run(self, run: str) -> dict[str, Any]:
        return dict(self.get(f"/flow_runs/{run}"))

    def eventually(self, look: Callable[[], Seen], good: Callable[[Seen], bool], seconds: float = PATIENCE) -> Seen:
        """Look again and again, while the server runs, until what is seen is good; fails with what was seen last."""
        return eventually(look, good, seconds, self.pause)

    def pause(self) -> None:
        """A fifth of a second, in which the server is watched."""
        try:
            self.server.wait(0.2)
        except psutil.TimeoutExpired:
            return
        raise AssertionError("the server ended")

    def ends(self, run: str) -> dict[str, Any]:
        """Wait for a run's last state and return the run."""
        return self.eventually(lambda: self.run(run), lambda seen: seen["state_type"] in FINAL)

    def trains(self, run: str, stage: str = "train") -> psutil.Process:
        """Wait until a run is in its stage ``train``, or another, and return its process."""

        def reached() -> bool:
            assert (state := self.run(run)["state_type"]) not in FINAL, f"the run is {state}"
            return any(task["state_type"] == "RUNNING" for task in self.api.tasks(run, stage))

        self.eventually(reached, bool)
        return self.process(run)

    def suspend(self, run: str) -> None:
        """Do what the button *Suspend* does."""
        details = {"pause_reschedule": True, "pause_timeout": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
        state = {"type": "PAUSED", "name": "Suspended", "state_details": details}
        assert self.post(f"/flow_runs/{run}/set_state", {"state": state})["status"] == "ACCEPT"

    def cancel(self, run: str) -> None:
        """Do what the button *Cancel* does."""
        self.post(f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})

    def settle(self) -> None:
        """Start what does not run, and end every run that waits or is in progress but those of a schedule."""
        if not all(Background(name, self.home).find() for name in ("server", "worker", "watch")):
            self.up()
        unfinished = ["SCHEDULED", "PENDING", "RUNNING", "CANCELLING", "PAUSED"]
        for run in self.post("/flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": unfinished}}}}):
            if not run["auto_scheduled"]:
                cancelled = {"state": {"type": "CANCELLED", "name": "Cancelled"}, "force": True}
                self.post(f"/flow_runs/{run['id']}/set_state", cancelled)
                self.gone(run["id"])

    def gone(self, run: str) -> None:
        """Wait until no process of a run is left, for much less than its training would take."""
        known = self.processes(run)  # one that is ending has no environment to know it by
        self.eventually(lambda: [*filter(alive, known), *self.processes(run)], lambda left: not left, STOPS)

    def process(self, run: str) -> psutil.Process:
        """The process of a run, as its worker knows it: programs that a library starts carry the run's id as well."""
        return psutil.Process(int(str(self.run(run)["infrastructure_pid"]).rpartition(":")[2]))

    def processes(self, run: str) -> list[psutil.Process]:
        """The processes of a run that are alive, its main one and whatever that has started."""

        def belongs(process: psutil.Process) -> bool:
            try:
                return process.environ().get("PREFECT__FLOW_RUN_ID") == run and process.status() != psutil.STATUS_ZOMBIE
            except psutil.Error:
                return False

        return [process for process in psutil.process_iter() if belongs(process)]

    def log(self, run: str) -> list[str]:
        """The log of a run, once its process has ended and so has sent all of it."""
        self.eventually(lambda: self.processes(run), lambda alive: not alive)
        wanted = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC", "limit": 200}
        return [line["message"] for line in self.post("/logs/filter", wanted)]

    def unfinished(self, stage: str) -> set[Path]:
        """Results of a stage that a stopped run left."""
        return set((self.artifacts / "stages" / stage).glob("*.partial"))

    def slots(self) -> list[int]:
        """Slots taken of each deployment's concurrency limit."""
        return [limit["active_slots"] for limit in self.post("/v2/concurrency_limits/filter", {})]


@contextmanager
def operating(folder: Path, profile: str = "ui", **extra: str) -> Iterator[Operated]:
    """Start a server and a worker, or more, deploy, and stop all of it at the end.

    Nothing may be left but files below ``folder``, and the server may not have logged an error.
    """
    operated = Operated(folder, free_port(), extra, profile=profile)
    operated.up()
    try:
        yield operated
    finally:
        operated.down()
    left = [process for process in psutil.process_iter(["pid", "cmdline"]) if _of(process, operated.home)]
    assert not left, f"processes left: {left}"
    assert not (written := list((folder / "user").rglob("*"))), f"the user's home was written to: {written}"
    assert not (logged := errors((operated.home / "server.log").read_text(encoding="utf-8"))), "\n".join(logged)


def _of(process: psutil.Process, home: Path) -> bool:
    try:
        return process.environ().get("PREFECT_HOME") == str(home) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
