"""A trained network on disk: ``<name>.ckpt`` and its description ``<name>.json``, read back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mindspore import nn
from pydantic import BaseModel, ValidationError

from pipeline_lib.errors import PipelineError
from pipeline_lib.files.description import first_fault
from pipeline_lib.models.parameters import assign, read_parameters

Spec = TypeVar("Spec", bound=BaseModel)
Network = TypeVar("Network", bound=nn.Cell)


def read_trained(folder: Path, name: str, kind: type[Spec], build: Callable[[Spec], Network]) -> tuple[Network, Spec]:
    """Return the network that ``write_trained`` wrote into a folder, built anew from its description, and that description.

    Raises:
        PipelineError: A file is missing or damaged, or the parameters don't fit the description.
    """
    description, checkpoint = folder / f"{name}.json", folder / f"{name}.ckpt"
    for file in (description, checkpoint):
        if not file.is_file():
            raise PipelineError(f"There is no trained {name} in {folder}: {file.name} is missing; train one")
    try:
        spec = kind.model_validate_json(description.read_bytes())
    except ValidationError as error:
        raise PipelineError(f"{description} is damaged: {first_fault(error)}; train again") from error
    network = build(spec)
    advice = f"train again, {description.name} describes another {name}"
    assign(network, read_parameters(checkpoint), str(checkpoint), advice)
    return network, spec
