"""Where the dataset is and which version of it: asked in every run, so that a changed archive or folder is noticed."""

from __future__ import annotations

from prefect import Task
from prefect.context import FlowRunContext

from pipeline_lib.data.sources import Source, resolve
from pipeline_lib.stages import Store
from tasks.stage import network_retries


def find_source(dataset: str) -> Source:
    """Return the source of a dataset; within a flow's run as the task ``source``, whose network errors are tried again."""
    downloads = Store().downloads
    if FlowRunContext.get() is None:
        return resolve(dataset, downloads=downloads)
    return Task(resolve, name="source", persist_result=False, **network_retries())(dataset, downloads=downloads)
