"""Made-up contests: what two models said of photographs that come in sources, with a true difference that is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.evaluation.comparison import Hits
from pipeline_lib.evaluation.promotion import Pair, Said, decide
from pipeline_lib.settings.sections import PromoteSettings

CLASSES = [f"class {number}" for number in range(10)]
ACCURACY = 0.8
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class World:
    """Where photographs come from.

    Attributes:
        differing: Share of the sources that the models differ about.
        gain: True difference of the models' accuracy, challenger less champion, at most ``differing``.
        sources: Sources in a draw.
    """

    differing: float
    gain: float
    sources: int = 800

    def draw(self, rng: np.random.Generator) -> Pair:
        """Return what both said of the photographs of so many sources, 1 to 6 of each, and of a noisy view of each."""
        sizes = rng.integers(1, 7, self.sources)
        source = np.repeat(np.arange(self.sources), sizes)
        right = self._of_sources(rng)
        labels = rng.integers(0, len(CLASSES), self.sources)[source]
        images = np.array([f"{number:06}" for number in range(len(source))])
        sides = [self._said(images, source, side[source], labels, rng) for side in right]
        return Pair(labels, *sides)

    def _of_sources(self, rng: np.random.Generator) -> tuple[Bools, Bools]:
        """Return of which sources each model is right."""
        champion = rng.random(self.sources) < ACCURACY
        differs = rng.random(self.sources) < self.differing
        wins = rng.random(self.sources) < 0.5 + self.gain / self.differing / 2
        return np.where(differs, wins, champion), np.where(differs, ~wins, champion)

    def _said(
        self,
        images: NDArray[np.str_],
        source: NDArray[np.int64],
        right: Bools,
        labels: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> Said:
        noisy = right & (rng.random(len(right)) < 0.95)
        hits = Hits(images, source, {"clean": right.astype(np.float64), "noisy": noisy.astype(np.float64)})
        predicted = np.where(right, labels, (labels + 1) % len(CLASSES))
        return Said(hits, predicted, np.full(len(labels), ACCURACY))


# The difference is about as certain as that of two seeds on the photographs, whose standard error is 0.006.
LOST_POINT, GAINED_TWO = World(0.022, -0.01), World(0.022, 0.02)


def outcomes(world: World, draws: int) -> Counter[str]:
    """What is decided in so many contests, on 26 sources of test each."""
    rng, test = np.random.default_rng(1), replace(world, sources=26)
    terms = PromoteSettings()
    return Counter(decide(world.draw(rng), test.draw(rng), CLASSES, terms, looks=1).decision for _ in range(draws))
