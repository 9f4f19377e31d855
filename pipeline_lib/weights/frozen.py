"""The frozen part of a backbone before a cut, exported to be run like a backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline_lib.features.engine import Engine
from pipeline_lib.models.architecture import Architecture
from pipeline_lib.models.backbone import load_backbone
from pipeline_lib.models.cut import FrozenPart
from pipeline_lib.models.files import ONNX, SPEC
from pipeline_lib.models.layers import fold_batch_norms
from pipeline_lib.weights.export import write_onnx


def export_frozen_part(folder: Path, backbone: Path, architecture: Architecture, cut: int) -> dict[str, Any]:
    """Write the part of a backbone before a cut into a folder, to be run like a backbone, and return what it gives.

    Args:
        folder: An existing folder; it receives ``backbone.onnx`` and ``backbone.json``.
        backbone: Folder of the backbone.
        architecture: Of this architecture.
        cut: Number of the first part that is left out, see ``models.cut.position``.

    Returns:
        ``values_per_image`` and ``bytes_per_image``: how long a row is.
    """
    network, spec = load_backbone(backbone, architecture)
    fold_batch_norms(network)
    frozen = FrozenPart(network, architecture, spec.depths, cut).set_train(False)
    write_onnx(frozen, spec.image_size, folder / ONNX)
    (folder / SPEC).write_bytes((backbone / SPEC).read_bytes())
    made = Engine(folder, 1)
    return {"values_per_image": made.width, "bytes_per_image": made.width * made.dtype.itemsize}
