"""The audit stage: duplicates, balance, tiny and near-blank images.

It looks and lists; it never changes or deletes an image.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline_lib.audit.findings import IMAGES, PAIRS
from pipeline_lib.audit.similarity import Fingerprint, fingerprint, group_ids, near_links
from pipeline_lib.errors import PipelineError
from pipeline_lib.images.read import ImageProblem
from pipeline_lib.progress import Progress, ignore_progress
from pipeline_lib.settings.sections import AuditSettings

KINDS = ("bytes", "pixels", "near")
RELATIONS = ("within train", "within test", "across")

SHOWN = 10
"""Findings of a kind that the summary names; the tables name all."""


def audit_dataset(folder: Path, dataset: Path, audit: AuditSettings, progress: Progress = ignore_progress) -> dict[str, Any]:
    """Compare all images of a dataset with one another and write what was found into ``folder``.

    ``images.csv`` has a row for each image: split, class, name, sha256 of the bytes, digest of the decoded pixels, perceptual
    hash (64 bits in hexadecimal), ``group`` (one number for all copies of one picture, across splits and classes), and 1 or 0
    for ``tiny`` and ``blank``.

    ``pairs.csv`` lists the pairs that hold the groups together, not all pairs of a group: each exact copy beside the first of
    its kind, each near-duplicate beside its nearest. ``kind`` is ``bytes``, ``pixels`` or ``near``; ``distance`` counts bits
    of the perceptual hash; ``mirrored`` is 1 when one is the other flipped left to right. Near-blank images are compared
    exactly only.

    A near-duplicate is the same photograph recompressed, resized, mirrored, darkened or cropped a little. Copies turned by
    more than a few degrees or cropped by more than a tenth are mostly not found here: the stage ``sources`` finds them.

    Args:
        folder: Where the result goes.
        dataset: A dataset stage's folder: ``train/<class>/``, ``test/<class>/`` and ``images.csv``.
        audit: What counts as near, tiny and blank.
        progress: Called while images are looked at.

    Returns:
        ``images`` (split -> number), ``pairs`` (kind -> relation -> rows of ``pairs.csv``), ``balance`` (split -> images per
        class: ``classes``, ``min``, ``median``, ``max``, and ``ratio`` of max to min), ``tiny`` and ``blank`` (``count``,
        ``first``), ``groups`` (``count``, how many of them are ``repeated`` pictures, size and first image of the
        ``largest``).

    Raises:
        PipelineError: An image of the dataset cannot be read any more.
    """
    images = _listed(dataset)
    prints = _fingerprints([dataset / key for key in images["key"]], progress)
    images = images.assign(
        sha256=[each.sha256 for each in prints],
        pixels=[each.pixels for each in prints],
        phash=[np.packbits(each.phash).tobytes().hex() for each in prints],
        tiny=[min(each.width, each.height) < audit.min_side for each in prints],
        blank=[each.deviation < audit.blank_std for each in prints],
    )
    links = pd.concat([_copies(images), _near_duplicates(images, prints, audit.near_distance)], ignore_index=True)
    images["group"] = group_ids(links, len(images))
    pairs = _pairs(images, links)

    folder.mkdir(parents=True, exist_ok=True)
    _write_images(folder / IMAGES, images)
    _write_pairs(folder / PAIRS, images, pairs)
    return _summary(images, pairs)


def _listed(dataset: Path) -> pd.DataFrame:
    """Return the dataset's images, training images first, so that an exact copy is linked to train where train has it."""
    # A class may well be called "NA" or "001".
    listed = pd.read_csv(dataset / IMAGES, dtype=str, keep_default_na=False)[["split", "class", "name"]]
    listed = listed.assign(key=listed["split"] + "/" + listed["class"] + "/" + listed["name"], test=listed["split"] != "train")
    return listed.sort_values(["test", "class", "name"], ignore_index=True)


def _fingerprints(paths: Sequence[Path], progress: Progress) -> list[Fingerprint]:
    """Decode and hash on all cores; Pillow and hashlib let other threads run meanwhile."""
    prints = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for each in pool.map(_fingerprint, paths):
            prints.append(each)
            progress(len(prints), len(paths), "comparing images")
    return prints


