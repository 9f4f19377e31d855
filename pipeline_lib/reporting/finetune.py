"""What the report of ``garbage-finetune`` says: the stages' results in words and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline_lib.reporting.content import Facts, Picture, ReportContent, Timing
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
        dataset=_dataset_facts(name, dataset),
        class_counts=dataset["counts"],
        audit=_audit_facts(manifests["audit"].summary),
        data_pictures=_data_pictures(stages),
        model=_model_facts(manifests["backbone"].summary, model),
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
            "The pictures of this dataset are synthetic, drawn by the program. The figures show that the pipeline works, "
            "not how well photographs are told apart."
        )
    if dataset["test_split"] != "given":
        notices.append("The dataset came without a test split; the last images of each class of train were set aside as test.")
    return tuple(notices)


def _dataset_facts(name: str, dataset: Mapping[str, Any]) -> Facts:
    facts: Facts = {"name": name, "classes": len(dataset["classes"])}
    facts |= {f"{split} images": sum(counts.values()) for split, counts in dataset["counts"].items()}
    facts["test split"] = dataset["test_split"]
    facts["broken images set aside"] = dataset["set_aside"]["count"]
    if dataset.get("archive_sha256"):
        facts["sha256 of the archive"] = dataset["archive_sha256"]
    return facts


def _audit_facts(audit: Mapping[str, Any]) -> Facts:
    leaked, balance = audit["leaked"], audit["balance"]
    facts: Facts = {
        "test images that also stand in train": f"{leaked['count']} ({leaked['exact']} exact, {leaked['near']} near copies)",
        "pictures that occur more than once": audit["groups"]["repeated"],
        "pictures under several classes": audit["label_conflicts"]["count"],
        "tiny images": audit["tiny"]["count"],
        "near-blank images": audit["blank"]["count"],
    }
    return facts | {f"images a class, {split}": f"{counts['min']} to {counts['max']}" for split, counts in balance.items()}


def _data_pictures(stages: Mapping[str, Ref]) -> tuple[Picture, ...]:
    found = {
        "data_new": Picture(
            path=stages["data_new"].folder / "contact_sheet.jpg",
            title="Augmented views",
            caption="data_new: originals beside their noisy and rotated copies.",
        ),
        "leaks": Picture(
            path=stages["audit"].folder / "leaks.jpg",
            title="Leaks",
            caption="Test images beside their copies in train.",
        ),
    }
    return tuple(picture for picture in found.values() if picture.path.is_file())


def _model_facts(backbone: Mapping[str, Any], model: Mapping[str, Any]) -> Facts:
    return {
        "backbone": f"MobileNetV2 {backbone['width']}, weights: {backbone['source']}",
        "backbone parameters": backbone["parameters"],
        "head parameters": model["parameters"],
        "images trained on": model["train_images"],
        "images validated on": model["val_images"],
        "validation part": "the last images of each class, copies kept together: harder than test",
        "epochs": model["epochs"],
        "best epoch": model["best_epoch"],
        "temperature": round(model["temperature"], 3),
    }


def _timings(stages: Mapping[str, Manifest], shards: Sequence[Manifest]) -> tuple[Timing, ...]:
    """Return how long each stage took when it was computed; the seconds of shards are summed, though two ran at a time."""
    images = sum(shard.summary["images"] for shard in shards)
    seconds = sum(shard.seconds for shard in shards)
    rows = {manifest.stage: Timing(stage=manifest.stage, seconds=manifest.seconds) for manifest in stages.values()}
    engines = ", ".join(sorted({shard.summary["engine"] for shard in shards}))
    rows["features"] = Timing(
        stage="features",
        seconds=seconds,
        images_per_second=images / seconds if seconds else None,
        note=f"engine {engines}, summed over shards",
    )
    order = ("dataset", "audit", "backbone", "data_new", "features", "train", "evaluate")
    return tuple(rows[stage] for stage in order)
