"""Where the dataset is and which version of it: asked in every run, so that a changed archive or folder is noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from prefect import Task
from prefect.context import FlowRunContext

from pipeline_lib.data.source import Source
from pipeline_lib.stages.run import Run
from tasks.contract.failing import fails_in_words
from tasks.contract.stage import network_retries

Found = TypeVar("Found", bound=Source)


def find_source(resolve: Callable[..., Found], dataset: str | None, run: Run, **options: Any) -> Found:
    """Return ``resolve(dataset, downloads=..., **options)``.

    Within a flow's run it is the task ``source``: asked anew each time, and again when the network fails it.
    """
    options["downloads"] = run.store.downloads
    if FlowRunContext.get() is None:
        return resolve(dataset, **options)
    task = Task(fails_in_words(resolve), name="source", task_run_name="source", persist_result=False, **network_retries())
    source: Found = task(dataset, **options, return_state=True).result()
    return source
