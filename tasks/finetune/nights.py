"""Stage ``nights``: the figures of this model beside those of the models before it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.evaluation.nights import Night


@stage("nights")
def nights_stage(folder: Path, *, slot: str, decision: Ref, nights: Sequence[Night]) -> Summary:
    """Keep the nights of a flow on a dataset up to the one of a decision, see `nights_so_far`."""
    from pipeline_lib.evaluation.nights import write_nights

    write_nights(folder, nights)
    return {"nights": len(nights), "promoted": sum(night.decision == "promoted" for night in nights)}
