"""The flow ``garbage-finetune``: from a folder of photographs to an evaluated model and a report."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.garbage_split import backbone_of, parts, sources_of
from pipeline_lib.data.corrections import CORRECTIONS, DECIDED, FOLDER
from pipeline_lib.data.sources import resolve
from pipeline_lib.settings.sections import DataSettings, PhotographSettings, Settings, TestViewSettings, TrainViewSettings
from pipeline_lib.stages.latest import conclude
from pipeline_lib.stages.result import Ref
from pipeline_lib.stages.run import running
from pipeline_lib.views.shard import Shard, ShardView
from pipeline_lib.views.view import CLEAN, views_of
from tasks.contract.endings import ends_in_words, run_name, top1
from tasks.contract.looks import count_look, looked_at
from tasks.contract.source import find_source
from tasks.finetune.audit import audit_stage
from tasks.finetune.augment import augment_stage
from tasks.finetune.backbone import backbone_stage
from tasks.finetune.cross_validate import cross_validate_stage
from tasks.finetune.data_new import data_new_stage
from tasks.finetune.dataset import dataset_stage
from tasks.finetune.evaluate import evaluate_stage
from tasks.finetune.features import features_stage
from tasks.finetune.labels import labels_stage
from tasks.finetune.report import report_stage
from tasks.finetune.sources import sources_stage
from tasks.finetune.split import split_stage
from tasks.finetune.train import train_stage


# Threads: a shard is decoded while another one is computed, and MindSpore's graph is compiled once for all.
@flow(
    name="garbage-finetune",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=os.cpu_count() or 1),  # type: ignore[arg-type]
)
@ends_in_words
def garbage_finetune(dataset: str = "sample", settings: Settings = Settings()) -> dict[str, Any]:  # noqa: B008  # immutable
    """Fine-tune the head of a pretrained network on a dataset of photographs; stages that are finished are reused.

    Args:
        dataset: ``sample`` (synthetic, embedded), ``data_en`` (the official archive), or the path of a folder or zip file.
        settings: All settings.

    Returns:
        See ``conclude``.
    """
    with running(garbage_finetune.name, partial(find_source, resolve, dataset), settings.stage_minutes) as (run, source):
        chosen = backbone_of(settings)  # what there is not is refused before anything is computed
        found = dataset_stage(source=source, decisions=source.decisions, data=_limits(settings.data))
        backbone = backbone_stage(**chosen)
        if settings.data.split == "by_source":
            with run.working_on("delivered"):
                sources = sources_of(found.without(FOLDER), backbone, settings)
            found = split_stage(dataset=found, sources=sources)
        data = found.without(FOLDER)  # all but the decisions: a photograph that is kept recomputes nothing
        audit = audit_stage(dataset=data, audit=settings.audit)

        augmentation = {"augment_train": settings.augment_train, "augment_test": settings.augment_test}
        shards = parts(data, settings)
        augmented = augment_stage.map({shard: _augmentation(shard, images, settings) for shard, images in shards.items()})
        data_new_stage(dataset=data, train=_of("train", augmented), test=_of("test", augmented), **augmentation)

        inputs = {"backbone": backbone, "features": settings.features}
        views = _views(shards, augmented, settings)
        features = features_stage.map({each: {"images": images, "view": each.view, **inputs} for each, images in views.items()})

        clean = [ref for each, ref in features.items() if each.view == CLEAN]
        sources = sources_stage(dataset=data, audit=audit, features=clean)

        base = {"dataset": data, "sources": sources, "seed": settings.seed}
        model = train_stage(**base, backbone=backbone, features=_of("train", features), train=settings.train)
        corrected = base | {"corrections": found.part(CORRECTIONS)}
        unseen = cross_validate_stage(**corrected, **_folds(features, settings))
        judging = {"cross_validated": unseen, "augment_test": settings.augment_test, "evaluate": settings.evaluate}
        scores = evaluate_stage(**corrected, model=model, features=_of("test", features), **judging)
        looks = count_look(run, data.part("test/"), scores, settings)
        labels = labels_stage(dataset=data, decided=found.part(DECIDED), cross_validated=unseen, features=clean)
        report = report_stage(**run.shown, name=source.name, looks=looks)
        return conclude(run, top1, scores, looks=looked_at(looks), model=model, evaluation=scores, labels=labels, report=report)


def _limits(data: PhotographSettings) -> DataSettings:
    """Return what the stage ``dataset`` depends on: not on how train and test are divided afterwards."""
    return DataSettings.model_validate(data.model_dump(exclude={"split"}))


def _augmentation(shard: Shard, images: Ref, settings: Settings) -> dict[str, Any]:
    views = {f"augment_{shard.split}": _drawn(shard, settings)}
    return {"images": images, "seed": settings.seed, "image_size": settings.image_size, **views}


def _views(shards: dict[Shard, Ref], augmented: dict[Shard, Ref], settings: Settings) -> dict[ShardView, Ref]:
    """Return every view of every shard, the clean one first."""
    views = {}
    for shard, images in shards.items():
        views[ShardView(shard, CLEAN)] = images
        for view in views_of(_drawn(shard, settings)):
            views[ShardView(shard, view)] = augmented[shard].part(f"{view.name}/")
    return views


def _folds(features: Mapping[ShardView, Ref], settings: Settings) -> dict[str, Any]:
    """Return what the cross-validation is given: every view of both splits that training could draw, and how to judge it."""
    return {
        "features": [ref for each, ref in features.items() if each.view.kind != "grid"],
        "train": settings.train,
        "cross_validate": settings.cross_validate,
        "evaluate": settings.evaluate.model_dump(include={"confidence", "ece_bins"}),
    }


def _drawn(shard: Shard, settings: Settings) -> TrainViewSettings | TestViewSettings:
    return settings.augment_train if shard.split == "train" else settings.augment_test


def _of(split: str, results: Mapping[Any, Ref]) -> list[Ref]:
    """Return the results of the shards of a split, or of their views."""
    return [ref for each, ref in results.items() if each.split == split]
