"""Rows that are read when asked for, and the outputs that a network gives for them, whatever computes these."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Take = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Reads the inputs (n, ...) of rows (n,) of a table: a fresh array, float32."""

Logits = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Maps inputs (n, ...), n at least 1, to logits (n, classes), float32."""

READ_ROWS = 1024
"""Rows read at once: enough for passes of full batches, few enough to stay in the cache."""


def logits_of_rows(logits_of: Logits, take: Take, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the logits (n, classes) of rows (n,), n at least 1; memory holds the inputs of one read at a time."""
    reads = [logits_of(take(rows[at : at + READ_ROWS])) for at in range(0, len(rows), READ_ROWS)]
    return np.concatenate(reads)
