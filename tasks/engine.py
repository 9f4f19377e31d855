"""Stage ``engine``: which engine computes the features."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages import External, Ref, Store, Summary
from tasks.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.settings import FeaturesSettings


@stage("engine")
def engine_stage(folder: Path, *, backbone: Ref, photographs: External, features: FeaturesSettings) -> Summary:
    """Choose the engine for the frozen backbone and compare it with MindSpore on real photographs before its first use."""
    from pipeline_lib.features.choice import choose_engine

    images = sorted((Store().root / photographs.location).glob("train/*/*"))
    return choose_engine(folder, backbone.folder, images, features.engine, features.batch)
