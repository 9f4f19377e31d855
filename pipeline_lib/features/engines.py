"""Engines that run the frozen backbone: prepared images in, pooled features out."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.images.prepare import Preprocessing
from pipeline_lib.models.spec import ONNX, SPEC, BackboneSpec

Name = Literal["onnxruntime", "mindspore"]
Array = NDArray[np.float32]


class Engine(Protocol):
    """Runs the backbone over batches; may be called from several threads.

    Attributes:
        name: Name of the engine, kept with every shard it computes.
        width: Features an image (1280 for MobileNetV2 at width 1).
        batch: Images in a full batch; a shorter one is padded.
        preprocessing: What an image goes through before it enters.
    """

    name: Name
    width: int
    batch: int
    preprocessing: Preprocessing

    def __call__(self, images: Array) -> Array:
        """Return pooled features (n, width), float32, of prepared images (n, 3, size, size), float32, n at most ``batch``."""
        ...


class MindSporeEngine:
    """The backbone as MindSpore runs it: one compiled graph, called under a lock.

    MindSpore must neither compile nor call a graph from two threads at once; other threads prepare images meanwhile.
    """

    name: Name = "mindspore"

    def __init__(self, backbone: Path, batch: int) -> None:
        import mindspore

        from pipeline_lib.models.backbone import pooled_backbone

        mindspore.set_context(mode=mindspore.GRAPH_MODE)
        self._network, spec = pooled_backbone(backbone)
        self._tensor = mindspore.Tensor
        self._lock = threading.Lock()
        self.width: int = self._network[0].out_channels
        self.batch = batch
        self.preprocessing = spec.preprocessing

    def __call__(self, images: Array) -> Array:
        """See ``Engine``."""
        with self._lock:
            features: Array = self._network(self._tensor(_padded(images, self.batch))).asnumpy()
        return features[: len(images)]


class OnnxEngine:
    """The backbone's ONNX export in onnxruntime, one thread a call: several callers keep several cores busy."""

    name: Name = "onnxruntime"

    def __init__(self, backbone: Path, batch: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        path = str(backbone / ONNX)
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.width: int = self._session.get_outputs()[0].shape[1]
        self.batch = batch
        self.preprocessing = BackboneSpec.model_validate_json((backbone / SPEC).read_bytes()).preprocessing

    def __call__(self, images: Array) -> Array:
        """See ``Engine``."""
        features: Array = self._session.run(None, {"images": _padded(images, self.batch)})[0]
        return features[: len(images)]


def _padded(images: Array, batch: int) -> Array:
    """Return the images with zeros up to ``batch``: one shape, hence one graph and one order of summation."""
    if len(images) == batch:
        return images
    padded = np.zeros((batch, *images.shape[1:]), np.float32)
    padded[: len(images)] = images
    return padded


_starting = threading.Lock()


def engine(backbone: Path, batch: int, name: Name) -> Engine:
    """Return the engine for a backbone's folder; one a process, so that graphs are compiled once for all shards."""
    with _starting:
        return _engine(backbone, batch, name)


@lru_cache(maxsize=1)
def _engine(backbone: Path, batch: int, name: Name) -> Engine:
    return OnnxEngine(backbone, batch) if name == "onnxruntime" else MindSporeEngine(backbone, batch)
