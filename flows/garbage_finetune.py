"""The flow ``garbage-finetune``: from a folder of photographs to an evaluated model and a report."""

from __future__ import annotations

import os
from typing import Any

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from pipeline_lib.data.sources import Source, resolve
from pipeline_lib.settings.sections import Settings
from pipeline_lib.stages.latest import keep_latest
from pipeline_lib.stages.run import Run, running
from pipeline_lib.stages.store import External, Ref
from pipeline_lib.views.view import CLEAN, views_of
from pipeline_lib.weights.sources import source_fingerprint
from tasks.contract.endings import ends_in_words, run_name
from tasks.contract.source import find_source
from tasks.contract.stopping import stop_within
from tasks.finetune.audit import audit_stage
from tasks.finetune.augment import augment_stage
from tasks.finetune.backbone import backbone_stage
from tasks.finetune.data_new import data_new_stage
from tasks.finetune.dataset import dataset_stage
from tasks.finetune.evaluate import evaluate_stage
from tasks.finetune.features import features_stage
from tasks.finetune.report import report_stage
from tasks.finetune.train import train_stage


# Threads: a shard is decoded while another one is computed, and MindSpore's graph is compiled once for all.
@flow(
    name="garbage-finetune",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=os.cpu_count() or 1),  # type: ignore[arg-type]
)
@ends_in_words
def garbage_finetune(dataset: str = "sample", settings: Settings = Settings()) -> dict[str, Any]:  # noqa: B008  # immutable
    """Fine-tune MobileNetV2's head on a dataset of photographs; stages that are finished are reused.

    Args:
        dataset: ``sample`` (synthetic, embedded), ``data_en`` (the official archive), or the path of a folder or zip file.
        settings: All settings.

    Returns:
        ``stages`` (one row each), ``metrics``, and the paths of ``report`` and ``model``.
    """
    stop_within()
    with running(settings.stage_minutes) as run:
        source = find_source(resolve, dataset)
        run.slot = source.name
        data = dataset_stage(source=source, data=settings.data)
        audit = audit_stage(dataset=data, audit=settings.audit)
        backbone = backbone_stage(**_weights(settings))

        shards = _shards(data, settings)
        augmented = augment_stage.map({shard: _augmentation(shard, images, settings) for shard, images in shards.items()})
        data_new_stage(dataset=data, augmented=list(augmented.values()))

        views = _views(shards, augmented, settings)
        inputs = {"backbone": backbone, "features": settings.features}
        features = features_stage.map({view: {"images": images, **inputs} for view, images in views.items()})

        base = {"dataset": data, "audit": audit, "seed": settings.seed}
        model = train_stage(**base, backbone=backbone, features=_of("train", features), train=settings.train)
        scores = evaluate_stage(**base, model=model, features=_of("test", features), evaluate=settings.evaluate)
        report = report_stage(**run.shown, name=source.name)
        return _results(run, source, model, scores, report)


def _weights(settings: Settings) -> dict[str, Any]:
    weights = settings.backbone.weights
    seed = {"seed": settings.seed} if weights == "random" else {}
    return {
        "weights": External(weights, source_fingerprint(weights)),
        "backbone": settings.backbone,
        "image_size": settings.image_size,
        **seed,
    }


def _shards(dataset: Ref, settings: Settings) -> dict[str, Ref]:
    """Return every shard of the originals by its label, such as ``train 3/8``."""
    counts = {"train": settings.shards.train, "test": settings.shards.test}
    return {
        f"{split} {bucket + 1}/{count}": dataset.part(f"{split}/", bucket, count)
        for split, count in counts.items()
        for bucket in range(count)
    }


def _augmentation(shard: str, images: Ref, settings: Settings) -> dict[str, Any]:
    views = {"augment_train": settings.augment_train} if shard.startswith("train") else {"augment_test": settings.augment_test}
    return {"images": images, "seed": settings.seed, "image_size": settings.image_size, **views}


def _views(shards: dict[str, Ref], augmented: dict[str, Ref], settings: Settings) -> dict[str, Ref]:
    """Return every view of every shard by its label, such as ``train 3/8 aug1``."""
    views = {}
    for shard, images in shards.items():
        views[f"{shard} {CLEAN}"] = images
        for view in views_of(settings.augment_train if shard.startswith("train") else settings.augment_test):
            views[f"{shard} {view.name}"] = augmented[shard].part(f"{view.name}/")
    return views


def _of(split: str, shards: dict[str, Ref]) -> list[Ref]:
    return [ref for label, ref in shards.items() if label.startswith(split)]


def _results(run: Run, source: Source, model: Ref, scores: Ref, report: Ref) -> dict[str, Any]:
    """Return what the flow tells its caller, and let ``latest/`` lead to the results that people look for."""
    if run.planning:
        return {"stages": run.stages}
    keep_latest(run.store, "garbage-finetune", source.name, model=model, evaluation=scores, report=report)
    return {
        "stages": run.stages,
        "metrics": scores.manifest().summary,
        "report": str(report.folder / "report.html"),
        "model": str(model.folder),
    }
