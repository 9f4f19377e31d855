"""Stage ``data_new``: all augmented images as one folder that a person can open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.settings.sections import TestViewSettings, TrainViewSettings


@stage("data_new")
def data_new_stage(
    folder: Path,
    *,
    dataset: Ref,
    train: Sequence[Ref],
    test: Sequence[Ref],
    augment_train: TrainViewSettings,
    augment_test: TestViewSettings,
) -> Summary:
    """Lay the augmented views out as ``train/<class>/`` and ``test/<class>/`` and draw a contact sheet."""
    from pipeline_lib.views.data_new import CONTACT_SHEET, draw_contact_sheet, link_views
    from pipeline_lib.views.view import augmented_views

    views = {"train": augmented_views(augment_train), "test": augmented_views(augment_test)}
    shards = [(shard.kept, views[split]) for split, refs in (("train", train), ("test", test)) for shard in refs]
    counts = link_views(folder, shards)
    draw_contact_sheet(folder / CONTACT_SHEET, dataset.folder, folder, views)
    return {f"{split} images": count for split, count in counts.items()}
