"""What is trained while the part of a backbone before a cut is frozen."""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from pipeline_lib.models.classifier import Classifier
from pipeline_lib.models.cut import Tail


class TunedNetwork(nn.Cell):
    """A tail with the classifier behind it: what is trained while the part before the cut is frozen."""

    def __init__(self, tail: Tail, classifier: Classifier) -> None:
        super().__init__()
        self.tail = tail
        self.classifier = classifier
        self.concatenate = ops.Concat(axis=1)

    def construct(self, rows: Tensor) -> Tensor:
        """Map rows, with the image's level of noise behind them if the classifier is noise-aware, to logits (n, classes)."""
        if not self.classifier.noise_aware:
            return self.classifier(self.tail(rows))
        return self.classifier(self.concatenate((self.tail(rows[:, :-1]), rows[:, -1:])))
