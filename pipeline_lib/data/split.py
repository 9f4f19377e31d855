"""The stage split: a dataset's images divided into train and test anew, so that no source is in both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline_lib.data.by_source import RULE, Photograph, choose_test, wanted_test
from pipeline_lib.data.corrections import CORRECTIONS, CORRECTIONS_COLUMNS, DECIDED, DECIDED_COLUMNS
from pipeline_lib.data.layout import COLUMNS, IMAGES, SET_ASIDE, unique_names
from pipeline_lib.files.links import link_or_copy
from pipeline_lib.files.table import read_table, write_table
from pipeline_lib.stages.kept import Kept

Row = dict[str, str]
"""A row of ``images.csv``."""

SPLITS = ("train", "test")


def split_dataset(
    folder: Path, dataset: Kept, summary: Mapping[str, Any], groups: Mapping[str, int], test_share: float | None = None
) -> dict[str, Any]:
    """Divide a dataset's images by source and lay them out in ``folder`` as the dataset stage does.

    Images are hard links where the file system has them. Names stay as they are unless train and test have images of one name
    in one class. Labels of test that people corrected are applied too: any image may end up in train.

    Args:
        folder: Where the result goes.
        dataset: A dataset stage's result.
        summary: What that stage has returned.
        groups: The source of each image by its key ``<split>/<class>/<name>``.
        test_share: Share of each class that becomes test, 0..1; by default the share that is test in the dataset.

    Returns:
        What the dataset stage returns, with the new ``counts`` and ``test_split`` ``by source``; and ``by_source``: how the
        dataset was ``delivered`` (split -> class -> images), ``leaked`` (test images of that with a source in train too),
        ``share``, ``wanted`` (class -> images that test should have), ``sources`` (split -> number), ``rule`` in words.

    Raises:
        PipelineError: A class cannot be on both sides, or a file of the dataset is not what was recorded.
    """
    rows = {_key(row): row for row in read_table(dataset.intact(IMAGES))}
    labelled = _corrected(rows, dataset)
    images = {key: Photograph(row["class"], groups[key], dataset.digests[key]) for key, row in labelled.items()}
    delivered = {split: [groups[key] for key, row in rows.items() if row["split"] == split] for split in SPLITS}
    share = test_share or len(delivered["test"]) / len(rows)
    test = choose_test(list(images.values()), share)
    moved = _moved(labelled, {key: "test" if image.source in test else "train" for key, image in images.items()})
    _lay_out(folder, dataset, moved)
    _list(folder, dataset, moved, [row for key, row in rows.items() if key not in moved])
    by_source = {
        "delivered": summary["counts"],
        "leaked": sum(source in set(delivered["train"]) for source in delivered["test"]),
        "share": share,
        "wanted": wanted_test(Counter(image.label for image in images.values()), share),
        "sources": {"train": len({image.source for image in images.values()} - test), "test": len(test)},
        "rule": RULE,
    }
    return {**summary, "counts": _counts(moved), "test_split": "by source", "by_source": by_source}


def _key(row: Mapping[str, str]) -> str:
    return f"{row['split']}/{row['class']}/{row['name']}"


def _corrected(rows: Mapping[str, Row], dataset: Kept) -> dict[str, Row]:
    """Return the rows of images with the labels that people corrected, without the images that they removed."""
    corrected = {row["image"]: row["corrected"] for row in read_table(dataset.intact(CORRECTIONS))}
    labels = {key: corrected.get(key, row["class"]) for key, row in rows.items()}
    return {key: {**row, "class": labels[key]} for key, row in rows.items() if labels[key]}


def _moved(rows: Mapping[str, Row], splits: Mapping[str, str]) -> dict[str, Row]:
    """Return the rows of images with their new split, and with names that are unique in a class, whichever the split."""
    names: dict[str, str] = {}
    for label in {row["class"] for row in rows.values()}:
        keys = [key for key, row in rows.items() if row["class"] == label]
        names |= zip(keys, unique_names([Path(rows[key]["name"]) for key in keys]), strict=True)
    return {key: {**row, "split": splits[key], "name": names[key]} for key, row in rows.items()}


def _lay_out(folder: Path, dataset: Kept, moved: Mapping[str, Row]) -> None:
    """Put each image of the dataset, by its key there, where its row says."""
    for key, row in moved.items():
        target = folder / _key(row)
        target.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(dataset.intact(key), target)


def _list(folder: Path, dataset: Kept, moved: Mapping[str, Row], removed: list[Row]) -> None:
    """Write the tables of a dataset stage: what there is, what is not, and which labels people have decided on."""
    rows = sorted(moved.values(), key=lambda row: (SPLITS.index(row["split"]), row["class"], row["name"]))
    write_table(folder / IMAGES, COLUMNS, rows)
    left_out = [{"path": row["source"], "reason": "removed by labels.csv"} for row in removed]
    write_table(folder / SET_ASIDE, ("path", "reason"), [*read_table(dataset.intact(SET_ASIDE)), *left_out])
    decided = [row for row in read_table(dataset.intact(DECIDED)) if row["image"] in moved]
    (folder / DECIDED).parent.mkdir()
    write_table(folder / DECIDED, DECIDED_COLUMNS, ({**row, "image": _key(moved[row["image"]])} for row in decided))
    write_table(folder / CORRECTIONS, CORRECTIONS_COLUMNS, ())


def _counts(rows: Mapping[str, Row]) -> dict[str, dict[str, int]]:
    """Return split -> class -> images."""
    counts = Counter((row["split"], row["class"]) for row in rows.values())
    labels = sorted({row["class"] for row in rows.values()})
    return {split: {label: counts[split, label] for label in labels} for split in SPLITS}
