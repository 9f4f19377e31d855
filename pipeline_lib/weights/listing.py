"""The backbones there are: a row for each architecture and each of its published weights."""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_lib.features.engine import Engine
from pipeline_lib.models.architecture import Architecture
from pipeline_lib.models.architectures import ENTRIES
from pipeline_lib.models.backbone import new_backbone
from pipeline_lib.models.depths import PooledBackbone
from pipeline_lib.settings.sections import BackboneSettings, FeaturesSettings, Settings
from pipeline_lib.weights.convert import build_backbone
from pipeline_lib.weights.export import export_onnx
from pipeline_lib.weights.sources import RANDOM, RandomWeights

SECONDS = 3.0
"""How long a backbone is measured: 500 images or more."""


def list_backbones(*, measure: bool = False) -> list[dict[str, Any]]:
    """Return what there is, at width 1 and the default size of images, without downloading anything.

    Args:
        measure: Whether ``images_per_second`` are measured, which takes some ten seconds per architecture.

    Returns:
        Rows with ``architecture``, ``weights``, ``licence`` (SPDX), ``parameters`` (batch norm's statistics included),
        ``features`` (per image), ``images_per_second`` if measured, and ``trained_on``.
    """
    rows = []
    for entry in ENTRIES:
        architecture = entry.load()
        network = new_backbone(architecture, architecture.convention, width=1.0)
        parameters = sum(parameter.size for parameter in network.get_parameters())
        known = {"parameters": parameters, "features": PooledBackbone(network, architecture, architecture.depths).width}
        known |= {"images_per_second": round(images_per_second(architecture))} if measure else {}
        weights = [(each.name, each.licence, each.trained_on) for each in entry.weights] or [(RANDOM, "", "nothing")]
        rows += [
            {"architecture": entry.name, "weights": name, "licence": licence, **known, "trained_on": trained_on}
            for name, licence, trained_on in weights
        ]
    return rows


def images_per_second(architecture: Architecture) -> float:
    """Measure how many prepared images per second the exported backbone takes, as the stage ``features`` runs it.

    One thread per core, each with batches of the default size; reading and preparing images is not included. The weights are
    random: the time does not depend on them.
    """
    threads, size, batch = os.cpu_count() or 1, Settings().image_size, FeaturesSettings().batch
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(threads) as pool:
        folder = Path(scratch)
        build_backbone(folder, architecture, RandomWeights(), BackboneSettings(), image_size=size, seed=0, cache=folder)
        export_onnx(folder, architecture)
        engine, images = Engine(folder, batch), np.random.default_rng(0).normal(size=(batch, 3, size, size)).astype(np.float32)

        def run(until: float) -> int:
            calls = 0
            while calls == 0 or time.perf_counter() < until:
                engine(images)
                calls += 1
            return calls

        list(pool.map(run, [0.0] * threads))  # the first calls allocate memory
        started = time.perf_counter()
        calls = sum(pool.map(run, [started + SECONDS] * threads))
        return calls * batch / (time.perf_counter() - started)
