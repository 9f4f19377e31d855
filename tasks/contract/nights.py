"""What is known of the nights of a flow on a dataset when a run has decided on its model."""

from __future__ import annotations

from datetime import UTC, datetime

from pipeline_lib.evaluation.nights import Night, add_night, figures_of, known_nights
from pipeline_lib.stages.publishing import MANIFEST
from pipeline_lib.stages.result import Ref
from pipeline_lib.stages.run import Run


def nights_so_far(run: Run, evaluation: Ref, decision: Ref) -> list[Night]:
    """Return the nights up to the one of a decision; none while planning a run that has still to come to one."""
    if evaluation.pending or decision.pending:
        return []
    written = datetime.fromtimestamp((decision.folder / MANIFEST).stat().st_mtime, UTC)
    night = Night(
        when=written.strftime("%Y-%m-%dT%H:%M:%S"),
        decision=decision.manifest().summary["decision"],
        key=decision.key,
        figures=figures_of(evaluation.manifest().summary),
    )
    return add_night(known_nights(run.store.root, run.slot), night)
