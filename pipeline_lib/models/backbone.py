"""A backbone as a stage keeps it: its checkpoint, its specification, and the network around them.

Only what loads it is here. Where weights come from and how they are converted is no concern of what uses them.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from pipeline_lib.errors import PipelineError
from pipeline_lib.models.checkpoint import assign, read_checkpoint
from pipeline_lib.models.mobilenetv2 import MobileNetV2Backbone
from pipeline_lib.models.spec import BackboneSpec, Convention

CHECKPOINT = "backbone.ckpt"
SPEC = "backbone.json"


def load_backbone(folder: Path) -> tuple[MobileNetV2Backbone, BackboneSpec]:
    """Return the backbone that `pretrained.build_backbone` wrote into a folder, in inference mode, and its specification.

    Raises:
        PipelineError: A file is missing or damaged, or the two don't belong together.
    """
    spec = read_spec(folder / SPEC)
    path = folder / CHECKPOINT
    if not path.is_file():
        raise PipelineError(f"{path} is missing; run the pipeline again to make it")
    network = make_backbone(spec.convention, spec.width)
    assign(network, read_checkpoint(path), str(path), "run the pipeline again to make it anew")
    return network, spec


def make_backbone(convention: Convention, width: float, seed: int = 0) -> MobileNetV2Backbone:
    """Return a backbone of random weights in inference mode, with the padding and batch norm of a convention."""
    network = MobileNetV2Backbone(width, padding=convention.padding, bn_eps=convention.bn_eps, seed=seed)
    network.set_train(False)
    return network


def read_spec(path: Path) -> BackboneSpec:
    """Return the specification in a file.

    Raises:
        PipelineError: The file is missing, or is none that this version knows.
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
            f"{path} is no specification of a backbone that this version knows ({error.errors()[0]['msg']}); "
            "run the pipeline again to make it anew"
        ) from error
