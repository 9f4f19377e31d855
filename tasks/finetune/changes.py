"""Stage ``changes``: what is different from the day of the champion, and what the new photographs are like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.stage import stage


@stage("changes")
def changes_stage(
    folder: Path,
    *,
    dataset: Ref,
    sources: Ref,
    cross_validated: Ref,
    features: Sequence[Ref],
    champion: Sequence[Ref],
    obstacle: str,
    differing: Sequence[Mapping[str, Any]],
) -> Summary:
    """Compare the photographs of today with those that the champion knows, by the clean features of the backbone of today.

    ``champion`` is what `promote_stage` is given too; without one there is nothing to compare with, for the reason that
    ``obstacle`` gives, if any. ``differing`` is what else differs, see `differing_keys`.
    """
    if not champion:
        return {"compared": False, "obstacle": obstacle, "differing": []}

    import numpy as np

    from pipeline_lib.audit.findings import read_groups, read_leaked
    from pipeline_lib.evaluation.changes import Today, write_changes
    from pipeline_lib.evaluation.out_of_fold import read_out_of_fold
    from pipeline_lib.evaluation.pairs import Photographs, read_photographs
    from pipeline_lib.features.table import read_features
    from pipeline_lib.images.read import read_image

    classes, digests = dataset.manifest().summary["classes"], dataset.manifest().digests
    clean = read_out_of_fold(cross_validated.folder, classes).predictions.clean
    vectors = read_features([shard.folder for shard in features])
    today = Today(
        Photographs({path: digest for path, digest in digests.items() if path.startswith(("train/", "test/"))}),
        clean,
        np.array([vectors[image] for image in clean.images.tolist()], np.float32).reshape(len(clean), -1),
        read_groups(sources.folder),
        read_leaked(sources.folder),
        classes,
    )
    before = read_photographs(champion[-1].folder)
    written = write_changes(folder, today, before, lambda image: read_image(dataset.folder / image))
    return {"compared": True, "obstacle": "", "differing": list(differing), **written}
