"""Whether a model takes the place of the one in use: what is asked of it, and what the answers come to.

The model in use is the champion, the other one the challenger. Both are judged on the same photographs with the same labels.
Photographs of one source are right or wrong together, so whatever is counted here is counted by source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from pipeline_lib.evaluation.comparison import Hits, difference, estimate
from pipeline_lib.evaluation.metrics import share_of
from pipeline_lib.evaluation.reliability import BINS
from pipeline_lib.settings.sections import PromoteSettings

Outcome = Literal["promoted", "kept", "needs a person"]

LEVEL = 0.98
"""Of the interval that decides: 0.99 on its one side.

A model that loses the whole margin would be promoted in 1 % of cases if the sums of the sources were normal; they are skewed,
and it is up to twice as often: see docs/decisions/025-champion.md.
"""

ALPHA = 0.05
"""Probability that a veto is raised against a model that is as good: it costs a look by a person, no more."""

_DRAWS = 500


@dataclass(frozen=True)
class Said:
    """What a model said of n photographs.

    Attributes:
        hits: How often it was right about each one, its clean view among what is counted.
        predicted: (n,) int64, the class that it named on the clean view.
        confidence: (n,) float64, the calibrated probability of that class, 0..1.
    """

    hits: Hits
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """What two models said of the same n photographs, in the same order; n may be 0.

    Attributes:
        labels: (n,) int64, the classes of the photographs, as they are known today.
        challenger: What the one said.
        champion: What the other one said.
    """

    labels: NDArray[np.int64]
    challenger: Said
    champion: Said

    @property
    def sources(self) -> NDArray[np.int64]:
        """(n,) the source of each photograph."""
        return self.challenger.hits.sources

    @property
    def gained(self) -> NDArray[np.float64]:
        """(n,) 1 where the challenger alone is right on the clean view, -1 where the champion alone is, else 0."""
        return difference(self.challenger.hits, self.champion.hits).shares["clean"]


@dataclass(frozen=True)
class Compared:
    """A figure of both models and the difference, challenger less champion, with its interval; -1..1."""

    champion: float
    challenger: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Tested:
    """The models on test.

    Attributes:
        images: Photographs of test that neither model has a source of in what it was trained on.
        champion: Top-1 of the champion, 0..1; None without images.
        challenger: Top-1 of the challenger.
        better: Sources about which the challenger is more often right.
        worse: Sources about which the champion is.
        p: Probability of as many of the latter among both, or more, if the two were equally good.
        alpha: Below which p is a veto.
    """

    images: int
    champion: float | None
    challenger: float | None
    better: int
    worse: int
    p: float
    alpha: float


@dataclass(frozen=True)
class ClassCompared:
    """A class: its photographs, the share of them that each model gets right, 0..1, and Holm's p of the loss."""

    name: str
    images: int
    champion: float
    challenger: float
    p: float

    @property
    def difference(self) -> float:
        """Challenger less champion, -1..1."""
        return self.challenger - self.champion


@dataclass(frozen=True)
class Verdict:
    """What is decided.

    Attributes:
        decision: What becomes of the challenger.
        because: Why, in a sentence without a full stop.
        vetoes: What speaks against the challenger though it may be as good on the whole, a sentence each.
        measure: What is compared out of fold, see `comparison.MEASURES`.
        out_of_fold: The models on photographs of train, out of fold; None where there was no champion to compare with.
        test: The models on test; None as well.
        calibration: Their calibration errors out of fold; None as well.
        classes: The classes, the greatest loss first.
    """

    decision: Outcome
    because: str
    vetoes: Sequence[str] = ()
    measure: str = "clean"
    out_of_fold: Compared | None = None
    test: Tested | None = None
    calibration: Compared | None = None
    classes: Sequence[ClassCompared] = ()


