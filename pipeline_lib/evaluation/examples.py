"""One test image of each class with all that the network says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline_lib.evaluation.evaluate import Subject
from pipeline_lib.evaluation.reliability import probabilities

EXAMPLES = "examples.json"


def write_examples(folder: Path, subject: Subject, open_image: Callable[[str], Image.Image]) -> None:
    """Write ``examples.json`` and ``examples/<number>.png``: the first test image of each class, not a chosen one.

    A row has ``picture``, ``image`` (its key), ``class``, ``logits`` and ``probabilities``, the softmax of the logits as they
    are, before any temperature. A class without a test image has no row.
    """
    predictions = subject.predictions
    softmax = probabilities(predictions.logits)
    (folder / "examples").mkdir(parents=True, exist_ok=True)
    rows = []
    for label, name in enumerate(subject.classes):
        first = next(iter(np.flatnonzero(predictions.labels == label).tolist()), None)
        if first is None:
            continue
        picture, image = f"examples/{label:02}.png", str(predictions.images[first])
        open_image(image).save(folder / picture)
        rows.append(
            {
                "picture": picture,
                "image": image,
                "class": name,
                "logits": [round(value, 4) for value in predictions.logits[first].tolist()],
                "probabilities": [round(value, 6) for value in softmax[first].tolist()],
            }
        )
    (folder / EXAMPLES).write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_examples(folder: Path) -> list[dict[str, Any]]:
    """Return the rows that `write_examples` wrote into a folder; none when it wrote nothing there."""
    path = folder / EXAMPLES
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []
