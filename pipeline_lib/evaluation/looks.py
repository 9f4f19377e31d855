"""Looks at a test set: a ledger of every evaluation that a run has shown, and what choosing among them is worth.

A test set that was looked at often is no longer a test: whoever keeps the best of many models by their figures on it keeps
luck too. The ledger is one CSV file that is only added to, a row for each run that shows an evaluation. A *look* is an
evaluation, by its key: a run that reuses one shows again what was seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from statistics import NormalDist, fmean

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline_lib.errors import PipelineError
from pipeline_lib.files.description import first_fault
from pipeline_lib.files.table import read_table, write_table

LEDGER = "looks.csv"
"""The ledger's name in the artifacts root."""


class Entry(BaseModel):
    """A row of the ledger: the figures on a test set that one run has shown.

    Attributes:
        when: When, in UTC.
        run: Id of the run.
        flow: Name of the flow.
        dataset: Name of the dataset.
        test: Digest of the test set's content.
        evaluation: Key of the evaluation.
        predictions: Digest of what the model said about every view of every test image.
        settings: The settings that are not the default, as JSON with sorted names.
        top1: Top-1 on test without leaks, 0..1; None if all of test leaks.
        top1_low: Lower end of its interval.
        top1_high: Upper end of its interval.
        images: Number of images that it was measured on.
        n_effective: Number of independent images that these are worth.
        unseen_top1: Top-1 on sources never seen, by cross-validation, 0..1; None if there was none.
        unseen_top1_low: Lower end of its interval.
        unseen_top1_high: Upper end of its interval.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    when: datetime
    run: str
    flow: str
    dataset: str
    test: str
    evaluation: str
    predictions: str
    settings: str
    top1: float | None = None
    top1_low: float | None = None
    top1_high: float | None = None
    images: int | None = None
    n_effective: float | None = None
    unseen_top1: float | None = None
    unseen_top1_low: float | None = None
    unseen_top1_high: float | None = None


class Looks(BaseModel):
    """How often a test set was looked at, as seen by one of the evaluations.

    Attributes:
        times: Number of looks: of different evaluations.
        settings: Number of different settings among them, at most ``times``.
        models: Number of different models among them, at most ``times``: of evaluations whose predictions differ.
        optimism: What the figure gains by being the highest of all models', at most and on average, if they were equally good,
            0..1; see `optimism_of_best`. None if another figure is higher or there is no other.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    times: int
    settings: int
    models: int
    optimism: float | None = None


def read_ledger(path: Path) -> list[Entry]:
    """Return the rows of a ledger, the oldest first; none if there is no ledger yet.

    Raises:
        PipelineError: A row is not one that was written here.
    """
    entries = []
    for line, row in enumerate(read_table(path) if path.exists() else [], start=2):
        try:
            entries.append(Entry.model_validate({str(name): text or None for name, text in row.items()}))
        except ValidationError as error:
            raise PipelineError(
                f"Line {line} of the ledger {path} is damaged ({first_fault(error)}): correct or remove it and run again"
            ) from None
    return entries


def add_to_ledger(path: Path, entry: Entry) -> list[Entry]:
    """Add a row to a ledger, which is made if there is none, and return all of its rows.

    Whoever reads it meanwhile, or after a process was killed here, finds it with the row or without. The caller holds a lock,
    so that no other process adds a row at the same time.

    Raises:
        PipelineError: The ledger is damaged.
    """
    entries = [*read_ledger(path), entry]
    fresh = path.with_name(f".{path.name}")
    write_table(fresh, list(Entry.model_fields), (each.model_dump(mode="json") for each in entries))
    fresh.replace(path)
    return entries


def looks_of(entry: Entry, entries: Iterable[Entry]) -> Looks:
    """Return how often the test set of an entry was looked at, according to the rows of a ledger, which has that entry.

    The settings of a look are those that have shown it first: others that reuse the evaluation compare nothing.
    """
    looks: dict[str, Entry] = {}
    for each in entries:
        if each.test == entry.test:
            looks.setdefault(each.evaluation, each)
    settings = {(each.flow, each.settings) for each in looks.values()}
    models = {each.predictions: each.top1 for each in looks.values()}
    figures = [top1 for top1 in models.values() if top1 is not None]
    optimism = None
    if entry.top1 is not None and entry.n_effective is not None and len(figures) > 1 and entry.top1 >= max(figures):
        optimism = round(optimism_of_best(figures, entry.n_effective), 6)
    return Looks(times=len(looks), settings=len(settings), models=len(models), optimism=optimism)


def optimism_of_best(shares: Sequence[float], n: float) -> float:
    """Return by how much the highest of equally good models' figures exceeds their accuracy on average, at most, 0..1.

    The errors of a measured share are nearly normal, so the highest of several is expected at the standard error times
    `expected_maximum`. The accuracy that all of them have is estimated by their mean: at the highest share the standard error
    would be that of luck. Models that are judged on the same images err together; with a correlation rho of any two figures
    the excess is ``sqrt(1 - rho)`` of what is returned, hence at most.

    Source: J. E. Smith, R. L. Winkler, "The optimizer's curse: skepticism and postdecision surprise in decision analysis",
    Management Science 52 (2006), section 2.

    Args:
        shares: The figures of all models, 0..1; at least one.
        n: Number of independent images that they were measured on, above 0.
    """
    return standard_error(fmean(shares), n) * expected_maximum(len(shares))


def standard_error(share: float, n: float) -> float:
    """Return the standard error of a share that was measured on n independent rows.

    It is ``sqrt(p q / n)`` with p estimated after two hits and two misses are added: where all rows are right it would be 0
    otherwise, as if nothing could be better known.

    Source: A. Agresti, B. A. Coull, "Approximate is better than 'exact' for interval estimation of binomial proportions",
    The American Statistician 52 (1998).
    """
    likely = (share * n + 2) / (n + 4)
    return math.sqrt(likely * (1 - likely) / n)


def expected_maximum(count: int) -> float:
    """Return the expected value of the largest of ``count`` independent standard normal variables.

    With F their distribution function it is ``b - integral of F(x)^count from -b to b`` for a b beyond which nothing lies,
    here by the trapezoidal rule, whose error is below 1e-10 up to a million variables.

    Source: H. A. David, H. N. Nagaraja, "Order Statistics", third edition (2003), section 3.1.
    """
    bound, steps = 10, 64  # steps of 1/64 from -10 to 10; F is 0 at one end and 1 at the other
    below = NormalDist().cdf
    area = sum(below(place / steps) ** count for place in range(-bound * steps + 1, bound * steps)) + 0.5
    return bound - area / steps
