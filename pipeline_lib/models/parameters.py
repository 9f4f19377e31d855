"""A network's parameters as a MindSpore checkpoint, written and read strictly: each accounted for, or an error that names it.

Training states, from which a killed training goes on, are ``pipeline_lib.training.checkpoints``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
from mindspore import Tensor, nn
from numpy.typing import NDArray

from pipeline_lib.errors import PipelineError
from pipeline_lib.models.arrays import Arrays, check_arrays


def write_parameters(network: nn.Cell, path: Path) -> None:
    """Write all parameters of a network, named as seen from it; the same values give the same bytes.

    The names don't depend on what the network is part of, so a head's checkpoint fits the head alone and inside a whole
    network.
    """
    parameters = [{"name": name, "data": parameter} for name, parameter in network.parameters_and_names()]
    mindspore.save_checkpoint(parameters, str(path.absolute()))


def read_parameters(path: Path) -> Arrays:
    """Return the arrays of a MindSpore checkpoint by name, whatever its file is called.

    Raises:
        PipelineError: The file is damaged or no MindSpore checkpoint.
    """
    with tempfile.TemporaryDirectory() as scratch:
        link = Path(scratch) / "weights.ckpt"  # MindSpore refuses names with another ending
        link.symlink_to(path.absolute())
        try:
            parameters = mindspore.load_checkpoint(str(link))
        except ValueError as error:
            raise PipelineError(
                f"{path} can't be read as a MindSpore checkpoint: it is damaged or of another kind; give an intact file"
            ) from error
    return {name: parameter.asnumpy() for name, parameter in parameters.items()}


def assign(
    network: nn.Cell,
    arrays: Mapping[str, NDArray[np.float32]],
    source: str,
    advice: str,
    name_in_source: Callable[[str], str] = str,
) -> None:
    """Set every parameter of a network, and refuse arrays that are not exactly its parameters.

    Args:
        network: The network to fill.
        arrays: Values by the source's own names, in the network's layout.
        source: What the arrays come from, the subject of the error's sentence.
        advice: What to do about it, the end of the error's sentence.
        name_in_source: Maps a parameter's name, as seen from ``network``, to its name in ``arrays``.

    Raises:
        PipelineError: A parameter is missing, extra, of another shape, or holds NaN or infinity. Nothing was set then.
    """
    parameters = {name_in_source(name): parameter for name, parameter in network.parameters_and_names()}
    check_arrays({name: tuple(parameter.shape) for name, parameter in parameters.items()}, arrays, source, advice)
    for name, parameter in parameters.items():
        parameter.set_data(Tensor(np.ascontiguousarray(arrays[name], np.float32)))


def parameters_of(network: nn.Cell) -> Arrays:
    """Return copies of the parameters of a network under their names, as seen from it."""
    return {name: parameter.asnumpy().copy() for name, parameter in network.parameters_and_names()}


def set_parameters(network: nn.Cell, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Set all parameters of a network to what ``parameters_of`` returned."""
    for name, parameter in network.parameters_and_names():
        parameter.set_data(Tensor(arrays[name]))
