"""The processes of ``make ui`` and ``make team``, in the background of the project's own Prefect home, and their address."""

from __future__ import annotations

import json
import signal

from operation.background import Background
from operation.home import home
from pipeline_lib.errors import PipelineError

ADDRESS = "address.json"


def server() -> Background:
    """Return the server in the background."""
    return Background("server", home())


def worker(number: int = 1) -> Background:
    """Return a worker in the background, counted from 1."""
    return Background("worker" if number == 1 else f"worker-{number}", home())


def workers() -> list[Background]:
    """Return the workers that were started, running or not."""
    return [Background(record.stem, home()) for record in sorted(home().glob("worker*.json"))]


def database() -> Background:
    """Return the database server in the background; SIGINT has it end without waiting for its clients."""
    return Background("database", home(), signal.SIGINT)


def watchman() -> Background:
    """Return the watchman in the background."""
    return Background("watch", home())


def local_api() -> str:
    """Return the address of the API of the server that ``make ui`` started; raises PipelineError when it does not run."""
    if not server().find():
        raise PipelineError("No Prefect server of this project is running; start one with `make ui`, or set PREFECT_API_URL")
    return address() or ""


def address() -> str | None:
    """Return the API's address since the last ``up``; None after ``down``. A server that died is started there again."""
    try:
        return str(json.loads((home() / ADDRESS).read_text(encoding="utf-8"))["api"])
    except FileNotFoundError:
        return None
