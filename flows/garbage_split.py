"""The flow ``garbage-split``: train and test of a dataset of photographs divided anew, so that no source is in both."""

from __future__ import annotations

from functools import partial
from typing import Any

from prefect import flow

from pipeline_lib.data.corrections import FOLDER
from pipeline_lib.data.sources import resolve
from pipeline_lib.models.architectures import find_architecture
from pipeline_lib.reporting.formats import split_in_words
from pipeline_lib.settings.sections import SourceSettings, SplitSettings
from pipeline_lib.stages.latest import conclude
from pipeline_lib.stages.result import Ref, Summary
from pipeline_lib.stages.run import running
from pipeline_lib.views.shard import Shard, ShardView, shards_of
from pipeline_lib.views.view import CLEAN
from pipeline_lib.weights.sources import RandomWeights, choose_weights
from tasks.contract.endings import ends_in_words, run_name
from tasks.contract.engine import THREADS
from tasks.contract.source import find_source
from tasks.finetune.audit import audit_stage
from tasks.finetune.backbone import backbone_stage
from tasks.finetune.dataset import dataset_stage
from tasks.finetune.features import features_stage
from tasks.finetune.sources import sources_stage
from tasks.finetune.split import split_stage


@flow(name="garbage-split", flow_run_name=run_name, task_runner=THREADS)
@ends_in_words
def garbage_split(dataset: str = "sample", settings: SplitSettings = SplitSettings()) -> dict[str, Any]:  # noqa: B008  # immutable
    """Divide train and test of a dataset of photographs anew, so that no source is in both.

    Args:
        dataset: ``sample`` (synthetic, embedded), ``data_en`` (the official archive), or the path of a folder or zip file.
        settings: All settings.

    Returns:
        See ``conclude``; ``split`` is the new dataset.
    """
    with running(garbage_split.name, partial(find_source, resolve, dataset), settings.stage_minutes) as (run, source):
        chosen = backbone_of(settings)  # what there is not is refused before anything is computed
        found = dataset_stage(source=source, decisions=source.decisions, data=settings.data)
        backbone = backbone_stage(**chosen)
        sources = sources_of(found.without(FOLDER), backbone, settings)
        split = split_stage(dataset=found, sources=sources, test_share=settings.test_share)
        return conclude(run, _divided, split, split=split)


def _divided(summary: Summary) -> str:
    return f"{split_in_words(summary['counts'])}, no source in both"


def sources_of(data: Ref, backbone: Ref, settings: SourceSettings) -> Ref:
    """Find out which photographs of a dataset come from one source."""
    audit = audit_stage(dataset=data, audit=settings.audit)
    inputs = {"view": CLEAN, "backbone": backbone, "features": settings.features}
    images = {ShardView(shard, CLEAN): part for shard, part in parts(data, settings).items()}
    features = features_stage.map({each: {"images": part, **inputs} for each, part in images.items()})
    return sources_stage(dataset=data, audit=audit, features=list(features.values()))


def parts(data: Ref, settings: SourceSettings) -> dict[Shard, Ref]:
    """Return the images of each shard of a dataset."""
    return {shard: data.part(f"{shard.split}/", shard.bucket, shard.buckets) for shard in shards_of(settings.shards)}


def backbone_of(settings: SourceSettings) -> dict[str, Any]:
    """Return what the stage ``backbone`` is given; PipelineError if the settings name what there is not."""
    architecture = find_architecture(settings.backbone.architecture)
    weights = choose_weights(settings.backbone.weights, architecture.weights)
    seed = {"seed": settings.seed} if isinstance(weights, RandomWeights) else {}
    return {
        "architecture": architecture.code,
        "weights": weights,
        "backbone": settings.backbone.model_copy(update={"weights": weights.name}),
        "image_size": settings.image_size,
        **seed,
    }
