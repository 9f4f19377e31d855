"""Stage ``cut``: the part of the backbone that stays frozen, as a graph of its own."""

from __future__ import annotations

from pathlib import Path

from pipeline_lib.stages.key import Code
from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.stage import stage


@stage("cut")
def cut_stage(folder: Path, *, backbone: Ref, architecture: Code, freeze: str) -> Summary:
    """Export the part of the backbone up to a block, which runs once like a backbone; what is behind it is tuned."""
    from pipeline_lib.models.cut import position
    from pipeline_lib.weights.frozen import export_frozen_part

    family = architecture.load()
    return {"frozen": freeze, **export_frozen_part(folder, backbone.folder, family, position(family, freeze))}
