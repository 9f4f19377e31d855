"""A model's network as MindIR, the format of MindSpore and MindSpore Lite: prepared images in, probabilities out."""

from __future__ import annotations

from pathlib import Path

import mindspore
import numpy as np
from mindspore import Tensor, nn, ops
from numpy.typing import NDArray
from PIL import Image

from pipeline_lib.export.source import Source
from pipeline_lib.images.noise import noise_level
from pipeline_lib.models.architectures import find_architecture
from pipeline_lib.models.backbone import pooled_backbone
from pipeline_lib.models.classifier import Classifier
from pipeline_lib.models.graph import graph_mode
from pipeline_lib.models.parameters import assign


class Calibrated(nn.Cell):
    """Backbone, classifier, temperature and softmax as one network.

    Args:
        backbone: Maps prepared images to features.
        classifier: Maps features, with the level of noise behind them if it is noise-aware, to logits.
        temperature: What logits are divided by.
    """

    def __init__(self, backbone: nn.Cell, classifier: Classifier, temperature: float) -> None:
        super().__init__()
        self.backbone, self.classifier, self._temperature = backbone, classifier, temperature
        self._noise_aware = classifier.noise_aware
        self.concatenate, self.softmax = ops.Concat(axis=1), ops.Softmax(axis=1)

    def construct(self, images: Tensor, level: Tensor) -> Tensor:
        """Map prepared images (1, 3, size, size) and their level of noise (1, 1) to probabilities (1, classes).

        A network that is not noise-aware ignores the level.
        """
        rows = self.backbone(images)
        if self._noise_aware:
            rows = self.concatenate((rows, level))
        return self.softmax(self.classifier(rows) / self._temperature)


class Loaded:
    """A MindIR file in MindSpore, as somebody has it who has nothing else.

    Args:
        path: The file.
        source: The model: it prepares the images, which is no part of the file.
    """

    def __init__(self, path: Path, source: Source) -> None:
        self._network = nn.GraphCell(mindspore.load(str(path)))
        self._preprocessing = source.spec.preprocessing

    @graph_mode()
    def __call__(self, image: Image.Image) -> NDArray[np.float32]:
        """Return the probabilities of the classes for an RGB image."""
        prepared = self._preprocessing.prepare(image)
        level = noise_level(np.array([[prepared.noise or 0.0]], np.float32))
        answer: NDArray[np.float32] = self._network(Tensor(prepared.array[None]), Tensor(level)).asnumpy()[0]
        return answer


def write_mindir(path: Path, source: Source) -> None:
    """Write a model's network into a file that ends in ``.mindir``."""
    spec = source.head.spec
    backbone, _ = pooled_backbone(source.backbone, find_architecture(source.spec.architecture).load())
    classifier = Classifier(spec.in_features, len(spec.classes), spec.hidden, noise_aware=spec.noise_aware)
    assign(classifier, source.head.arrays, str(source.folder), "train again")
    network = Calibrated(backbone, classifier, spec.temperature).set_train(False)
    size = source.spec.image_size
    inputs = [Tensor(np.zeros(shape, np.float32)) for shape in ((1, 3, size, size), (1, 1))]
    mindspore.export(network, *inputs, file_name=str(path.with_suffix("")), file_format="MINDIR")
    path.chmod(0o644)  # MindSpore makes it read-only
