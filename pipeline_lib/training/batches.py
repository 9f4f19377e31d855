"""What a training reads: batches, in an order and with a dropout that it meets again when resumed, and the rows that judge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.evaluation.reliability import cross_entropy
from pipeline_lib.models.outputs import Logits, Take, logits_of_rows


@dataclass(frozen=True)
class Batches:
    """The training batches of any epoch; all of them have the same size, for a graph is compiled for one shape.

    Rows that fill no batch sit out for the epoch, other ones each time. With ``images``, an epoch has one row of each image,
    another one each time, so that its views are drawn anew. Order and dropout of an epoch come from a generator
    seeded by seed and epoch alone, so none of its state has to survive a kill. A batch is read when it is asked for, and is
    then still in the processor's cache when the step computes with it.

    Attributes:
        take: Reads the inputs of rows.
        rows: Numbers of the rows to train on, (n,), at least one.
        labels: Their class ids, (n,).
        size: Rows a batch; with fewer rows than that, all of them make one.
        seed: Seed of order and dropout.
        dropout: Share of each row's inputs set to 0, 0..1 without 1; the others are scaled up to keep the mean.
        dropping: How many of the inputs, the first ones, that is about; None for all.
        images: The image of each row, (n,); None lets an epoch have all rows.
    """

    take: Take
    rows: NDArray[np.int64]
    labels: NDArray[np.int32]
    size: int
    seed: int
    dropout: float = 0.0
    dropping: int | None = None
    images: NDArray[Any] | None = None

    @cached_property
    def per_epoch(self) -> int:
        """Number of batches an epoch, at least 1."""
        return max(1, self._length // self.size)

    def __call__(self, epoch: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int32]]]:
        """Yield the inputs (size, ...) and labels (size,) of each batch of an epoch, numbered from 1."""
        # SFC64 takes half the time of NumPy's default generator, and dropout wants 10 KB of it a step.
        random = np.random.Generator(np.random.SFC64((self.seed, epoch)))
        size = min(self.size, self._length)
        for chosen in self._order(random)[: self.per_epoch * size].reshape(-1, size):
            inputs = self.take(self.rows[chosen])
            if self.dropout:
                drop(inputs[:, : self.dropping], self.dropout, random)
            yield inputs, self.labels[chosen]

    @property
    def _length(self) -> int:
        """Rows of an epoch, with those that fill no batch."""
        return len(self._by_image[1])

    @cached_property
    def _by_image(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Positions of the rows in the order of their images, and of each image its first one's place and their number."""
        images = np.arange(len(self.rows)) if self.images is None else self.images
        _, starts, counts = np.unique(np.sort(images), return_index=True, return_counts=True)
        return np.argsort(images, kind="stable"), starts, counts

    def _order(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Return the positions of an epoch's rows, in the order in which they train."""
        if self.images is None:
            return random.permutation(len(self.rows))
        order, starts, counts = self._by_image
        return random.permutation(order[starts + random.integers(counts)])


def drop(inputs: NDArray[np.float32], share: float, random: np.random.Generator) -> None:
    """Set a share of the values to 0 and scale the others by 1 / (1 - share), in place (inverted dropout).

    Each value costs eight random bits, a quarter of a random float. A row drops one of the two multiples of 1/256 that
    enclose the share, drawn so that rows meet it on average, exactly for a share up to 255/256.

    Args:
        inputs: The rows, (n, width).
        share: 0..1 without 1.
        random: Source of the bits; its bit generator makes 64 at once, as all of NumPy's but MT19937 do.
    """
    words: NDArray[np.uint64] = random.bit_generator.random_raw(-(-inputs.size // 8))
    bits = words.view(np.uint8)[: inputs.size].reshape(inputs.shape)
    thresholds = np.minimum(256 * share + random.random((len(inputs), 1)), 255).astype(np.uint8)
    inputs *= bits >= thresholds
    inputs *= np.float32(1.0 / (1.0 - share))


@dataclass(frozen=True)
class Validation:
    """Rows that judge a network in training.

    They judge without what only helps training, label smoothing and dropout, as test rows will.

    Attributes:
        logits_of: Computes the network's outputs.
        take: Reads the inputs of rows.
        rows: Numbers of the rows, (n,), at least one.
        labels: Their class ids, (n,).
    """

    logits_of: Logits
    take: Take
    rows: NDArray[np.int64]
    labels: NDArray[np.int32]

    def logits(self) -> NDArray[np.float32]:
        """Return the logits (n, classes); memory holds the inputs of one read at a time."""
        return logits_of_rows(self.logits_of, self.take, self.rows)

    def __call__(self) -> tuple[float, float]:
        """Return mean cross-entropy in nats and top-1, 0..1."""
        logits = self.logits()
        return cross_entropy(logits, self.labels), float((logits.argmax(axis=1) == self.labels).mean())
