"""What the model of a run was trained on, as it is stored: features, labels, sources and settings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.audit.findings import read_groups
from pipeline_lib.errors import PipelineError
from pipeline_lib.features.table import FeatureSet, read_index
from pipeline_lib.settings.sections import TrainSettings
from pipeline_lib.stages.history import Used
from pipeline_lib.stages.publishing import MANIFEST
from pipeline_lib.stages.result import Manifest, read_manifest

TRAIN = "train/"


@dataclass(frozen=True)
class Material:
    """What the model of a run was trained on.

    Attributes:
        classes: Names of the classes.
        keys: Keys ``train/<class>/<name>`` of the photographs of train, by the digest of their bytes.
        files: Where the photographs of train and test are, by digest.
        table: Features of every view of train.
        rows: The rows of each photograph in the table, by its key.
        sources: The source of each photograph by its key.
        settings: How the head was trained.
        seed: Seed of that training.
        model: The folder of the model.
        epochs: For how many epochs its head was trained.
    """

    classes: tuple[str, ...]
    keys: Mapping[str, tuple[str, ...]]
    files: Mapping[str, Path]
    table: FeatureSet
    rows: Mapping[str, NDArray[np.int64]]
    sources: Mapping[str, int]
    settings: TrainSettings
    seed: int
    model: Path
    epochs: int


def read_material(root: Path, used: Used) -> Material:
    """Return what the model of a run was trained on.

    Raises:
        PipelineError: The run has no model or several, trained more than a head, or some of its results are gone.
    """
    results = results_of(root, used)
    model, manifest = _model(results, used)
    data, found = _dataset(results, used)
    digests = {path: digest for path, digest in found.digests.items() if path.startswith((TRAIN, "test/"))}
    shards = [folder for folder in results.get("features", {}) if _is_of(folder, digests)]
    classes = tuple(found.summary["classes"])
    table = FeatureSet(shards, classes)
    groups = next((each for each in map(read_groups, results.get("sources", {})) if digests.keys() <= each.keys()), None)
    keys: dict[str, list[str]] = defaultdict(list)
    for path, digest in sorted(digests.items()):
        if path.startswith(TRAIN):
            keys[digest].append(path)
    if groups is None or not {path for paths in keys.values() for path in paths} <= set(table.images.tolist()):
        raise PipelineError(f"Features or sources of run {used.run[:8]} are gone; run its settings again, then ask once more.")
    values = manifest.parts["settings"]
    settings = {name.removeprefix("train."): value for name, value in values.items() if name.startswith("train.")}
    return Material(
        classes,
        {digest: tuple(paths) for digest, paths in keys.items()},
        {digest: data / path for path, digest in digests.items()},
        table,
        _rows(table),
        groups,
        TrainSettings.model_validate(settings),
        int(values["seed"]),
        model,
        int(manifest.summary["best_epoch"]),
    )


def results_of(root: Path, used: Used) -> dict[str, dict[Path, Manifest]]:
    """Return the folders and manifests of a run's results by stage, those computed last at the end."""
    results: dict[str, dict[Path, Manifest]] = defaultdict(dict)
    folders = [root / path for path in used.results if (root / path / MANIFEST).exists()]
    for folder in sorted(folders, key=lambda folder: (folder / MANIFEST).stat().st_mtime):
        results[folder.parent.name][folder] = read_manifest(folder)
    return results


def _model(results: Mapping[str, Mapping[Path, Manifest]], used: Used) -> tuple[Path, Manifest]:
    models = list(results.get("train", {}).items())
    if len(models) != 1:
        what = f"has {len(models)} models" if models else "has no model any more"
        raise PipelineError(f"Run {used.run[:8]} {what}; name a run of garbage-finetune whose results are kept.")
    if "tune.freeze" in models[0][1].parts["settings"]:
        raise PipelineError(f"Run {used.run[:8]} has trained more than the head, which takes hours to bisect: it is not done.")
    return models[0]


def _dataset(results: Mapping[str, Mapping[Path, Manifest]], used: Used) -> tuple[Path, Manifest]:
    for stage in ("split", "dataset"):
        if found := list(results.get(stage, {}).items()):
            return found[-1]
    raise PipelineError(f"The dataset of run {used.run[:8]} is gone; run its settings again, then ask once more.")


def _is_of(shard: Path, digests: Mapping[str, str]) -> bool:
    """Return whether a shard is of train and of the photographs of this dataset, not of one that was divided afterwards."""
    index = read_index(shard)
    return bool(index) and all(row.image.startswith(TRAIN) and digests.get(row.image) == row.sha256 for row in index)


def _rows(table: FeatureSet) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each photograph, one of each view."""
    rows: dict[str, dict[str, int]] = defaultdict(dict)
    for number, (image, view) in enumerate(zip(table.images.tolist(), table.views.tolist(), strict=True)):
        rows[image].setdefault(view, number)
    return {image: np.array(list(each.values()), np.int64) for image, each in rows.items()}


class Mixture:
    """Rows of two tables as one; see ``FeatureTable``. Rows are in the order of (view, image), as in either of them.

    Args:
        tables: The tables; their rows are of one width.
        rows: For each row the number of its table, the row there, the key of its image, and its label.
    """

    def __init__(self, tables: Sequence[FeatureSet], rows: Sequence[tuple[int, int, str, int]]) -> None:
        ordered = sorted(rows, key=lambda row: (str(tables[row[0]].views[row[1]]), row[2]))
        self._tables = tables
        self._table = np.array([row[0] for row in ordered], np.int64)
        self._row = np.array([row[1] for row in ordered], np.int64)
        self.images: NDArray[Any] = np.array([row[2] for row in ordered])
        self.labels: NDArray[Any] = np.array([row[3] for row in ordered], np.int64)
        self.views: NDArray[Any] = np.array([str(tables[row[0]].views[row[1]]) for row in ordered])
        self.width, self.noise_aware = tables[ordered[0][0]].width, tables[ordered[0][0]].noise_aware

    def __len__(self) -> int:
        return len(self._row)

    def take(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """See ``FeatureTable``."""
        out = np.empty((len(indices), self.width + self.noise_aware), np.float32)
        for number, table in enumerate(self._tables):
            here = np.flatnonzero(self._table[indices] == number)
            if len(here):
                out[here] = table.take(self._row[indices[here]])
        return out
