"""Stage ``labels``: which labels are suspected to be wrong. A person decides; see `pipeline_lib.data.decisions`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.stage import stage


@stage("labels")
def labels_stage(folder: Path, *, dataset: Ref, decided: Ref, cross_validated: Ref, features: Sequence[Ref]) -> Summary:
    """Find suspected label errors, outliers and overlapping classes from out-of-fold probabilities and clean features."""
    import numpy as np

    from pipeline_lib.data.corrections import read_decided
    from pipeline_lib.evaluation.out_of_fold import read_out_of_fold
    from pipeline_lib.evaluation.reliability import probabilities
    from pipeline_lib.features.table import read_features
    from pipeline_lib.images.read import read_image
    from pipeline_lib.labels.findings import Labelled, check_labels
    from pipeline_lib.views.view import CLEAN

    classes = dataset.manifest().summary["classes"]
    rows = read_out_of_fold(cross_validated.folder, classes).predictions
    clean = rows.where(rows.views == CLEAN.name)
    images = clean.images.tolist()
    digests, vectors = dataset.manifest().digests, read_features([shard.folder for shard in features])
    labelled = Labelled(
        images,
        [digests[image] for image in images],
        clean.labels.astype(np.int64),
        probabilities(clean.logits, cross_validated.manifest().summary["temperature"]),
        clean.groups,
        np.array([vectors[image] for image in images], np.float32),
        classes,
    )
    return check_labels(folder, labelled, read_decided(decided.folder), lambda image: read_image(dataset.folder / image))
