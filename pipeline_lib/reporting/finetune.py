"""What the report of ``garbage-finetune`` says: the stages' results in words and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline_lib.reporting.content import ReportContent, Timing
from pipeline_lib.reporting.facts import audit_facts, contact_sheet, dataset_facts, features_timing, leaks, model_facts
from pipeline_lib.reporting.provenance import commit, versions
from pipeline_lib.settings import Settings
from pipeline_lib.stages import Manifest, Ref


def finetune_content(stages: Mapping[str, Ref], shards: Sequence[Ref], name: str, settings: Settings) -> ReportContent:
    """Return what the report shows.

    Args:
        stages: References to the results of dataset, audit, backbone, data_new, model and scores.
        shards: References to all feature shards.
        name: The dataset as people call it.
        settings: All settings of the run.
    """
    manifests = {stage: ref.manifest() for stage, ref in stages.items()}
    dataset, model = manifests["dataset"].summary, manifests["model"].summary
    images = sum(sum(counts.values()) for counts in dataset["counts"].values())
    return ReportContent(
        title=f"Garbage classification on {name}",
        summary=f"A frozen MobileNetV2 with a trained head, for {len(dataset['classes'])} classes; {images:,} images.",
        notices=_notices(dataset),
        dataset=dataset_facts(name, dataset),
        class_counts=dataset["counts"],
        audit=audit_facts(manifests["audit"].summary),
        data_pictures=contact_sheet(stages["data_new"].folder) + leaks(stages["audit"].folder),
        model=model_facts(manifests["backbone"].summary, model),
        history=stages["model"].folder / "history.csv",
        best_epoch=model["best_epoch"],
        evaluation=stages["scores"].folder,
        settings=settings.model_dump(mode="json"),
        timings=_timings(manifests, [shard.manifest() for shard in shards]),
        versions=versions(),
        commit=commit(),
    )


def _notices(dataset: Mapping[str, Any]) -> tuple[str, ...]:
    notices = []
    if dataset["synthetic"]:
        notices.append(
            "The pictures of this dataset are synthetic, drawn by a program. The figures show that the pipeline works, "
            "not how well photographs are told apart."
        )
    if dataset["test_split"] != "given":
        notices.append("The dataset came without a test split; the last images of each class of train were set aside as test.")
    return tuple(notices)


def _timings(stages: Mapping[str, Manifest], shards: Sequence[Manifest]) -> tuple[Timing, ...]:
    """Return how long each stage took when it was computed."""
    rows = {manifest.stage: Timing(stage=manifest.stage, seconds=manifest.seconds) for manifest in stages.values()}
    rows["features"] = features_timing(shards)
    order = ("dataset", "audit", "backbone", "data_new", "features", "train", "evaluate")
    return tuple(rows[stage] for stage in order)
