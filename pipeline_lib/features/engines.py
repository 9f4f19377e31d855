"""Engines that run the frozen backbone: prepared images in, pooled features out."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.models.preprocess import Preprocessing


class Engine(Protocol):
    """Runs the backbone over batches; may be called from several threads.

    Attributes:
        name: Name of the engine, kept with every shard it computes.
        width: Features an image (1280 for MobileNetV2 at width 1).
        batch: Images in a full batch.
        preprocessing: What an image goes through before it enters.
    """

    name: str
    width: int
    batch: int
    preprocessing: Preprocessing

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return pooled features (n, width), float32, of prepared images (n, 3, size, size), float32, n at most ``batch``."""
        ...


class MindSporeEngine:
    """The backbone as MindSpore runs it: one compiled graph of a fixed batch size, called under a lock.

    MindSpore must neither compile nor call a graph from two threads at once; other threads prepare images meanwhile.
    """

    name = "mindspore"

    def __init__(self, backbone: Path, batch: int) -> None:
        import mindspore
        from mindspore import nn

        from pipeline_lib.models.mobilenetv2 import GlobalAveragePooling, fold_batch_norms
        from pipeline_lib.models.pretrained import load_backbone

        mindspore.set_context(mode=mindspore.GRAPH_MODE)
        network, spec = load_backbone(backbone)
        fold_batch_norms(network)
        self._network = nn.SequentialCell(network, GlobalAveragePooling()).set_train(False)
        self._tensor = mindspore.Tensor
        self._lock = threading.Lock()
        self.width: int = network.out_channels
        self.batch = batch
        self.preprocessing = spec.preprocessing

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return pooled features (n, width) of prepared images (n, 3, size, size); short batches are padded."""
        padded = np.zeros((self.batch, *images.shape[1:]), np.float32)
        padded[: len(images)] = images
        with self._lock:
            features: NDArray[np.float32] = self._network(self._tensor(padded)).asnumpy()
        return features[: len(images)]


_starting = threading.Lock()


def engine(backbone: Path, batch: int) -> Engine:
    """Return the engine for a backbone's folder; one a process, so the graph is compiled once for all shards."""
    with _starting:
        return _engine(backbone, batch)


@lru_cache(maxsize=1)
def _engine(backbone: Path, batch: int) -> Engine:
    return MindSporeEngine(backbone, batch)
