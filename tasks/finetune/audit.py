"""Stage ``audit``: duplicates, leaks and oddities. Nothing is ever deleted; training and evaluation use what it found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.progress import progress_bar
from tasks.contract.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.settings.sections import AuditSettings


@stage("audit")
def audit_stage(folder: Path, *, dataset: Ref, audit: AuditSettings) -> Summary:
    """Find duplicates, near-duplicates, leaks from train to test, label conflicts, tiny and near-blank images."""
    from pipeline_lib.audit.audit import audit_dataset

    with progress_bar("audit") as progress:
        return audit_dataset(folder, dataset.folder, audit, progress)
