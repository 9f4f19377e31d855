"""A whole classification network: a backbone and a head as one, for training all of it and for export.

The backbone ends before pooling, and the head's classifier starts after it. So a classifier trained on features that were
pooled and cached once is, parameter for parameter, the classifier of the whole network.
"""

from __future__ import annotations

from typing import Literal

from mindspore import Tensor, nn

from pipeline_lib.models.classifier import Classifier
from pipeline_lib.models.layers import GlobalAveragePooling

Activation = Literal["sigmoid", "softmax"]


class Head(nn.Cell):
    """Global average pooling, optional dropout, the classifier, and an optional activation for output.

    Args:
        input_channel: Channels of the feature maps.
        num_classes: Number of classes.
        has_dropout: Whether training drops a part of the pooled features.
        activation: None gives logits, which the loss wants; "sigmoid" or "softmax" gives values for people to read.
        dropout: Share of them that is dropped, 0..1; 0.2 as in the authors' implementation.
        hidden: Units of the hidden layer; 0 = a single dense layer.
        seed: Seed of the first weights.
    """

    def __init__(
        self,
        input_channel: int = 1280,
        num_classes: int = 26,
        has_dropout: bool = False,
        activation: Activation | None = None,
        *,
        dropout: float = 0.2,
        hidden: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.pool = GlobalAveragePooling()
        self.dropout = nn.Dropout(p=dropout) if has_dropout else nn.Identity()
        self.classifier = Classifier(input_channel, num_classes, hidden, seed=seed)
        activations = {None: nn.Identity, "sigmoid": nn.Sigmoid, "softmax": nn.Softmax}
        self.activation = activations[activation]()

    def construct(self, x: Tensor) -> Tensor:
        """Map feature maps (n, input_channel, h, w) to (n, num_classes) logits, or values 0..1 after an activation."""
        return self.activation(self.classifier(self.dropout(self.pool(x))))


class WholeNetwork(nn.Cell):
    """Backbone and head as one network."""

    def __init__(self, backbone: nn.Cell, head: Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def construct(self, x: Tensor) -> Tensor:
        """Map preprocessed images (n, 3, h, w) to what the head gives, (n, num_classes)."""
        return self.head(self.backbone(x))
