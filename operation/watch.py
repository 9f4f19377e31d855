"""The watchman: checks the Prefect server again and again, ends dead runs, and reports what is wrong.

``make ui`` starts it beside server and worker; for a server that is operated in another way: ``python -m operation.watch``
with ``PREFECT_API_URL``, ``PREFECT_API_AUTH_STRING`` if there is a password, and a ``PREFECT_HOME`` to keep its memory in.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click
import httpx
from prefect.blocks.abstract import NotificationError
from prefect.exceptions import PrefectException

from operation.deploy import POOL
from operation.notify import Notice, Send, sender
from operation.sight import OVERLAP, Seen, TaskSeen, look
from operation.verdicts import Limits, Verdict, endings, given_up, in_words, orphaned, silences
from pipeline_lib.errors import PipelineError
from tasks.contract.notices import notice_id

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient


@dataclass
class Memory:
    """What has been reported, in a file: a watchman that is started again reports nothing twice.

    Attributes:
        file: Where it is kept.
        since: Runs that ended before this moment have been reported.
        sent: The moment of each notice that was sent, by its key.
    """

    file: Path
    since: datetime | None = None
    sent: dict[str, datetime] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Memory:
        """Return what the file remembers; nothing if it does not exist."""
        if not file.exists():
            return cls(file)
        known = json.loads(file.read_text(encoding="utf-8"))
        # Missing in a file of an earlier release: what is still the case is then reported once more.
        sent = {key: datetime.fromisoformat(moment) for key, moment in known.get("sent", {}).items()}
        return cls(file, datetime.fromisoformat(known["since"]), sent)

    def write(self) -> None:
        """Replace the file, once there is something to remember."""
        if self.since:
            sent = {key: moment.isoformat() for key, moment in self.sent.items()}
            fresh = self.file.with_suffix(f".{os.getpid()}")
            fresh.write_text(json.dumps({"since": self.since.isoformat(), "sent": sent}), encoding="utf-8")
            fresh.replace(self.file)

    def know(self, notices: Sequence[Notice], now: datetime) -> None:
        """Count notices as reported."""
        self.sent |= {notice.key: now for notice in notices}

    def forget(self, present: Sequence[Notice], now: datetime) -> None:
        """Forget what is over, and endings that no check will see again."""
        keys = {notice.key for notice in present}
        self.sent = {
            key: moment
            for key, moment in self.sent.items()
            if key in keys or (key.startswith("ended/") and now - moment < 2 * OVERLAP)
        }


@dataclass
class Watchman:
    """Checks, acts and reports.

    Attributes:
        limits: How long a silence may last.
        memory: What has been reported.
        answering: Since when the server has answered.
        unanswered: Since when it has not.
        send: How notices are sent, by the last answer of the server; None if it has no address for them.
    """

    limits: Limits
    memory: Memory
    answering: datetime | None = None
    unanswered: datetime | None = None
    send: Send | None = None

    def turn(self) -> None:
        """Check once, end dead runs, and report what is wrong."""
        from prefect.client.orchestration import get_client

        try:
            with get_client(sync_client=True) as client:
                seen, self.send = look(client, POOL, self.answering, self.memory.since), sender()
                self._act(client, seen)
        except (httpx.HTTPError, PrefectException) as error:
            self._no_answer(error)
            return
        if self.unanswered:
            say(f"The server answers again, for the first time since {self.unanswered:%Y-%m-%d %H:%M:%S}")
        self.answering, self.unanswered = seen.answering, None
        if not self.memory.since:  # runs that ended before the first check are not reported
            self.memory.know(endings(seen), seen.now)
        present = [*endings(seen), *silences(seen, self.limits)]
        if self.report(present):
            self.memory.since = seen.now
            self.memory.forget(present, seen.now)
        self.memory.write()

    def report(self, notices: Sequence[Notice]) -> bool:
        """Send what has not been sent, and return whether everything has been sent now."""
        fresh = [notice for notice in notices if notice.key not in self.memory.sent]
        for notice in fresh:
            say(f"{notice.subject} - {notice.text}")
            try:
                if self.send:
                    self.send(notice)
            except (httpx.HTTPError, httpx.InvalidURL, NotificationError) as error:
                say(f"The notice was not accepted ({error}); it is sent again in {self.limits.watch:g} s")
            else:
                self.memory.know([notice], datetime.now(UTC))
        return all(notice.key in self.memory.sent for notice in fresh)

    def _act(self, client: SyncPrefectClient, seen: Seen) -> None:
        """End dead runs. What the server refuses is tried again at each check, and delays nothing else."""
        todo = [partial(_give_up, client, verdict) for verdict in given_up(seen, self.limits)]
        todo += [partial(_end_task, client, task) for task in orphaned(seen, self.limits)]
        for step in todo:
            try:
                step()
            except (httpx.HTTPError, PrefectException) as error:
                say(f"The server refused: {error}")

    def _no_answer(self, error: Exception) -> None:
        """Log once that the server does not answer, and report it once the silence is too long."""
        now, address = datetime.now(UTC), os.environ.get("PREFECT_API_URL")
        if not self.unanswered:
            self.unanswered = now
            say(f"No answer from {address}: {type(error).__name__} {error}")
        if isinstance(error, httpx.TransportError):  # not if it is busy: the silence would never be long enough
            self.answering = None
        if now - self.unanswered > timedelta(seconds=self.limits.server):
            what = f"The Prefect server at {address} has not answered for {in_words(self.limits.server)}"
            known = notice_id("server", str(address))
            advice = "`make ui`, or `make team`, starts a server that died."
            self.report([Notice(f"server/{self.unanswered.isoformat()}", what, advice, known)])


def _give_up(client: SyncPrefectClient, verdict: Verdict) -> None:
    """Set a run's state, unless the state has changed meanwhile."""
    from prefect.client.schemas.objects import State, StateType

    now = client.read_flow_run(UUID(verdict.run.id))
    if now.state and str(now.state.id) == verdict.run.state_id:
        say(f"{verdict.run.deployment.name}: {verdict.run.name} is ended: {verdict.message}")
        state: State[None] = State(type=StateType(verdict.state), message=verdict.message)
        client.set_flow_run_state(now.id, state)


def _end_task(client: SyncPrefectClient, task: TaskSeen) -> None:
    from prefect.states import Crashed

    message = f"Its run is {task.run.state}: nothing works on this any more"
    client.set_task_run_state(UUID(task.id), Crashed(message=message), force=True)


def say(text: str) -> None:
    """Write a line with the time to standard output, which is the watchman's log."""
    click.echo(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}")


@click.command(help="Watch the Prefect server of PREFECT_API_URL until stopped; see docs/operating.md, Silence.")
def main() -> None:
    """Check the server every ``GARBAGE_WATCH_SECONDS`` (20)."""
    from operation.home import home
    from operation.processes import local_api

    try:
        if not os.environ.get("PREFECT_API_URL"):
            os.environ["PREFECT_API_URL"] = local_api()
        home().mkdir(parents=True, exist_ok=True)
        watchman = Watchman(Limits.of_environment(), Memory.read(home() / "watch-memory.json"))
    except PipelineError as error:
        click.echo(f"error {error}", err=True)
        sys.exit(1)
    say(f"watching {os.environ['PREFECT_API_URL']}")
    pause = threading.Event()
    while True:
        watchman.turn()
        pause.wait(watchman.limits.watch)


if __name__ == "__main__":
    main()
