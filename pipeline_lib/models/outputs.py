"""Rows that are read when asked for, and the outputs that a network gives for them, whatever computes these."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Take = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Reads the inputs (n, ...) of rows (n,) of a table: a fresh array, float32."""

Logits = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Maps inputs (n, ...), n at least 1, to logits (n, classes), float32."""

READ_ROWS = 1024
"""Most rows read at once: enough for passes of full batches, few enough to stay in the cache."""

READ_BYTES = 64 * 2**20
"""Most bytes read at once, however wide a row is."""


def reads(take: Take, rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
    """Yield the inputs of rows (n,), n at least 1, in their order, a part at a time."""
    at_once = max(1, min(READ_ROWS, READ_BYTES // take(rows[:1]).nbytes))
    for at in range(0, len(rows), at_once):
        yield take(rows[at : at + at_once])


def logits_of_rows(logits_of: Logits, take: Take, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the logits (n, classes) of rows (n,), n at least 1; memory holds the inputs of one read at a time."""
    return np.concatenate([logits_of(inputs) for inputs in reads(take, rows)])


class Table(Protocol):
    """Rows of inputs, read when asked for."""

    def __len__(self) -> int: ...

    def take(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return a fresh array of the inputs of these rows, in this order."""
        ...


def logits_of_table(logits_of: Logits, table: Table) -> NDArray[np.float32]:
    """Return the logits (n, classes) of all rows of a table."""
    return logits_of_rows(logits_of, table.take, np.arange(len(table)))
