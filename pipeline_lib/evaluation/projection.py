"""A map of the network's outputs: t-SNE in two dimensions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from pipeline_lib.evaluation.predictions import Predictions

# Below this many points a table says more than distances.
_FEWEST = 5
# Van der Maaten and Hinton (2008) name 5..50; 30 is their and scikit-learn's usual choice. A point needs three times as
# many neighbours as the perplexity, so a small set gets a smaller one.
_PERPLEXITY = 30.0


def sample(predictions: Predictions, limit: int, seed: int) -> Predictions:
    """Return at most ``limit`` rows in their order, drawn without replacement by a generator seeded with ``seed``."""
    chosen = np.zeros(len(predictions), np.bool_)
    chosen[np.random.default_rng(seed).permutation(len(predictions))[:limit]] = True
    return predictions.where(chosen)


def project(outputs: NDArray[np.float32], seed: int) -> NDArray[np.float32] | None:
    """Return (n, 2) float32 t-SNE coordinates of (n, C) outputs, or None for fewer than five rows.

    One thread: the sums of several threads depend on their number, and on a busy machine they wait for one another
    (2,000 points took 7 s with one thread, 65 s with two). The same outputs and seed give the same map.

    Source: L. van der Maaten, G. Hinton, "Visualizing data using t-SNE", JMLR 9 (2008).
    """
    if len(outputs) < _FEWEST:
        return None
    # Principal components of points that all coincide have no length to scale the start by.
    init = "pca" if np.ptp(outputs, axis=0).any() else "random"
    perplexity = min(_PERPLEXITY, (len(outputs) - 1) / 3)
    with threadpool_limits(1, user_api="openmp"):
        return np.asarray(TSNE(init=init, perplexity=perplexity, random_state=seed).fit_transform(outputs), np.float32)
