"""The engine that runs the frozen backbone: prepared images in, pooled features out."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.errors import PipelineError
from pipeline_lib.models.files import ONNX, SPEC
from pipeline_lib.models.spec import BackboneSpec

Array = NDArray[np.float32]

TYPES: dict[str, np.dtype[Any]] = {"tensor(float)": np.dtype("<f4"), "tensor(float16)": np.dtype("<f2")}
"""NumPy's names of what an ONNX graph gives."""


class Engine:
    """The backbone's ONNX graph in onnxruntime; may be called from several threads.

    A call computes on one thread: several callers keep several cores busy, and sums do not depend on their number.

    Attributes:
        width: Features per image (1280 for MobileNetV2 at width 1 without depths, 2816 with its two).
        dtype: Of the features; the activations at a cut are float16.
        batch: Images in a full batch; a shorter one is padded.
        preprocessing: What an image goes through before it enters.
    """

    def __init__(self, backbone: Path, batch: int) -> None:
        import onnxruntime

        for name in (ONNX, SPEC):
            if not (backbone / name).is_file():
                raise PipelineError(f"{backbone / name} is missing; run the pipeline again to make it")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        path = str(backbone / ONNX)
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        output = self._session.get_outputs()[0]
        self.width: int = output.shape[1]
        self.dtype = TYPES[output.type]
        self.batch = batch
        self.preprocessing = BackboneSpec.model_validate_json((backbone / SPEC).read_bytes()).preprocessing

    def __call__(self, images: Array) -> NDArray[np.floating[Any]]:
        """Return features (n, width) of prepared images (n, 3, size, size), float32, n at most ``batch``.

        A batch always has its full size, filled up with zeros: one shape, hence one order of summation.
        """
        padded = images
        if len(images) < self.batch:
            padded = np.zeros((self.batch, *images.shape[1:]), np.float32)
            padded[: len(images)] = images
        features: NDArray[np.floating[Any]] = self._session.run(None, {"images": padded})[0]
        return features[: len(images)]


_starting = threading.Lock()


def engine(backbone: Path, batch: int) -> Engine:
    """Return the engine for a backbone's folder; one per process, so that the graph is loaded once for all shards."""
    with _starting:
        return _engine(backbone, batch)


_engine = lru_cache(maxsize=1)(Engine)
