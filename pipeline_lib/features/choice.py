"""Which engine computes the features: the faster one, and only if it computes what MindSpore does."""

from __future__ import annotations

import importlib.util
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline_lib.data.image import read_image
from pipeline_lib.errors import PipelineError
from pipeline_lib.features.engines import Array, Engine, MindSporeEngine, Name, OnnxEngine

CHOICE = "engine.json"

COMPARED = 32
"""Photographs that both engines compute."""

TOLERANCE = 1e-3
"""Largest difference of two engines' features, which lie in 0..6: they sum in another order, which costs about 3e-5."""

CLEARLY = 1.2
"""MindSpore is chosen only if it is so many times as fast: a close race must not end differently each time."""


def choose_engine(
    folder: Path, backbone: Path, photographs: Sequence[Path], wanted: Literal["auto", "onnxruntime", "mindspore"], batch: int
) -> dict[str, Any]:
    """Write the engine's name into ``folder`` (``read_choice`` reads it); return how the engines compare.

    ``auto`` is the faster one that is installed. onnxruntime is chosen by nobody before its features of real photographs were
    compared with MindSpore's.

    Args:
        folder: Where the choice goes.
        backbone: Folder of the backbone.
        photographs: Image files, at least one, to compare the engines on; more than ``COMPARED`` are thinned out evenly.
        wanted: The setting.
        batch: Images a forward pass.

    Returns:
        ``engine``, and if two were compared: ``photographs_compared``, the ``largest_difference`` of a feature, the
        ``allowed_difference``, and the rate of each engine in images a second on prepared images.

    Raises:
        PipelineError: onnxruntime is wanted and not installed, or its features differ by more than ``TOLERANCE``.
    """
    installed = importlib.util.find_spec("onnxruntime") is not None
    if wanted == "onnxruntime" and not installed:
        raise PipelineError("onnxruntime is not installed; install it, or use --set features.engine=auto")
    summary: dict[str, Any] = {"engine": "mindspore"}
    if wanted != "mindspore" and installed:
        summary = _compare(MindSporeEngine(backbone, batch), OnnxEngine(backbone, batch), photographs)
        if wanted == "onnxruntime":
            summary["engine"] = wanted
    (folder / CHOICE).write_text(json.dumps({"engine": summary["engine"]}) + "\n", encoding="utf-8")
    return summary


def read_choice(folder: Path) -> Name:
    """Return the name of the engine that ``choose_engine`` wrote into a folder."""
    name: Name = json.loads((folder / CHOICE).read_text(encoding="utf-8"))["engine"]
    return name


def _compare(mindspore: Engine, onnxruntime: Engine, photographs: Sequence[Path]) -> dict[str, Any]:
    """Run both engines over the photographs; return the faster one's name, the difference and the rates."""
    chosen = photographs[:: max(1, len(photographs) // COMPARED)][:COMPARED]
    images = np.stack([mindspore.preprocessing.array(read_image(path)) for path in chosen])
    (expected, slow), (features, fast) = (_timed(engine, images) for engine in (mindspore, onnxruntime))
    difference = float(np.abs(features - expected).max())
    if not difference <= TOLERANCE:
        raise PipelineError(
            f"onnxruntime's features differ from MindSpore's by {difference:.2g} (at most {TOLERANCE:g} is allowed); "
            "use --set features.engine=mindspore"
        )
    return {
        "engine": mindspore.name if slow > CLEARLY * fast else onnxruntime.name,
        "photographs_compared": len(images),
        "largest_difference": float(f"{difference:.2g}"),
        "allowed_difference": TOLERANCE,
        f"{mindspore.name}_images_per_second": round(slow, 1),
        f"{onnxruntime.name}_images_per_second": round(fast, 1),
    }


def _timed(engine: Engine, images: Array) -> tuple[Array, float]:
    """Return the features of prepared images, and images a second with as many callers as the features stage has."""
    batches = [images[at : at + engine.batch] for at in range(0, len(images), engine.batch)]
    engine(batches[0])  # compiles
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        started = time.perf_counter()
        features = list(pool.map(engine, batches))
        seconds = time.perf_counter() - started
    return np.concatenate(features), len(images) / seconds
