"""Batches for training, in an order and with a dropout that a resumed training meets again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Take = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Maps row numbers (n,) to the inputs of those rows (n, ...), a fresh float32 array."""

READ_ROWS = 1024
"""Rows read at once: enough for a table of many files to serve them together, few enough to stay in the cache."""


@dataclass(frozen=True)
class Batches:
    """The training batches of any epoch; all of them have the same size, for a graph is compiled for one shape.

    Rows that fill no batch sit out for the epoch, other ones each time. Order and dropout of an epoch come from
    ``default_rng((seed, epoch))`` alone, so no state of a generator has to survive a kill.

    Attributes:
        take: Reads the inputs of rows.
        rows: Numbers of the rows to train on, (n,), at least one.
        labels: Their class ids, (n,).
        size: Rows a batch; with fewer rows than that, all of them make one.
        seed: Seed of order and dropout.
        dropout: Share of each row's inputs set to 0, 0..1 without 1; the others are scaled up to keep the mean.
    """

    take: Take
    rows: NDArray[np.int64]
    labels: NDArray[np.int32]
    size: int
    seed: int
    dropout: float = 0.0

    @cached_property
    def per_epoch(self) -> int:
        """Number of batches an epoch, at least 1."""
        return max(1, len(self.rows) // self.size)

    def __call__(self, epoch: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int32]]]:
        """Yield the inputs (size, ...) and labels (size,) of each batch of an epoch, numbered from 1."""
        random = np.random.default_rng((self.seed, epoch))
        size = min(self.size, len(self.rows))
        order = random.permutation(len(self.rows))[: self.per_epoch * size]
        read = max(1, READ_ROWS // size) * size
        for at in range(0, len(order), read):
            chosen = order[at : at + read]
            inputs, labels = self.take(self.rows[chosen]), self.labels[chosen]
            if self.dropout:
                drop(inputs, self.dropout, random)
            for start in range(0, len(chosen), size):
                yield inputs[start : start + size], labels[start : start + size]


def drop(inputs: NDArray[np.float32], share: float, random: np.random.Generator) -> None:
    """Set a share of the values to 0 and scale the others by 1 / (1 - share), in place (inverted dropout).

    The share is met to within 2**-17: 16 random bits a value take half the time of a random float.
    """
    threshold = round(share * 2**16)
    inputs *= random.integers(0, 2**16, inputs.shape, np.uint16) >= threshold
    inputs *= np.float32(1.0 / (1.0 - share))
