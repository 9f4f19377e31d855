"""Stage ``backbone``: pretrained weights, downloaded, converted, exported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages.key import Code
from pipeline_lib.stages.result import Summary
from pipeline_lib.stages.store import Store
from tasks.contract.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.settings.sections import BackboneSettings
    from pipeline_lib.weights.sources import Source

COMPARED = 8
"""Pictures of the sample on which the exported network is compared with MindSpore."""


@stage("backbone", network=True)
def backbone_stage(
    folder: Path,
    *,
    architecture: Code,
    weights: Source,
    backbone: BackboneSettings,
    image_size: int,
    seed: int | None = None,
) -> Summary:
    """Download the pretrained weights, convert them into a checkpoint and into ONNX, and compare the two."""
    from pipeline_lib.data.embedded import sample_pictures
    from pipeline_lib.weights.convert import build_backbone
    from pipeline_lib.weights.export import compare_export, export_onnx

    family = architecture.load()
    summary = build_backbone(folder, family, weights, backbone, image_size=image_size, seed=seed or 0, cache=Store().downloads)
    export_onnx(folder, family)
    return summary | compare_export(folder, family, sample_pictures(COMPARED))
