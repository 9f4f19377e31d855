"""What is said of a stage's result, in the report and in the Prefect UI: facts and pictures from its summary and folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline_lib.reporting.content import Facts, Picture, Timing
from pipeline_lib.reporting.formats import percent
from pipeline_lib.stages.store import Manifest


def dataset_facts(name: str, dataset: Mapping[str, Any]) -> Facts:
    """Return the facts on a dataset that people call ``name``, from the summary of stage ``dataset``."""
    facts: Facts = {"name": name, "classes": len(dataset["classes"])}
    facts |= {f"{split} images": sum(counts.values()) for split, counts in dataset["counts"].items()}
    facts["test split"] = dataset["test_split"]
    facts["broken images set aside"] = dataset["set_aside"]["count"]
    if dataset.get("names_read_as"):
        facts["names in the archive read as"] = dataset["names_read_as"]
    if dataset.get("archive_sha256"):
        facts["sha256 of the archive"] = dataset["archive_sha256"]
    return facts


def audit_facts(audit: Mapping[str, Any]) -> Facts:
    """Return how many leaks, duplicates and oddities the audit found, from its summary."""
    leaked, balance = audit["leaked"], audit["balance"]
    facts: Facts = {
        "test images that also stand in train": f"{leaked['count']} ({leaked['exact']} exact, {leaked['near']} near copies)",
        "pictures that occur more than once": audit["groups"]["repeated"],
        "pictures under several classes": audit["label_conflicts"]["count"],
        "tiny images": audit["tiny"]["count"],
        "near-blank images": audit["blank"]["count"],
    }
    return facts | {f"images a class, {split}": f"{counts['min']} to {counts['max']}" for split, counts in balance.items()}


def model_facts(backbone: Mapping[str, Any], model: Mapping[str, Any]) -> Facts:
    """Return the facts on a model, from the summaries of stages ``backbone`` and ``train``."""
    return {
        "backbone": f"MobileNetV2 {backbone['width']}, weights: {backbone['source']}",
        "backbone parameters": backbone["parameters"],
        "head parameters": model["parameters"],
        "images trained on": model["train_images"],
        "images validated on": model["val_images"],
        "validation part": "the last images of each class, copies kept together: harder than test",
        "epochs": model["epochs"],
        "best epoch": model["best_epoch"],
    } | calibration_facts(model)


def calibration_facts(model: Mapping[str, Any]) -> Facts:
    """Return what temperature scaling did on held-out images of train, from the summary of stage ``train``."""
    temperature, rows = model["temperature"], model["held_out_images"]
    before, after = percent(model["held_out_ece_before"]), percent(model["held_out_ece_after"])
    kept = f"{before}; scaling does not help (it would be {after})" if temperature == 1 else f"{before}, scaled {after}"
    return {"temperature": round(temperature, 3), f"calibration error of {rows:,} held-out images of train": kept}


def contact_sheet(data_new: Path) -> tuple[Picture, ...]:
    """Return the picture that stage ``data_new`` has drawn, as a tuple of one or none."""
    caption = "data_new: originals beside their noisy and rotated copies."
    return _existing(Picture(path=data_new / "contact_sheet.jpg", title="Augmented views", caption=caption))


def leaks(audit: Path) -> tuple[Picture, ...]:
    """Return the picture of leaked test images, as a tuple of one, or of none where nothing leaks."""
    return _existing(Picture(path=audit / "leaks.jpg", title="Leaks", caption="Test images beside their copies in train."))


def timing(stage: str, shards: Sequence[Manifest]) -> Timing:
    """Return how long a stage took when its results were computed; summed over shards, though several ran at a time."""
    images = sum(shard.summary.get("computed", 0) for shard in shards)
    seconds = sum(shard.seconds for shard in shards)
    engines = sorted({shard.summary["engine"] for shard in shards if "engine" in shard.summary})
    notes = [f"engine {', '.join(engines)}"] if engines else []
    notes += [f"summed over {len(shards)} shards"] if len(shards) > 1 else []
    rate = images / seconds if images and seconds else None
    return Timing(stage=stage, seconds=seconds, images_per_second=rate, note=", ".join(notes))


def _existing(picture: Picture) -> tuple[Picture, ...]:
    return (picture,) if picture.path.is_file() else ()
