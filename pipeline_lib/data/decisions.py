"""What people decided about labels, as a value: an input of the stage ``dataset`` beside the photographs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from pipeline_lib.errors import PipelineError, nearest, shortened

LABELS = "labels.csv"

REMOVE, KEEP, FORGET = "remove", "keep", "forget"
"""What a decision may be beside a class: the photograph does not belong into the dataset, its label is right, or it is read as
if it had never been there (``garbage forget``)."""


@dataclass(frozen=True)
class Decision:
    """What was decided about a photograph.

    Attributes:
        sha256: Digest of its bytes, in lower case.
        label: The class that it belongs in, `REMOVE`, `KEEP` or `FORGET`.
        line: Where ``labels.csv`` says so, from 1.
    """

    sha256: str
    label: str
    line: int


@dataclass(frozen=True)
class Decisions:
    """All decisions on the labels of a dataset.

    Attributes:
        file: Where they are from; "" where there are none.
        rows: One decision for each photograph, in the order of the file.
    """

    file: str = ""
    rows: tuple[Decision, ...] = ()

    @property
    def fingerprint(self) -> str:
        """What identifies the decisions: which photographs, and what about them; not who decided, when, or in which order."""
        said = sorted((row.sha256, row.label) for row in self.rows)
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    @cached_property
    def labels(self) -> dict[str, str]:
        """What was decided, by the digest of the photograph."""
        return {row.sha256: row.label for row in self.rows}

    @cached_property
    def on_labels(self) -> tuple[Decision, ...]:
        """The decisions on photographs that are not to be forgotten."""
        return tuple(row for row in self.rows if row.label != FORGET)

    @cached_property
    def forgotten(self) -> frozenset[str]:
        """The digests of photographs that are to be forgotten."""
        return frozenset(row.sha256 for row in self.rows if row.label == FORGET)

    def check(self, classes: Iterable[str]) -> None:
        """Refuse decisions that the dataset has no class for.

        Raises:
            PipelineError: A label is no class of the dataset, or a class is called like a decision.
        """
        allowed = {*classes, REMOVE, KEEP, FORGET}
        for name in {REMOVE, KEEP, FORGET} & set(classes) if self.rows else ():
            raise PipelineError(f"The class {name} is called like a decision of {self.file}; rename the class.")
        for row in self.rows:
            if row.label not in allowed:
                raise PipelineError(f"{self.file}, line {row.line}: {unknown_class(row.label, classes)}")


def unknown_class(label: str, classes: Iterable[str]) -> str:
    """Return in words that a label is no class, with the name that was probably meant."""
    near = nearest(label, [*classes, REMOVE, KEEP])
    hint = f"did you mean {near}?" if near else f"the classes are {', '.join(sorted(classes))}."
    return f"the dataset has no class {shortened(label)!r}: {hint}"
