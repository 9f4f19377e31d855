"""Stage ``data_new``: all augmented images as one folder that a person can open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline_lib.stages.store import Ref, Summary
from tasks.contract.stage import stage


@stage("data_new")
def data_new_stage(folder: Path, *, dataset: Ref, augmented: Sequence[Ref]) -> Summary:
    """Lay the augmented views out as ``train/<class>/`` and ``test/<class>/`` and draw a contact sheet."""
    from pipeline_lib.views.data_new import CONTACT_SHEET, draw_contact_sheet, link_views

    counts = link_views(folder, [shard.kept for shard in augmented])
    draw_contact_sheet(folder / CONTACT_SHEET, dataset.folder, folder)
    return {f"{split} images": count for split, count in counts.items()}
