"""The tables of stage ``labels``. Kept apart from what fills them, so that nothing that shows them depends on that code."""

SUSPECTS = "suspects.csv"
"""Labels that are suspected to be wrong: rank, image, sha256, source, given, suggested, probability, quality."""

OUTLIERS = "outliers.csv"
"""Photographs that are like no other: rank, image, sha256, source, given, distance."""

OVERLAPS = "overlaps.csv"
"""Classes that are mixed up: class, other, images."""


def picture_of(name: str, rank: int) -> str:
    """Return where the picture of a row is, if it is the first of its source: ``suspects/007.jpg``."""
    return f"{name}/{rank:03}.jpg"
