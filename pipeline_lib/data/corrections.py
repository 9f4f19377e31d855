"""What later stages read of the decisions that a dataset came with. Kept apart from the code that applies them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline_lib.files.table import read_table

FOLDER = "decisions/"
"""The part of a dataset's result that has the decisions; all else is the same with and without a photograph that was kept."""

DECIDED = f"{FOLDER}decided.csv"
DECIDED_COLUMNS = ("image", "sha256", "delivered", "decision")
CORRECTIONS = f"{FOLDER}test.csv"
CORRECTIONS_COLUMNS = ("image", "delivered", "corrected")


def read_decided(dataset: Path) -> frozenset[str]:
    """Return the keys ``<split>/<class>/<name>`` of the photographs whose label somebody has decided on."""
    return frozenset(row["image"] for row in read_table(dataset / DECIDED))


def read_corrections(dataset: Path, classes: Sequence[str]) -> dict[str, int | None]:
    """Return what the label of each test image that was corrected should be, by its key.

    Args:
        dataset: The folder of a dataset stage's result.
        classes: Names of the classes.

    Returns:
        A position in ``classes``; None for an image that does not belong there.
    """
    ids = {name: number for number, name in enumerate(classes)}
    return {row["image"]: ids.get(row["corrected"]) for row in read_table(dataset / CORRECTIONS)}
