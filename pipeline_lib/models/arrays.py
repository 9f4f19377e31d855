"""The arrays of a network, whatever computes with them: each accounted for, or an error that names it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.errors import PipelineError

Arrays = dict[str, NDArray[np.float32]]

SHOWN = 3
"""Problems that an error names; the rest is counted."""


def check_arrays(
    shapes: Mapping[str, tuple[int, ...]], arrays: Mapping[str, NDArray[np.float32]], source: str, advice: str
) -> None:
    """Refuse arrays that are not exactly the parameters of a network.

    Args:
        shapes: The shape of each parameter by its name.
        arrays: Values by name.
        source: What the arrays come from, the subject of the error's sentence.
        advice: What to do about it, the end of the error's sentence.

    Raises:
        PipelineError: An array is missing, extra, of another shape, or holds NaN or infinity.
    """
    problems = _differences(shapes, arrays)
    if problems:
        rest = f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise PipelineError(f"{source} does not fit the network: {', '.join(problems[:SHOWN])}{rest}; {advice}")


def _differences(shapes: Mapping[str, tuple[int, ...]], arrays: Mapping[str, NDArray[np.float32]]) -> list[str]:
    """Return in words what keeps arrays from being parameters of these shapes."""
    problems = [f"{name} is missing" for name in shapes if name not in arrays]
    problems += [f"{name} is extra" for name in arrays if name not in shapes]
    for name in (name for name in shapes if name in arrays):
        if arrays[name].shape != shapes[name]:
            problems.append(f"{name} has shape {arrays[name].shape} and not {shapes[name]}")
        elif not np.isfinite(arrays[name]).all():
            problems.append(f"{name} holds values that are not finite")
    return problems
