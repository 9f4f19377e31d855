"""Stage ``augment``: the noisy and rotated views of one shard of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages.kept import Kept
from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.settings.sections import TestViewSettings, TrainViewSettings


@stage("augment", varies=["images"])
def augment_stage(
    folder: Path,
    *,
    images: Ref,
    seed: int,
    image_size: int,
    augment_train: TrainViewSettings | None = None,
    augment_test: TestViewSettings | None = None,
    previous: Kept | None = None,
) -> Summary:
    """Write every augmented view of a shard's images: those of train, or those of test and its robustness grid."""
    from pipeline_lib.views.augment import write_views
    from pipeline_lib.views.folder import Original
    from pipeline_lib.views.view import views_of

    sources = [Original(output.path, images.folder / output.path, output.sha256) for output in images.outputs()]
    views = [view for settings in (augment_train, augment_test) if settings for view in views_of(settings)]
    computed = write_views(folder, sources, views, seed=seed, size=image_size, previous=previous)
    return {"images": len(sources), "computed": computed, "views": len(views)}
