"""A split as an image folder of one's own, outside of the kept results: what ``garbage split`` writes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline_lib.data.corrections import DECIDED
from pipeline_lib.data.decisions import KEEP, LABELS
from pipeline_lib.data.labels_file import COLUMNS
from pipeline_lib.errors import PipelineError, writing_into
from pipeline_lib.files.links import link_or_copy
from pipeline_lib.files.table import read_table, write_table
from pipeline_lib.stages.kept import Kept
from pipeline_lib.stages.result import read_manifest

NOTE = "split.json"
SIDES = ("train/", "test/")


def check_free(out: Path) -> None:
    """Check that a folder can be written.

    Raises:
        PipelineError: There is a file, or a folder that is not empty.
    """
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists() or out.is_symlink():
        what = "is not empty" if out.is_dir() else "is not a folder"
        raise PipelineError(f"{out} {what}; name a folder that does not exist yet.")


def write_split(out: Path, split: Path, name: str) -> None:
    """Write ``train/<class>/``, ``test/<class>/`` and ``split.json``: all of it, or nothing.

    Images are hard links to those of the kept result, and read-only as these are; on another file system they are copies. Where
    people have decided on labels, ``labels.csv`` says that the labels are right now. The folder is written beside its place and
    then renamed.

    Args:
        out: The folder; if it exists, it is empty.
        split: The folder of a split stage's result.
        name: Name of the dataset that was divided.

    Raises:
        PipelineError: The folder is not empty, an image is not what was recorded, or the disk is full.
    """
    check_free(out)
    place, manifest = out.absolute(), read_manifest(split)
    images = Kept(split, {output.path: output.sha256 for output in manifest.outputs if output.path.startswith(SIDES)})
    fresh = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        with writing_into(place.parent):
            for path in images.digests:
                (fresh / path).parent.mkdir(parents=True, exist_ok=True)
                link_or_copy(images.intact(path), fresh / path)
            note = json.dumps(note_on(name, manifest.summary), indent=2, ensure_ascii=False)
            (fresh / NOTE).write_text(f"{note}\n", encoding="utf-8")
            _keep_labels(fresh / LABELS, [row["sha256"] for row in read_table(split / DECIDED)])
            fresh.rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _keep_labels(file: Path, digests: Iterable[str]) -> None:
    """Write decisions to keep the labels of photographs, each once; no file if there are none."""
    rows = [(digest, KEEP, "garbage split", "") for digest in sorted(set(digests))]
    if rows:
        write_table(file, COLUMNS, rows)


def note_on(name: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a split was made, for people and programs: from which dataset, by which rule, and what came of it.

    Args:
        name: Name of the dataset.
        summary: What the split stage has returned.
    """
    by_source, counts = summary["by_source"], summary["counts"]
    delivered = by_source["delivered"]["test"]
    test = {
        label: {"delivered": delivered[label], "wanted": wanted, "got": counts["test"][label]}
        for label, wanted in by_source["wanted"].items()
    }
    return {
        "dataset": {"name": name, "digest": summary["dataset"]},
        "rule": by_source["rule"],
        "test_share": by_source["share"],
        "sources": by_source["sources"],
        "images": {split: sum(classes.values()) for split, classes in counts.items()},
        "delivered_test_images_with_a_source_in_train": by_source["leaked"],
        "test": test,
    }
