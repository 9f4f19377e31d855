"""The flow ``garbage-champion``: a person decides which model is in use, in a form of the Prefect UI."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow
from prefect.states import Completed

from flows.table import DEFAULT
from pipeline_lib.stages.history import in_use
from pipeline_lib.stages.models import appoint_by_hand, go_back
from pipeline_lib.stages.root import check_root
from pipeline_lib.stages.store import Store
from tasks.contract.failing import fails_in_words, keep_the_log_readable


@flow(name="garbage-champion", flow_run_name="{action} {key}")
def garbage_champion(key: str = "", dataset: str | None = None, action: Literal["promote", "rollback"] = "promote") -> Any:
    """Make a model the champion of its dataset, or take the last appointment back.

    Args:
        key: The key of the model, or its beginning, as garbage models and the reports have it; not needed for rollback.
        dataset: Name or path of the dataset; needed where the key alone is not enough, or several datasets have a champion.
        action: ``promote`` appoints the model whatever was decided about it; ``rollback`` goes back to the one before.
    """
    keep_the_log_readable()
    return fails_in_words(_change)(key, dataset, action)


def _change(key: str, dataset: str | None, action: str) -> Any:
    check_root()
    store = Store()
    with in_use(store.root):
        change = (
            go_back(store, DEFAULT.name, dataset)
            if action == "rollback"
            else appoint_by_hand(store, key, DEFAULT.name, dataset)
        )
    return Completed(message=change.in_words, data=change._asdict())