def decide(pair: Pair, test: Pair, classes: Sequence[str], terms: PromoteSettings, looks: int) -> Verdict:
    """Return whether the challenger takes the champion's place.

    It does if its out-of-fold figure is not lower by the margin, as far as an interval can say, and nothing vetoes. It does
    not if it is lower for sure, or right about the very same photographs. All else needs a person.

    Args:
        pair: The models on photographs of train, out of fold; n at least 1.
        test: The models on the photographs of test that neither has seen.
        classes: (C,) names.
        terms: The margins.
        looks: How many models this test set was used to judge, at least 1.
    """
    measure = "mean" if "noisy" in pair.challenger.hits.shares and "noisy" in pair.champion.hits.shares else "clean"
    compared, tested = compare(pair, measure), compare_on_test(test, looks)
    calibration, of_classes = compare_calibration(pair), compare_classes(pair, classes)
    vetoes = [*_of_test(tested), *_of_classes(of_classes, terms), *_of_calibration(calibration, terms)]
    decision, because = _decision(pair, compared, vetoes, terms)
    return Verdict(decision, because, vetoes, measure, compared, tested, calibration, of_classes)


def decide_first(said: Said, labels: NDArray[np.int64], terms: PromoteSettings) -> Verdict:
    """Return whether the first model of a dataset becomes the champion: if it is better than the floor, as far as one can say.

    The floor is that of the settings, or the share of the largest class if that is higher: naming it always is no model.
    """
    hits = np.asarray(said.predicted == labels)
    share = share_of(hits, said.hits.sources, LEVEL)
    floor = max(terms.floor, float(np.bincount(labels).max() / len(labels)))
    figure = f"its accuracy out of fold, {100 * share.value:.1f}% with copies counted once, is at least {100 * share.low:.1f}%"
    if share.low > floor:
        return Verdict("promoted", f"it is the first model, and {figure}, above the floor of {100 * floor:.1f}%")
    return Verdict("needs a person", f"it is the first model, and {figure}, not above the floor of {100 * floor:.1f}%")


def _decision(pair: Pair, compared: Compared, vetoes: Sequence[str], terms: PromoteSettings) -> tuple[Outcome, str]:
    between = f"{100 * compared.low:+.1f} to {100 * compared.high:+.1f}"
    figure = f"{100 * compared.difference:+.1f} points out of fold ({between})"
    apart = difference(pair.challenger.hits, pair.champion.hits).shares
    if not any(share.any() for share in apart.values()):
        return "kept", "both models are right about the same photographs"
    if compared.high < 0:
        return "kept", f"the challenger is worse: {figure}"
    if compared.low <= -terms.margin:
        loss = "1 point" if terms.margin == 0.01 else f"{100 * terms.margin:g} points"
        return "needs a person", f"{figure}: a loss of {loss} cannot be ruled out"
    if vetoes:
        return "needs a person", f"{figure}, but {vetoes[0]}"
    return "promoted", figure


def compare(pair: Pair, measure: str) -> Compared:
    """Return the figures of both models and the paired difference with an interval of `LEVEL`.

    The interval is that of `comparison.estimate` with one source added that gained and one that lost, of the usual size:
    without them a handful of photographs on which the models differ would look like certainty.

    Source of the added ones: A. Agresti, Y. Min, "Simple improved confidence intervals for comparing matched proportions",
    Statistics in Medicine 24 (2005); here for sources in place of single pairs.
    """
    apart = difference(pair.challenger.hits, pair.champion.hits)
    padded = estimate(_with_two_more(apart), measure, LEVEL)
    figures = (pair.champion.hits.figure(measure), pair.challenger.hits.figure(measure))
    return Compared(*figures, apart.figure(measure), padded.low, padded.high)


def _with_two_more(apart: Hits) -> Hits:
    """Return differences with one more source that gained and one that lost, each as large as sources are on average."""
    count = len(np.unique(apart.sources))
    size = max(1, round(len(apart.images) / count))
    more = np.repeat([1.0, -1.0], size)
    sources = np.concatenate([apart.sources, np.repeat(apart.sources.max() + np.array([1, 2]), size)])
    shares = {kind: np.concatenate([share, more]) for kind, share in apart.shares.items()}
    return Hits(np.arange(len(sources)).astype(np.str_), sources, shares)


def compare_on_test(pair: Pair, looks: int) -> Tested:
    """Return the models on test, with McNemar's exact test by source.

    The level is divided by the number of models that the test set has judged: whichever is chosen among many has a figure on
    test that owes something to luck, and the next one must not be measured by that.
    """
    better, worse, p = sign_test(pair.gained, pair.sources)
    images = len(pair.labels)
    champion, challenger = (said.hits.figure("clean") if images else None for said in (pair.champion, pair.challenger))
    return Tested(images, champion, challenger, better, worse, p, ALPHA / max(looks, 1))


