"""The flow ``garbage-finetune``: from a folder of photographs to an evaluated model and a report."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.garbage_split import backbone_of, parts, sources_of
from pipeline_lib.data.corrections import CORRECTIONS, DECIDED, FOLDER
from pipeline_lib.data.source import Source
from pipeline_lib.data.sources import resolve
from pipeline_lib.settings.sections import DataSettings, PhotographSettings, Settings, TestViewSettings, TrainViewSettings
from pipeline_lib.stages.latest import conclude
from pipeline_lib.stages.result import Ref
from pipeline_lib.stages.run import Run, running
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
        drawn = draw_views(run, source, settings)
        augmentation = {"augment_train": settings.augment_train, "augment_test": settings.augment_test}
        views = {"train": _of("train", drawn.augmented), "test": _of("test", drawn.augmented)}
        data_new_stage(dataset=drawn.data, **views, **augmentation)
        prepared = compute_features(drawn, drawn.views(settings), settings)
        found, data, features = prepared.found, prepared.data, prepared.features

        model = train(prepared, settings)
        unseen = cross_validate(prepared, settings)
        corrected = {**_base(prepared, settings), "corrections": found.part(CORRECTIONS)}
        judging = {"cross_validated": unseen, "augment_test": settings.augment_test, "evaluate": settings.evaluate}
        scores = evaluate_stage(**corrected, model=model, features=_of("test", features), **judging)
        looks = count_look(run, data.part("test/"), scores, settings)
        labels = labels_stage(dataset=data, decided=found.part(DECIDED), cross_validated=unseen, features=_clean(features))
        report = report_stage(**run.shown, name=source.name, looks=looks)
        return conclude(run, top1, scores, looks=looked_at(looks), model=model, evaluation=scores, labels=labels, report=report)


class Drawn(NamedTuple):
    """A dataset whose views are drawn.

    Attributes:
        found: The dataset with the decisions on its labels.
        data: The dataset without them: a photograph that is kept recomputes nothing.
        backbone: The backbone.
        audit: What the audit has found.
        shards: The images of each shard.
        augmented: The augmented views of each shard.
    """

    found: Ref
    data: Ref
    backbone: Ref
    audit: Ref
    shards: dict[Shard, Ref]
    augmented: dict[Shard, Ref]

    def views(self, settings: Settings) -> dict[ShardView, Ref]:
        """Return every view of every shard, the clean one first."""
        views = {}
        for shard, images in self.shards.items():
            views[ShardView(shard, CLEAN)] = images
            for view in views_of(_drawn(shard, settings)):
                views[ShardView(shard, view)] = self.augmented[shard].part(f"{view.name}/")
        return views


class Prepared(NamedTuple):
    """All that a head is trained and judged on: dataset and backbone as in `Drawn`, features by view, and sources."""

    found: Ref
    data: Ref
    backbone: Ref
    features: dict[ShardView, Ref]
    sources: Ref


def draw_views(run: Run, source: Source, settings: Settings) -> Drawn:
    """Get the dataset and the backbone, divide train and test anew if the settings say so, audit, and draw all views."""
    chosen = backbone_of(settings)  # what there is not is refused before anything is computed
    found = dataset_stage(source=source, decisions=source.decisions, data=_limits(settings.data))
    backbone = backbone_stage(**chosen)
    if settings.data.split == "by_source":
        with run.working_on("delivered"):
            sources = sources_of(found.without(FOLDER), backbone, settings)
        found = split_stage(dataset=found, sources=sources)
    data = found.without(FOLDER)
    audit = audit_stage(dataset=data, audit=settings.audit)
    shards = parts(data, settings)
    augmented = augment_stage.map({shard: _augmentation(shard, images, settings) for shard, images in shards.items()})
    return Drawn(found, data, backbone, audit, shards, augmented)


def compute_features(drawn: Drawn, views: Mapping[ShardView, Ref], settings: Settings) -> Prepared:
    """Compute the features of views, the clean ones among them, and find the sources."""
    inputs = {"backbone": drawn.backbone, "features": settings.features}
    features = features_stage.map({each: {"images": images, "view": each.view, **inputs} for each, images in views.items()})
    sources = sources_stage(dataset=drawn.data, audit=drawn.audit, features=_clean(features))
    return Prepared(drawn.found, drawn.data, drawn.backbone, features, sources)


def train(prepared: Prepared, settings: Settings) -> Ref:
    """Train the model that is shipped."""
    features = _of("train", prepared.features)
    return train_stage(**_base(prepared, settings), backbone=prepared.backbone, features=features, train=settings.train)


def cross_validate(prepared: Prepared, settings: Settings) -> Ref:
    """Judge every view of both splits that training could draw by heads that have not seen its source."""
    return cross_validate_stage(
        **_base(prepared, settings),
        features=[ref for each, ref in prepared.features.items() if each.view.kind != "grid"],
        corrections=prepared.found.part(CORRECTIONS),
        train=settings.train,
        cross_validate=settings.cross_validate,
        evaluate=settings.evaluate.model_dump(include={"confidence", "ece_bins"}),
    )


def _clean(features: Mapping[ShardView, Ref]) -> list[Ref]:
    return [ref for each, ref in features.items() if each.view == CLEAN]


def _base(prepared: Prepared, settings: Settings) -> dict[str, Any]:
    return {"dataset": prepared.data, "sources": prepared.sources, "seed": settings.seed}


def _limits(data: PhotographSettings) -> DataSettings:
    """Return what the stage ``dataset`` depends on: not on how train and test are divided afterwards."""
    return DataSettings.model_validate(data.model_dump(exclude={"split"}))


def _augmentation(shard: Shard, images: Ref, settings: Settings) -> dict[str, Any]:
    views = {f"augment_{shard.split}": _drawn(shard, settings)}
    return {"images": images, "seed": settings.seed, "image_size": settings.image_size, **views}


def _drawn(shard: Shard, settings: Settings) -> TrainViewSettings | TestViewSettings:
    return settings.augment_train if shard.split == "train" else settings.augment_test


def _of(split: str, results: Mapping[Any, Ref]) -> list[Ref]:
    """Return the results of the shards of a split, or of their views."""
    return [ref for each, ref in results.items() if each.split == split]
