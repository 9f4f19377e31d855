"""What earlier runs have published in the Prefect UI, found again and removed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from prefect.client.orchestration import get_client

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

Filter = Literal["/flow_runs/filter", "/artifacts/filter"]

PAGE = 200
"""Records that are asked for at a time: the most that a server gives."""


def remove_artifacts(dataset: str, before: datetime) -> int:
    """Remove the artifacts of all runs on a dataset that began before a moment, and return how many: they show photographs.

    Args:
        dataset: Name of the dataset; runs are known by the name or path that they were given.
        before: The moment, with its time zone.
    """
    removed = 0
    with get_client(sync_client=True) as client:
        began = {"flow_runs": {"start_time": {"before_": before.isoformat()}}, "sort": "ID_DESC"}
        for run in list(_pages(client, "/flow_runs/filter", began)):
            given = run["parameters"].get("dataset")
            if isinstance(given, str) and Path(given).name.removesuffix(".zip") == dataset:
                wanted = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}, "sort": "ID_DESC"}
                for artifact in list(_pages(client, "/artifacts/filter", wanted)):
                    client.request("DELETE", "/artifacts/{id}", path_params={"id": artifact["id"]})
                    removed += 1
    return removed


def _pages(client: SyncPrefectClient, path: Filter, wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield all records that the server has of what is wanted."""
    for offset in range(0, 1_000_000_000, PAGE):
        page = client.request("POST", path, json={**wanted, "limit": PAGE, "offset": offset}).json()
        yield from page
        if len(page) < PAGE:
            return
