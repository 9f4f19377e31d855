"""A trained LeNet-5, read back."""

from __future__ import annotations

from pathlib import Path

from pipeline_lib.models.lenet5 import NAME, LeNet5, NetworkSpec
from pipeline_lib.models.trained import read_trained


def load_network(folder: Path) -> tuple[LeNet5, NetworkSpec]:
    """Return the network that ``train_network`` wrote into a folder, and what belongs to it.

    Raises:
        PipelineError: A file is missing or damaged, or the parameters don't fit the description.
    """
    return read_trained(folder, NAME, NetworkSpec, lambda spec: LeNet5(len(spec.classes), spec.form))
