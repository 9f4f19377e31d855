"""Reading ``labels.csv``, which has what people decided about labels. No stage does: it is given the decisions."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline_lib.data.decisions import KEEP, LABELS, REMOVE, Decision, Decisions
from pipeline_lib.errors import PipelineError, shortened

COLUMNS = ("sha256", "label", "who", "when")
"""Columns of ``labels.csv``; it may have others."""

DIGEST = re.compile(r"[0-9a-f]{64}")
"""A sha256 in hexadecimal."""


def labels_file(dataset: Path) -> Path:
    """Return where the decisions on a dataset are: in its folder, or beside its archive under the archive's name."""
    return dataset / LABELS if dataset.is_dir() else dataset.with_name(f"{dataset.stem}.{LABELS}")


class Rows(NamedTuple):
    """A ``labels.csv`` as it is: the names of its columns, and its rows, each with its line from 1."""

    columns: Sequence[str]
    numbered: list[tuple[int, dict[str, str]]]


def read_rows(file: Path) -> Rows:
    """Return what a ``labels.csv`` holds; the columns alone if there is no such file.

    Raises:
        PipelineError: It is no CSV in UTF-8, lacks a column, or has a row of more cells than columns.
    """
    if not file.exists():
        return Rows(COLUMNS, [])
    reader = csv.DictReader(io.StringIO(_text(file), newline=""), restval="", strict=True)
    try:
        numbered = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise PipelineError(f"{file}, line {reader.reader.line_num}: {error}; save it as CSV in UTF-8.") from error
    columns = reader.fieldnames or ()
    if missing := [name for name in COLUMNS if name not in columns]:
        raise PipelineError(
            f"{file}, line 1: the column {missing[0]} is missing; the first line is {','.join(COLUMNS)} (with commas)."
        )
    if longer := [line for line, row in numbered if None in row]:
        raise PipelineError(f"{file}, line {longer[0]}: there are more cells than columns; put a cell with commas in quotes.")
    return Rows(columns, numbered)


def read_decisions(file: Path) -> Decisions:
    """Return the decisions that a ``labels.csv`` lists; none if there is no such file.

    Raises:
        PipelineError: See `read_rows`; or a row has no digest or no label, or two rows decide differently.
    """
    if not file.exists():
        return Decisions()
    first: dict[str, Decision] = {}
    for line, row in read_rows(file).numbered:
        decision = _decision(file, line, row)
        earlier = first.setdefault(decision.sha256, decision)
        if earlier.label != decision.label:
            raise PipelineError(
                f"{file}, line {line}: the label of a photograph is {decision.label!r}, but line {earlier.line} says "
                f"{earlier.label!r} (sha256 {decision.sha256[:12]}...); keep one of the two lines."
            )
    return Decisions(str(file), tuple(first.values()))


def _decision(file: Path, line: int, row: dict[str, str]) -> Decision:
    digest, label = row["sha256"].strip().lower(), unicodedata.normalize("NFC", row["label"].strip())
    if not DIGEST.fullmatch(digest):
        raise PipelineError(
            f"{file}, line {line}: {shortened(digest)!r} is no sha256; give the 64 digits that `sha256sum` prints."
        )
    if not label:
        raise PipelineError(f"{file}, line {line}: the label is missing; give a class, {REMOVE} or {KEEP}.")
    return Decision(digest, label, line)


def _text(file: Path) -> str:
    content = file.read_bytes()
    try:
        return content.decode("utf-8-sig")  # spreadsheets put a byte order mark before it
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PipelineError(f"{file}, line {line}: the bytes are not UTF-8; save it as CSV in UTF-8.") from error
