"""A backbone on disk, as stage ``backbone`` has made it: read back into a network. Nothing here fetches or converts weights."""

from __future__ import annotations

from pathlib import Path

from mindspore import nn
from pydantic import ValidationError

from pipeline_lib.errors import PipelineError
from pipeline_lib.files.description import first_fault
from pipeline_lib.models.architecture import Architecture
from pipeline_lib.models.depths import Mirrored, PooledBackbone
from pipeline_lib.models.files import CHECKPOINT, SPEC
from pipeline_lib.models.layers import fold_batch_norms
from pipeline_lib.models.parameters import assign, read_parameters
from pipeline_lib.models.spec import BackboneSpec, Convention


def load_backbone(folder: Path, architecture: Architecture) -> tuple[nn.Cell, BackboneSpec]:
    """Return the backbone in a folder, in inference mode, and its specification.

    Args:
        folder: What ``build_backbone`` wrote.
        architecture: The one that the specification names.

    Raises:
        PipelineError: A file is missing or damaged, or they don't belong together.
    """
    spec = read_spec(folder / SPEC)
    path = folder / CHECKPOINT
    if not path.is_file():
        raise PipelineError(f"{path} is missing; run the pipeline again to make it")
    network = new_backbone(architecture, spec.convention, spec.width)
    assign(network, read_parameters(path), str(path), "run the pipeline again to make it anew")
    return network, spec


def pooled_backbone(folder: Path, architecture: Architecture) -> tuple[nn.Cell, BackboneSpec]:
    """Return the network that maps prepared images (n, 3, size, size) to features (n, width), and its specification.

    Batch norms are folded, so the network can be run but not trained.
    """
    network, spec = load_backbone(folder, architecture)
    fold_batch_norms(network)
    pooled = PooledBackbone(network, architecture, spec.depths)
    return (Mirrored(pooled, spec.image_size) if spec.mirrored else pooled).set_train(False), spec


def new_backbone(architecture: Architecture, convention: Convention, width: float, seed: int = 0) -> nn.Cell:
    """Return a backbone in inference mode whose parameters are random, to be set from weights of that convention."""
    network = architecture.build(width, padding=convention.padding, bn_eps=convention.bn_eps, seed=seed)
    return network.set_train(False)


def read_spec(path: Path) -> BackboneSpec:
    """Return the specification of a backbone.

    Raises:
        PipelineError: The file is missing or is no specification.
    """
    try:
        return BackboneSpec.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise PipelineError(
            f"{path} is missing: without it the padding and the preparation of images that belong to the checkpoint are "
            "unknown; keep the two files side by side"
        ) from error
    except ValidationError as error:
        raise PipelineError(
            f"{path} is no specification of a backbone that this version knows ({first_fault(error)}); "
            "run the pipeline again to make it anew"
        ) from error
