"""What the report of ``garbage-finetune`` says: the stages' results in words and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline_lib.reporting.content import ReportContent
from pipeline_lib.reporting.facts import audit_facts, contact_sheet, dataset_facts, leaks, model_facts, timing
from pipeline_lib.reporting.provenance import commit, versions
from pipeline_lib.settings.sections import Settings
from pipeline_lib.stages.store import Ref


def finetune_content(results: Mapping[str, Sequence[Ref]], name: str, settings: Settings) -> ReportContent:
    """Return what the report shows.

    Args:
        results: The results of every stage, in the order of the run: one, or one a shard.
        name: The dataset as people call it.
        settings: All settings of the run.
    """
    stages = {stage: refs[0] for stage, refs in results.items()}
    dataset, audit, backbone, model = (stages[each].manifest().summary for each in ("dataset", "audit", "backbone", "train"))
    images = sum(sum(counts.values()) for counts in dataset["counts"].values())
    return ReportContent(
        title=f"Garbage classification on {name}",
        summary=f"A frozen MobileNetV2 with a trained head, for {len(dataset['classes'])} classes; {images:,} images.",
        notices=_notices(dataset),
        dataset=dataset_facts(name, dataset),
        class_counts=dataset["counts"],
        audit=audit_facts(audit),
        data_pictures=contact_sheet(stages["data_new"].folder) + leaks(stages["audit"].folder),
        model=model_facts(backbone, model),
        history=stages["train"].folder / "history.csv",
        best_epoch=model["best_epoch"],
        evaluation=stages["evaluate"].folder,
        settings=settings.model_dump(mode="json"),
        timings=tuple(timing(stage, [ref.manifest() for ref in refs]) for stage, refs in results.items()),
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
