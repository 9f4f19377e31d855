"""A run that has finished removes what older runs have left, if its settings say so."""

from __future__ import annotations

from prefect import get_run_logger

from pipeline_lib.errors import PipelineError
from pipeline_lib.stages.prune import prune
from pipeline_lib.stages.run import Run


def keep_last(run: Run, keep: int) -> None:
    """Keep what the last ``keep`` runs of each flow on each dataset use; 0 removes nothing, and neither does a plan.

    The run holds no results any more. Where another one does, nothing is removed: that one may prune, or the next.
    """
    if not keep or run.planning:
        return
    try:
        pruned = prune(run.store, keep)
    except PipelineError as error:
        get_run_logger().warning("Nothing was pruned: %s", error)
        return
    get_run_logger().info("Pruned %d results, %.1f MB; the last %d runs stay", len(pruned.results), pruned.bytes / 1e6, keep)
