"""Stage ``train`` of ``lenet-mnist``: the whole network, and with it the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.progress import progress_bar, say
from tasks.contract.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.settings.sections import NetworkSettings, NetworkTrainSettings


@stage("train", resume=True)
def train_stage(folder: Path, *, dataset: Ref, network: NetworkSettings, train: NetworkTrainSettings, seed: int) -> Summary:
    """Train LeNet-5; keep the best epoch, and beside it all that a prediction needs."""
    from pipeline_lib.mnist.arrays import read_split
    from pipeline_lib.training.network import train_network

    classes = dataset.manifest().summary["classes"]
    images, test = (read_split(dataset.folder, name) for name in ("train", "test"))
    with progress_bar("train") as progress:
        return train_network(folder, images, test, classes, network, train, seed, progress=progress, say=say)
