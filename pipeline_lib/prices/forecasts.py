"""Forecasts that are kept, and how they came true where photographs did arrive.

What a run's model said out of fold of each photograph is kept with the forecast: a later run is compared with it on the
photographs that both know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from pipeline_lib.errors import PipelineError
from pipeline_lib.prices.learning import Slope
from pipeline_lib.stages.publishing import write_atomically
from pipeline_lib.stages.result import Record

PRICES = "prices"
"""The folder of the forecasts in the artifacts root: ``<flow>/<dataset>.json``."""

ARRIVED = 5
"""Photographs of a class that must have come before its forecast is scored: fewer change nothing that can be seen."""


class Price(Record):
    """What is known of a class.

    Attributes:
        photographs: How many train has.
        top1: Share of them that was right out of fold, clean views, 0..1.
        slope: See `Slope`; None where it could not be measured.
        right: Whether the model was right out of fold, by the digest of each photograph.
    """

    photographs: int
    top1: float
    slope: Slope | None
    right: dict[str, bool]


class Forecast(Record):
    """What was forecast for each class after a run; when, in UTC."""

    when: datetime
    run: str
    classes: dict[str, Price]


class Score(Record):
    """How a forecast came true.

    Attributes:
        name: The class.
        arrived: Photographs that came.
        forecast: What they were to gain, 0..1.
        low: Lower end of its interval.
        high: Upper end.
        gained: What they have gained, on the photographs that both runs know.
        low_gained: Lower end of the interval of that.
        high_gained: Upper end.
    """

    name: str
    arrived: int
    forecast: float
    low: float
    high: float
    gained: float
    low_gained: float
    high_gained: float

    @property
    def agrees(self) -> bool:
        """Whether the two intervals meet."""
        return self.low <= self.high_gained and self.low_gained <= self.high


_FORECASTS = TypeAdapter(list[Forecast])


def read_forecasts(root: Path, slot: str) -> list[Forecast]:
    """Return the forecasts of a slot, the oldest first.

    Raises:
        PipelineError: The file is damaged.
    """
    path = root / PRICES / f"{slot}.json"
    try:
        return _FORECASTS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return []
    except ValidationError:
        raise PipelineError(f"The forecasts {path} are damaged: remove the file, and scores begin anew") from None


def keep_forecast(root: Path, slot: str, run: str, classes: Mapping[str, Price]) -> None:
    """Add a forecast, in place of an earlier one after the same run."""
    others = [each for each in read_forecasts(root, slot) if each.run != run]
    added = Forecast(when=datetime.now(UTC).replace(microsecond=0), run=run, classes=dict(classes))
    path = root / PRICES / f"{slot}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, _FORECASTS.dump_json([*others, added]))


def scores(before: Forecast, now: Mapping[str, Price], sources: Mapping[str, int]) -> list[Score]:
    """Return how a forecast came true for each class that enough photographs have come to.

    Args:
        before: The forecast.
        now: What is known by now.
        sources: The source of each photograph by its digest.
    """
    found = []
    for name, old in before.classes.items():
        new = now.get(name)
        if new is None or old.slope is None or (arrived := new.photographs - old.photographs) < ARRIVED:
            continue
        common = sorted(old.right.keys() & new.right.keys())
        if not common:
            continue
        differences = np.array([float(new.right[each]) - float(old.right[each]) for each in common])
        gained = _interval(differences, [sources.get(each, -1 - at) for at, each in enumerate(common)])
        expected = old.slope.gain(old.photographs, arrived, old.top1)
        found.append(
            Score(
                name=name,
                arrived=arrived,
                forecast=expected.value,
                low=expected.low,
                high=expected.high,
                gained=gained.value,
                low_gained=gained.low,
                high_gained=gained.high,
            )
        )
    return found


def _interval(differences: NDArray[np.float64], sources: Sequence[int]) -> Slope:
    """Return the mean of differences with a bootstrap interval over sources, 95 %."""
    _, source = np.unique(sources, return_inverse=True)
    sums, sizes = np.bincount(source, differences), np.bincount(source)
    drawn = np.random.default_rng(1).multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), 2000)
    low, high = np.quantile((drawn @ sums) / (drawn @ sizes), [0.025, 0.975])
    return Slope(float(differences.mean()), float(low), float(high))
