"""The flow ``garbage-finetune``: from a folder of photographs to an evaluated model and a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from prefect import flow

from flows.garbage_split import backbone_of, parts, sources_of
from pipeline_lib.data.corrections import CORRECTIONS, DECIDED, FOLDER
from pipeline_lib.data.source import Source
from pipeline_lib.data.sources import resolve
from pipeline_lib.errors import PipelineError
from pipeline_lib.models.architectures import find_architecture
from pipeline_lib.models.files import BACKBONE
from pipeline_lib.settings.sections import DataSettings, PhotographSettings, Settings, TestViewSettings, TrainViewSettings
from pipeline_lib.stages.key import Code
from pipeline_lib.stages.latest import conclude
from pipeline_lib.stages.result import Ref
from pipeline_lib.stages.run import Run, running
from pipeline_lib.views.shard import Shard, ShardView
from pipeline_lib.views.view import CLEAN, views_of
from tasks.contract.champion import Facing, face_champion, settle
from tasks.contract.differing import differing_keys
from tasks.contract.endings import ends_in_words, run_name, top1
from tasks.contract.engine import THREADS
from tasks.contract.looks import count_look, looked_at, models_judged_on
from tasks.contract.nights import nights_so_far
from tasks.contract.notices import notices_of_changes
from tasks.contract.retention import keep_last
from tasks.contract.source import find_source
from tasks.contract.stage import Stage
from tasks.finetune.audit import audit_stage
from tasks.finetune.augment import augment_stage
from tasks.finetune.backbone import backbone_stage
from tasks.finetune.changes import changes_stage
from tasks.finetune.cross_validate import cross_validate_stage
from tasks.finetune.cross_validate_tuned import cross_validate_tuned_stage
from tasks.finetune.cut import cut_stage
from tasks.finetune.data_new import data_new_stage
from tasks.finetune.dataset import dataset_stage
from tasks.finetune.evaluate import evaluate_stage
from tasks.finetune.export import export_stage
from tasks.finetune.features import activations_stage, features_stage
from tasks.finetune.labels import labels_stage
from tasks.finetune.nights import nights_stage
from tasks.finetune.promote import promote_stage
from tasks.finetune.report import report_stage
from tasks.finetune.sources import sources_stage
from tasks.finetune.split import split_stage
from tasks.finetune.train import train_stage
from tasks.finetune.tune import tune_stage


@flow(name="garbage-finetune", flow_run_name=run_name, task_runner=THREADS)
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
        images = drawn.views(settings)
        prepared = compute_features(drawn, images, settings)
        found, data = prepared.found, prepared.data

        model = train(prepared, settings)
        unseen = cross_validate(prepared, settings)
        corrected = {**_base(prepared, settings), "corrections": found.part(CORRECTIONS)}
        judging = {"cross_validated": unseen, "augment_test": settings.augment_test, "evaluate": settings.evaluate}
        of_test = features_of_test(run, prepared, model, images, settings)
        scores = evaluate_stage(**corrected, model=model, features=list(of_test.values()), **judging)
        looks = count_look(run, data.part("test/"), scores, settings)
        facing = face_champion(run, model, models_judged_on(run, data.part("test/")))
        changes = find_changes(run, prepared, unseen, facing)
        decision = promote_stage(
            **_on_today(prepared, model, unseen, _clean(of_test), settings), **_champion(run, facing, images, settings)
        )
        became = settle(run, model, unseen, decision, facing)
        exported = export(prepared, model, source, settings)
        labels = labels_stage(
            dataset=data, decided=found.part(DECIDED), cross_validated=unseen, features=_clean(prepared.features)
        )
        nights_stage(slot=run.slot, decision=decision, nights=nights_so_far(run, scores, decision))
        report = report_stage(**run.shown, name=source.name, looks=looks)
        words = {"champion": became, "looks": looked_at(looks)}
        kept = {"model": model, "evaluation": scores, "decision": decision, "labels": labels, "report": report, **exported}
        noticed = notices_of_changes(run, changes, decision, became)
        results = conclude(run, top1, scores, words, changes=changes, **kept) | noticed
    keep_last(run, settings.retention.keep)
    return results


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
    """All that a model is trained and judged on.

    Attributes:
        found: The dataset with the decisions on its labels.
        data: The dataset without them.
        backbone: The backbone.
        features: Its features of each view of each shard.
        activations: What its frozen part gives for all views but those of the robustness grid; empty where no more is trained
            than the head.
        sources: The sources of the photographs.
    """

    found: Ref
    data: Ref
    backbone: Ref
    features: dict[ShardView, Ref]
    activations: dict[ShardView, Ref]
    sources: Ref


def draw_views(run: Run, source: Source, settings: Settings) -> Drawn:
    """Get the dataset and the backbone, divide train and test anew if the settings say so, audit, and draw all views."""
    chosen = backbone_of(settings)  # what there is not is refused before anything is computed
    if tunes(settings):
        _check_cut(settings)
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
    """Compute the features of views, the clean ones among them, and what tuning needs beside them, and find the sources."""
    features = _mapped(features_stage, views, drawn.backbone, settings)
    sources = sources_stage(dataset=drawn.data, audit=drawn.audit, features=_clean(features))
    activations = {}
    if tunes(settings):
        cut = cut_stage(backbone=drawn.backbone, **_architecture(settings), freeze=settings.tune.freeze)
        activations = _mapped(activations_stage, _without_grid(views), cut, settings)
    return Prepared(drawn.found, drawn.data, drawn.backbone, features, activations, sources)


def tunes(settings: Settings) -> bool:
    """Return whether a part of the backbone is trained with the head."""
    return settings.tune.freeze != BACKBONE


def _check_cut(settings: Settings) -> None:
    """Raise PipelineError if that cannot be trained; MindSpore, which takes two seconds, comes with it."""
    from pipeline_lib.models.cut import AFTER, position

    if settings.backbone.mirrored:
        raise PipelineError(
            f"backbone.mirrored goes with tune.freeze={BACKBONE} alone, not with {settings.tune.freeze}: set it to false"
        )
    position(find_architecture(settings.backbone.architecture).load(), settings.tune.freeze)
    if settings.tune.freeze.startswith(AFTER) and not settings.augment_train.views:
        raise PipelineError(
            f"tune.freeze={settings.tune.freeze} learns from noisy views, of which there are none: "
            "set augment_train.views to 1 or more"
        )


def train(prepared: Prepared, settings: Settings) -> Ref:
    """Train the model that is shipped."""
    arguments = {**_base(prepared, settings), "backbone": prepared.backbone, "features": _of("train", prepared.features)}
    if not tunes(settings):
        return train_stage(**arguments, train=settings.train)
    return tune_stage(**arguments, **_tuning(_of("train", prepared.activations), settings))


def cross_validate(prepared: Prepared, settings: Settings) -> Ref:
    """Judge every view of both splits that training could draw by models that have not seen its source."""
    arguments = {
        **_base(prepared, settings),
        "features": list(_without_grid(prepared.features).values()),
        "corrections": prepared.found.part(CORRECTIONS),
        "cross_validate": settings.cross_validate,
        "evaluate": settings.evaluate.model_dump(include={"confidence", "ece_bins"}),
    }
    if not tunes(settings):
        return cross_validate_stage(**arguments, train=settings.train)
    tuning = _tuning(list(prepared.activations.values()), settings)
    return cross_validate_tuned_stage(**arguments, backbone=prepared.backbone, **tuning)


def features_of_test(
    run: Run, prepared: Prepared, model: Ref, views: Mapping[ShardView, Ref], settings: Settings
) -> dict[ShardView, Ref]:
    """Return the features of test that belong to a model: a tuned backbone gives other ones."""
    if not tunes(settings):
        return {each: ref for each, ref in prepared.features.items() if each.split == "test"}
    of_test = {each: images for each, images in views.items() if each.split == "test"}
    with run.working_on("tuned"):
        return _mapped(features_stage, of_test, model.part(f"{BACKBONE}/"), settings)


def export(prepared: Prepared, model: Ref, source: Source, settings: Settings) -> dict[str, Ref]:
    """Write the model as files for other runtimes, if the settings name any; return the result by its name in ``latest/``."""
    if not settings.export.formats:
        return {}
    photographs = {"dataset": prepared.data, "sources": prepared.sources}
    return {"export": export_stage(**photographs, model=model, name=source.name, export=settings.export)}


def find_changes(run: Run, prepared: Prepared, unseen: Ref, facing: Facing) -> Ref:
    """Find out what has changed since the champion, and what the new photographs are like."""
    return changes_stage(
        dataset=prepared.data,
        sources=prepared.sources,
        cross_validated=unseen,
        features=_clean(prepared.features),
        champion=list(facing.champion),
        obstacle=facing.obstacle,
        differing=differing_keys(run, facing),
    )


def _on_today(prepared: Prepared, model: Ref, unseen: Ref, clean: Sequence[Ref], settings: Settings) -> dict[str, Any]:
    """Return a model with the photographs of today, and what is asked of it."""
    return {
        "dataset": prepared.data,
        "sources": prepared.sources,
        "corrections": prepared.found.part(CORRECTIONS),
        "model": model,
        "cross_validated": unseen,
        "features": clean,
        "augment_train": settings.augment_train,
        "promote": settings.promote,
    }


def _champion(run: Run, facing: Facing, views: Mapping[ShardView, Ref], settings: Settings) -> dict[str, Any]:
    """Return what a model is measured by, and the features of the clean test photographs by the champion's own backbone."""
    features: list[Ref] = []
    if facing.champion:
        clean = {each: images for each, images in views.items() if each.split == "test" and each.view == CLEAN}
        with run.working_on("champion"):
            features = list(_mapped(features_stage, clean, facing.champion[0].part(f"{BACKBONE}/"), settings).values())
    measured = {"champion": list(facing.champion), "champion_features": features}
    return {**measured, "looks": facing.looks, "obstacle": facing.obstacle}


def _mapped(stage: Stage, views: Mapping[ShardView, Ref], backbone: Ref, settings: Settings) -> dict[ShardView, Ref]:
    inputs = {"backbone": backbone, "features": settings.features}
    return stage.map({each: {"images": images, "view": each.view, **inputs} for each, images in views.items()})


def _tuning(activations: Sequence[Ref], settings: Settings) -> dict[str, Any]:
    """Return what a stage is given that tunes."""
    return {"activations": activations, **_architecture(settings), "train": settings.train, "tune": settings.tune}


def _architecture(settings: Settings) -> dict[str, Code]:
    return {"architecture": find_architecture(settings.backbone.architecture).code}


def _without_grid(views: Mapping[ShardView, Ref]) -> dict[ShardView, Ref]:
    return {each: ref for each, ref in views.items() if each.view.kind != "grid"}


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
