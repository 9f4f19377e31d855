"""What two models said of the same photographs: gathered by the photographs' content, with the labels and sources of today."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.evaluation.calibration import cross_fitted
from pipeline_lib.evaluation.comparison import Hits, common_images, hits_of
from pipeline_lib.evaluation.out_of_fold import OutOfFold
from pipeline_lib.evaluation.predictions import Predictions
from pipeline_lib.evaluation.promotion import Pair, Said
from pipeline_lib.evaluation.reliability import probabilities
from pipeline_lib.files.table import read_table, write_table
from pipeline_lib.views.view import CLEAN

PHOTOGRAPHS = "photographs.csv"
"""The photographs that a model was trained or judged on: their keys and digests."""

TRAIN, TEST = "train/", "test/"


@dataclass(frozen=True)
class Photographs:
    """The photographs of a dataset: their digests by key ``<split>/<class>/<name>``."""

    digests: Mapping[str, str]

    @property
    def of_train(self) -> dict[str, str]:
        """The first key of each content in train, by its digest."""
        return {digest: image for image, digest in sorted(self.digests.items(), reverse=True) if image.startswith(TRAIN)}


def write_photographs(folder: Path, photographs: Photographs) -> None:
    """Write the photographs that a model knows, so that its successor can be compared with it when keys have changed."""
    write_table(folder / PHOTOGRAPHS, ("image", "sha256"), sorted(photographs.digests.items()))


def read_photographs(folder: Path) -> Photographs:
    """Return what `write_photographs` has written."""
    return Photographs({row["image"]: row["sha256"] for row in read_table(folder / PHOTOGRAPHS)})


def said_out_of_fold(judged: OutOfFold, photographs: Photographs) -> tuple[Said, NDArray[np.int64]]:
    """Return what a model said out of fold of the photographs of train, by the digests of their content; and their labels."""
    known = {image: digest for digest, image in photographs.of_train.items()}
    rows = judged.where(np.isin(judged.predictions.images, sorted(known)))
    named = np.array([known[image] for image in rows.predictions.images.tolist()], np.str_)
    sources = dict(zip(named.tolist(), rows.predictions.groups.tolist(), strict=True))
    return said_of(OutOfFold(replace(rows.predictions, images=named, group_of=sources), rows.folds))


def said_of(judged: OutOfFold) -> tuple[Said, NDArray[np.int64]]:
    """Return what a model said, and the labels (n,), a row for each photograph with a clean view, sorted by key.

    The outputs of each fold are scaled by the temperature that fits all others.
    """
    there = judged.where(np.isin(judged.predictions.images, judged.predictions.clean.images))
    hits = hits_of(there, "")
    is_clean = there.predictions.views == CLEAN.name
    clean, folds = there.predictions.where(is_clean), there.folds[is_clean]
    scaled = clean.logits.astype(np.float64)
    for fold, temperature in cross_fitted(clean.logits, clean.labels, folds).items():
        scaled[folds == fold] /= temperature
    order = np.argsort(clean.images)
    confidence = probabilities(scaled).max(axis=1)[order]
    return Said(hits, clean.predicted[order], confidence), np.asarray(clean.labels[order], np.int64)


def pair_out_of_fold(challenger: tuple[OutOfFold, Photographs], champion: tuple[OutOfFold, Photographs]) -> Pair:
    """Return what two models said out of fold of the photographs that are in train of both.

    Photographs are the same where their bytes are, wherever they lie by now; labels and sources are the challenger's.
    """
    ours, labels = said_out_of_fold(*challenger)
    today = dict(zip(ours.hits.images.tolist(), labels.tolist(), strict=True))
    judged, photographs = champion
    corrected = {image: today.get(digest) for digest, image in photographs.of_train.items()}
    theirs, _ = said_out_of_fold(_relabelled(judged, corrected), photographs)
    images = common_images([ours.hits, theirs.hits])
    chosen = np.searchsorted(ours.hits.images, images)
    mine, other = part_of(ours, images), part_of(theirs, images)
    return Pair(labels[chosen], mine, replace(other, hits=replace(other.hits, sources=mine.hits.sources)))


def _relabelled(judged: OutOfFold, labels: Mapping[str, int | None]) -> OutOfFold:
    """Return the rows of the photographs that have a label, with that label."""
    kept = judged.where(np.array([labels.get(image) is not None for image in judged.predictions.images.tolist()], np.bool_))
    return replace(kept, predictions=kept.predictions.relabelled(labels))


def part_of(said: Said, images: NDArray[np.str_]) -> Said:
    """Return what was said of some of the photographs, sorted keys."""
    rows = np.searchsorted(said.hits.images, images)
    return Said(said.hits.of(images), said.predicted[rows], said.confidence[rows])


def without_noisy(pair: Pair) -> Pair:
    """Return a pair that is compared by clean views alone."""
    sides = (replace(said, hits=_clean_alone(said.hits)) for said in (pair.challenger, pair.champion))
    return Pair(pair.labels, *sides)


def _clean_alone(hits: Hits) -> Hits:
    return replace(hits, shares={"clean": hits.shares["clean"]})


def pair_on_test(challenger: Predictions, champion: Predictions, seen: Collection[str]) -> Pair:
    """Return what two models said of the clean views of test, without photographs whose key is in ``seen``."""
    wanted = np.setdiff1d(np.intersect1d(challenger.images, champion.images), sorted(seen))
    sides = [_said_on_test(rows, wanted) for rows in (challenger, champion)]
    (ours, labels), (theirs, _) = sides
    return Pair(labels, ours, replace(theirs, hits=replace(theirs.hits, sources=ours.hits.sources)))


def _said_on_test(rows: Predictions, wanted: NDArray[np.str_]) -> tuple[Said, NDArray[np.int64]]:
    order = np.argsort(rows.images)
    chosen = order[np.searchsorted(rows.images[order], wanted)]
    right = (rows.predicted == rows.labels)[chosen].astype(np.float64)
    hits = Hits(wanted, rows.groups[chosen], {"clean": right})
    sure = probabilities(rows.logits).max(axis=1)[chosen]
    return Said(hits, rows.predicted[chosen], sure), np.asarray(rows.labels[chosen], np.int64)


def seen_by(photographs: Photographs, today: Photographs, groups: Mapping[str, int]) -> frozenset[str]:
    """Return the keys of today's test photographs of whose source a model has one in what it was trained on.

    Args:
        photographs: Those that the model knows.
        today: Those of today.
        groups: The source of each of today's photographs by its key.
    """
    trained = {digest for image, digest in photographs.digests.items() if image.startswith(TRAIN)}
    sources = {groups[image] for image, digest in today.digests.items() if digest in trained and image in groups}
    return frozenset(
        image
        for image, digest in today.digests.items()
        if image.startswith(TEST) and (digest in trained or groups.get(image) in sources)
    )