def sign_test(gained: NDArray[np.float64], sources: NDArray[np.int64]) -> tuple[int, int, float]:
    """Return the sources that gained, those that lost, and how likely so many of the latter are if both are equally likely.

    It is McNemar's exact test, one-sided, with sources in place of single photographs; 1 where none differs.
    """
    _, source = np.unique(sources, return_inverse=True)
    sums = np.bincount(source, weights=gained) if len(gained) else np.zeros(0)
    better, worse = int((sums > 0).sum()), int((sums < 0).sum())
    p = float(binomtest(worse, better + worse, alternative="greater").pvalue) if better + worse else 1.0
    return better, worse, p


def compare_classes(pair: Pair, classes: Sequence[str]) -> list[ClassCompared]:
    """Return every class that has photographs, the greatest loss first; p is that of `sign_test`, by Holm over all of them.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
    """
    there = np.unique(pair.labels).tolist()
    rows = [(label, pair.labels == label) for label in there]
    gained, sources = pair.gained, pair.sources
    p = holm([sign_test(gained[mask], sources[mask])[2] for _, mask in rows])
    champion, challenger = (said.hits.shares["clean"] for said in (pair.champion, pair.challenger))
    compared = [
        ClassCompared(classes[label], int(mask.sum()), float(champion[mask].mean()), float(challenger[mask].mean()), each)
        for (label, mask), each in zip(rows, p, strict=True)
    ]
    return sorted(compared, key=lambda each: (each.difference, each.name))


def holm(values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the order of the values."""
    adjusted, highest = [0.0] * len(values), 0.0
    for rank, number in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, min(1.0, (len(values) - rank) * values[number]))
        adjusted[number] = highest
    return adjusted


def compare_calibration(pair: Pair) -> Compared:
    """Return the calibration errors of both models and their difference, with a bootstrap interval of 0.9 over sources.

    The error is the expected calibration error of `reliability`, of sums over each source: a drawn source is in or out whole.
    """
    sums = [_gaps(said, pair.labels, pair.sources) for said in (pair.champion, pair.challenger)]
    count = len(sums[0])
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), _DRAWS)
    sizes = np.bincount(np.unique(pair.sources, return_inverse=True)[1])
    errors = [np.abs(drawn @ each).sum(axis=1) / (drawn @ sizes) for each in sums]
    low, high = np.quantile(errors[1] - errors[0], [ALPHA, 1 - ALPHA])
    champion, challenger = (float(np.abs(each.sum(axis=0)).sum() / len(pair.labels)) for each in sums)
    return Compared(champion, challenger, challenger - champion, float(low), float(high))


def _gaps(said: Said, labels: NDArray[np.int64], sources: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (sources, bins): the sum of confidence less hits over the photographs of a source in a bin of confidence."""
    _, source = np.unique(sources, return_inverse=True)
    edges = np.linspace(0, 1, BINS + 1)
    member = np.clip(np.searchsorted(edges, said.confidence, side="left") - 1, 0, BINS - 1)
    gaps = np.zeros((source.max() + 1, BINS))
    np.add.at(gaps, (source, member), said.confidence - (said.predicted == labels))
    return gaps


def _of_test(tested: Tested) -> list[str]:
    if tested.p >= tested.alpha:
        return []
    return [f"on test it loses {tested.worse} sources and gains {tested.better} (p = {tested.p:.2g})"]


def _of_classes(compared: Sequence[ClassCompared], terms: PromoteSettings) -> list[str]:
    lost = [each for each in compared if each.difference < -terms.class_margin and each.p < ALPHA]
    return [f"{each.name} loses {-100 * each.difference:.1f} points (p = {each.p:.2g})" for each in lost]


def _of_calibration(compared: Compared, terms: PromoteSettings) -> list[str]:
    if compared.difference <= terms.calibration_margin or compared.low <= 0:
        return []
    return [f"its calibration error is higher by {100 * compared.difference:.1f} points"]
