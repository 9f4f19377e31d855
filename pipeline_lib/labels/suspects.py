"""Which labels are suspected to be wrong, and which classes overlap: confident learning from out-of-fold probabilities.

Confident learning (Northcutt, Jiang and Chuang 2021, doi:10.1613/jair.1.12125) compares each probability with the average
that a class has on its own photographs. So it asks what is unusual for a class, and does not depend on how sure a model is
in general. The implementation is cleanlab's; it reads no file and no network, and it is called with one process.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from cleanlab.count import estimate_joint
from cleanlab.filter import find_label_issues
from numpy.typing import NDArray


class Suspect(NamedTuple):
    """A label that is probably wrong.

    Attributes:
        row: Which photograph, its position among the rows.
        suggested: The class that is most probable beside the given one.
        probability: How probable the suggested class is, 0..1.
        quality: How probable the given class is, 0..1; the lowest ones are the most suspicious.
    """

    row: int
    suggested: int
    probability: float
    quality: float


class Overlap(NamedTuple):
    """Two classes, and how many photographs have the label of one and belong in the other, as estimated."""

    first: int
    second: int
    images: float


def find_suspects(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> list[Suspect]:
    """Return the photographs whose labels are suspected to be wrong, the most suspicious first.

    Confident learning says how many labels are wrong; these are the ones with the least probable given class. A photograph
    whose given class is the most probable one is none of them.

    Args:
        probabilities: (n, C), each from a model that has not seen the photograph or its source.
        labels: (n,) the given classes, 0..C-1.
    """
    if len(np.unique(labels)) < 2:
        return []
    flagged = find_label_issues(
        labels, probabilities, filter_by="low_self_confidence", return_indices_ranked_by="self_confidence", n_jobs=1
    )
    found = (_suspect(int(row), probabilities[row], int(labels[row])) for row in flagged)
    return [suspect for suspect in found if suspect.probability > suspect.quality]


def _suspect(row: int, probabilities: NDArray[np.float64], given: int) -> Suspect:
    others = probabilities.copy()
    others[given] = -1
    suggested = int(others.argmax())
    return Suspect(row, suggested, float(others[suggested]), float(probabilities[given]))


def find_overlaps(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> list[Overlap]:
    """Return the pairs of classes that photographs are estimated to be mixed up between, the most of them first.

    The estimate is the joint distribution of given and true labels that confident learning arrives at, both directions
    summed, times the number of photographs; pairs with less than one are left out. Arguments as of `find_suspects`.
    """
    if len(np.unique(labels)) < 2:
        return []
    joint = len(labels) * estimate_joint(labels, probabilities)
    pairs = np.argwhere(np.triu(joint + joint.T, k=1) >= 1).tolist()
    overlaps = [Overlap(first, second, float(joint[first, second] + joint[second, first])) for first, second in pairs]
    return sorted(overlaps, key=lambda overlap: (-overlap.images, overlap))
