"""scikit-learn's LogisticRegression on the same cached features: default C, lbfgs, until it has converged."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from measured.prepared import prepared

MOST = 10_000
"""Iterations that are never needed: lbfgs stops by its tolerance."""


def main() -> None:
    """Fit, judge on test, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    work = prepared(parser.parse_args().work)
    train, test = work.features("train"), work.features("test")
    started = time.perf_counter()
    model = LogisticRegression(max_iter=MOST).fit(train.take(np.arange(len(train))), train.labels)
    seconds = time.perf_counter() - started
    if model.n_iter_.max() >= MOST:
        raise SystemExit("LogisticRegression has not converged")
    accuracy = float(model.score(test.take(np.arange(len(test))), test.labels))
    print(json.dumps({"seconds": seconds, "accuracy": accuracy}))


if __name__ == "__main__":
    main()