def _fingerprint(path: Path) -> Fingerprint:
    try:
        return fingerprint(path)
    except ImageProblem as problem:
        raise PipelineError(f"{path} was a usable image and no longer is ({problem}); build the dataset again.") from problem


def _copies(images: pd.DataFrame) -> pd.DataFrame:
    """Link each exact copy to the first image with the same bytes or, where it is the first, with the same pixels."""
    position = pd.Series(images.index)
    same_bytes, same_pixels = (position.groupby(images[name]).transform("first") for name in ("sha256", "pixels"))
    first = same_bytes.where(same_bytes < position, same_pixels)
    kind = np.where(same_bytes < position, "bytes", "pixels")
    links = pd.DataFrame({"first": first, "second": position, "kind": kind, "distance": 0, "mirrored": False})
    return links[first < position]


def _near_duplicates(images: pd.DataFrame, prints: Sequence[Fingerprint], max_distance: int) -> pd.DataFrame:
    """Link near-duplicates; each picture is compared once, however many copies of it there are."""
    different = images.index[~images["pixels"].duplicated() & ~images["blank"]].to_numpy()
    links = near_links([prints[each] for each in different], max_distance)
    return links.assign(first=different[links["first"]], second=different[links["second"]], kind="near")


def _pairs(images: pd.DataFrame, links: pd.DataFrame) -> pd.DataFrame:
    test = images["test"].to_numpy()
    in_test = test[links["first"]].astype(int) + test[links["second"]]
    classes = images["class"].to_numpy()
    pairs = links.assign(
        relation=np.array(["within train", "across", "within test"], dtype=object)[in_test],
        other_class=classes[links["first"]] != classes[links["second"]],
    )
    return pairs.sort_values(["first", "second"], ignore_index=True)


def _write_images(path: Path, images: pd.DataFrame) -> None:
    flags = ["tiny", "blank"]
    columns = ["split", "class", "name", "sha256", "pixels", "phash", "group", *flags]
    _write(path, images.astype(dict.fromkeys(flags, int))[columns])


def _write_pairs(path: Path, images: pd.DataFrame, pairs: pd.DataFrame) -> None:
    flags = dict.fromkeys(["mirrored", "other_class"], int)
    facts = pairs[["kind", "distance", "mirrored", "relation", "other_class"]].astype(flags)
    sides = [
        images[["split", "class", "name"]].loc[pairs[side]].add_prefix(f"{side}_").reset_index(drop=True)
        for side in ("first", "second")
    ]
    _write(path, pd.concat([facts, *sides], axis=1))


def _write(path: Path, table: pd.DataFrame) -> None:
    table.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")


def _summary(images: pd.DataFrame, pairs: pd.DataFrame) -> dict[str, Any]:
    size = images.groupby("group").size()
    return {
        "images": {split: len(rows) for split, rows in images.groupby("split", sort=False)},
        "pairs": _pair_counts(pairs),
        "balance": {split: _balance(rows) for split, rows in images.groupby("split", sort=False)},
        "tiny": _named(images["key"][images["tiny"]]),
        "blank": _named(images["key"][images["blank"]]),
        "groups": {
            "count": len(size),
            "repeated": int((size > 1).sum()),
            "largest": {"size": int(size.max()), "image": images["key"][images["group"] == size.idxmax()].iloc[0]},
        },
    }


def _pair_counts(pairs: pd.DataFrame) -> dict[str, dict[str, int]]:
    count = pairs.groupby(["kind", "relation"]).size()
    return {kind: {relation: int(count.get((kind, relation), 0)) for relation in RELATIONS} for kind in KINDS}


def _balance(images: pd.DataFrame) -> dict[str, Any]:
    size = images.groupby("class").size()
    return {
        "classes": len(size),
        "min": int(size.min()),
        "median": float(size.median()),
        "max": int(size.max()),
        "ratio": round(float(size.max() / size.min()), 3),
    }


def _named(keys: Iterable[str]) -> dict[str, Any]:
    names = list(keys)
    return {"count": len(names), "first": names[:SHOWN]}
