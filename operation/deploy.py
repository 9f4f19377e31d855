"""Deploy to a Prefect server: the work pool, every flow and what ``prefect.yaml`` adds, where notices go. ``make deploy``.

The server is the one that ``PREFECT_API_URL`` names, else the one that ``make ui`` started. Repeating it changes only
what differs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click
import httpx
import yaml

from flows.table import FLOWS
from operation.profiles import PROFILES, UI, Profile
from pipeline_lib.errors import PipelineError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

PROJECT = Path(__file__).parent.parent
POOL = "garbage"
NOTIFY = "GARBAGE_NOTIFY_URL"


def deploy(profile: Profile = UI) -> list[str]:
    """Deploy to the server of ``PREFECT_API_URL`` for the workers of a profile; return what is deployed, one line each."""
    from prefect.client.orchestration import get_client

    from operation.notify import keep_address

    with answering(), get_client(sync_client=True) as client:
        keep_pool(client, profile.workers)
        deploy_all(profile)
        ids = deployed(client)
        notices = keep_address(client, os.environ.get(NOTIFY))
    return [f"work pool {POOL}", *(f"deployment {name}" for name in ids), *notices]


@contextmanager
def answering() -> Iterator[None]:
    """Raise PipelineError when the server of ``PREFECT_API_URL`` does not answer, or refuses the password that it is given."""
    address = os.environ["PREFECT_API_URL"]
    try:
        yield
    except httpx.TransportError as error:
        raise PipelineError(f"No Prefect server answers at {address} ({error}); start one with `make ui`") from error
    except httpx.HTTPStatusError as error:
        if error.response.status_code != httpx.codes.UNAUTHORIZED:
            raise
        wrong = "refuses this password" if os.environ.get("PREFECT_API_AUTH_STRING") else "requires a password"
        raise PipelineError(f"{address} {wrong}: export PREFECT_API_AUTH_STRING=user:password") from error


def deployed(client: SyncPrefectClient) -> dict[str, UUID]:
    """Return the ids by name of what is deployed to the work pool: every run there can block the queue."""
    from prefect.client.schemas.filters import WorkPoolFilter, WorkPoolFilterName

    pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL]))
    return {each.name: each.id for each in client.read_deployments(work_pool_filter=pool)}


def keep_pool(client: SyncPrefectClient, limit: int) -> None:
    """Create the work pool, or set its limit again.

    One run at a time for each artifacts root, whatever the deployment: its runs share the processor too. The pool counts the
    runs that the server calls Pending or Running, so a second worker on the same root waits as well, and so does a new one
    beside a run that outlived its worker.
    """
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
    from prefect.exceptions import ObjectNotFound

    try:
        pool = client.read_work_pool(POOL)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process", concurrency_limit=limit))
        return
    if pool.concurrency_limit != limit:
        client.update_work_pool(POOL, WorkPoolUpdate(concurrency_limit=limit))


def plan(profile: Profile = UI) -> dict[str, Any]:
    """Return the configuration for ``prefect deploy``: ``prefect.yaml``, and a deployment of each flow by the flow's name.

    What ``prefect.yaml`` lists itself decides about champions: the nightly, and a person's appointments.
    """
    wanted: dict[str, Any] = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))
    every = wanted["definitions"]["run"]
    flows = [{**every, "name": row.name, "entrypoint": row.entrypoint, "description": row.summary} for row in FLOWS.values()]
    given = [*((flow, False) for flow in flows), *((own, True) for own in wanted["deployments"])]
    return {**wanted, "deployments": [profile.deployment(each, decides=decides) for each, decides in given]}


def deploy_all(profile: Profile) -> None:
    """Run ``prefect deploy`` in the project's folder; raises PipelineError with its last lines when it fails."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        yaml.safe_dump(plan(profile), file)
        file.flush()
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", file.name]
        ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S603  # no shell
    if ended.returncode:
        words = " ".join((ended.stdout + ended.stderr).split())
        raise PipelineError(f"prefect deploy failed: ...{words[-400:]}")


@click.command(help="Deploy to the Prefect server of PREFECT_API_URL, else to the one that make ui started.")
@click.option(
    "--notify",
    metavar="URL",
    help="Send notices (failures, finished nightlies, silence) to this address; '' for none.",
)
def main(notify: str | None) -> None:
    """Deploy and print what is deployed now."""
    from operation.home import known_operation
    from operation.processes import local_api

    profile = UI
    if notify is not None:
        os.environ[NOTIFY] = notify
    try:
        if not os.environ.get("PREFECT_API_URL"):
            os.environ["PREFECT_API_URL"] = local_api()
            profile = PROFILES[operation.profile] if (operation := known_operation()) else UI
        click.echo("\n".join(deploy(profile)))
    except PipelineError as error:
        click.echo(f"error {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
