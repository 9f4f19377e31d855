"""The tables of stage ``labels``. Kept apart from what fills them, so that nothing that shows them depends on that code."""

SUSPECTS = "suspects.csv"
"""Labels that are suspected to be wrong: rank, image, sha256, given, suggested, probability, quality."""

OUTLIERS = "outliers.csv"
"""Photographs that are like no other: rank, image, sha256, given, distance."""

OVERLAPS = "overlaps.csv"
"""Classes that are mixed up: class, other, images."""
