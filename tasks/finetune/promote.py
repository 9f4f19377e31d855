"""Stage ``promote``: the model meets the champion, and what becomes of it is decided."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.evaluation.predictions import Predictions
    from pipeline_lib.settings.sections import PromoteSettings, TrainViewSettings


@stage("promote")
def promote_stage(
    folder: Path,
    *,
    dataset: Ref,
    sources: Ref,
    corrections: Ref,
    model: Ref,
    cross_validated: Ref,
    features: Sequence[Ref],
    champion: Sequence[Ref],
    champion_features: Sequence[Ref],
    augment_train: TrainViewSettings,
    promote: PromoteSettings,
    looks: int,
    obstacle: str,
) -> Summary:
    """Decide whether the model takes the champion's place, by what both say of the photographs of today.

    ``champion`` has its model, its out-of-fold outputs and the decision on it; it is empty for the first model, or where an
    ``obstacle`` keeps the two from being compared. Both ``features`` are those of the clean test photographs, by the backbone
    of each model. ``looks`` is how many models the test set has judged.
    """
    from pipeline_lib.audit.findings import read_groups, read_leaked
    from pipeline_lib.data.corrections import read_corrections
    from pipeline_lib.evaluation.challenge import Challenger, meet, read_incumbent
    from pipeline_lib.evaluation.out_of_fold import read_out_of_fold
    from pipeline_lib.evaluation.pairs import Photographs
    from pipeline_lib.images.read import read_image

    classes = dataset.manifest().summary["classes"]
    digests = {path: digest for path, digest in dataset.manifest().digests.items() if path.startswith(("train/", "test/"))}
    groups, corrected = read_groups(sources.folder), read_corrections(corrections.folder, classes)

    def on_test(of: Ref, computed: Sequence[Ref]) -> Predictions:
        return _predictions(of, computed, classes, groups).relabelled(corrected)

    challenger = Challenger(
        read_out_of_fold(cross_validated.folder, classes),
        on_test(model, features),
        Photographs(digests),
        augment_train.model_dump(mode="json"),
        read_leaked(sources.folder),
        groups,
        classes,
    )
    given = obstacle
    obstacle = obstacle or cross_validated.manifest().summary["obstacle"] or _other_classes(champion, classes)
    incumbent = None
    if champion and not obstacle:
        of_champion, judged, decided = champion
        test = on_test(of_champion, champion_features)
        incumbent = read_incumbent(read_out_of_fold(judged.folder, classes), test, decided.folder)
    summary = meet(folder, challenger, incumbent, promote, looks, obstacle, lambda image: read_image(dataset.folder / image))
    candidate = {"model": model.model_dump(), "cross_validated": cross_validated.model_dump()}
    met = {"champion": [ref.model_dump() for ref in champion], "looks": looks, "obstacle": given}
    return summary | {"candidate": candidate} | met


def _other_classes(champion: Sequence[Ref], classes: Sequence[str]) -> str:
    """Say that the champion was trained on other classes; empty where it was not, or there is none."""
    from pipeline_lib.models.heads import load_head

    if not champion or list(load_head(champion[0].folder).spec.classes) == list(classes):
        return ""
    return "the champion was trained on other classes"


def _predictions(model: Ref, features: Sequence[Ref], classes: Sequence[str], groups: dict[str, int]) -> Predictions:
    """Return what a model says of the clean test photographs, its outputs divided by its temperature."""
    from pipeline_lib.evaluation.predictions import Predictions
    from pipeline_lib.features.table import FeatureSet
    from pipeline_lib.models.heads import load_head
    from pipeline_lib.models.outputs import logits_of_table

    head = load_head(model.folder)
    table = FeatureSet([shard.folder for shard in features], classes)
    logits = logits_of_table(head.logits, table) / head.spec.temperature
    return Predictions(table.images, table.labels, table.views, logits.astype("float32"), groups)
