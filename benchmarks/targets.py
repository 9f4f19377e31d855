"""What the figures should come to, and whether they do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from measure import Measured


@dataclass(frozen=True)
class Target:
    """A bound on a ratio of medians.

    Attributes:
        section: The section whose figures it is about.
        text: What is compared with what.
        ratio: Works the ratio out; None when something of it was not measured.
        side: Whether the bound is the least or the most that will do.
        bound: The bound.
    """

    section: str
    text: str
    ratio: Callable[[Measured], float | None]
    side: Literal["at least", "at most"]
    bound: float

    def judged(self, measured: Measured) -> Judged:
        """Return the ratio and whether it will do."""
        value = self.ratio(measured)
        wanted = f"{self.side} {self.bound:g}"
        if value is None:
            return Judged(self.section, self.text, wanted, None, "not measured")
        met = value >= self.bound if self.side == "at least" else value <= self.bound
        missed = f"missed by {100 * abs(value / self.bound - 1):.0f} %"
        return Judged(self.section, self.text, wanted, value, "met" if met else missed)


@dataclass(frozen=True)
class Judged:
    """A target beside what was measured."""

    section: str
    text: str
    wanted: str
    measured: float | None
    verdict: str

    def as_json(self) -> dict[str, Any]:
        """Return the target as it is in the JSON file."""
        return asdict(self)


Figure = tuple[str, str, str]
"""Section, contender, figure."""


def ratio(above: Figure, *below: Figure) -> Callable[[Measured], float | None]:
    """Return what divides a median by the greatest of others; for rates, that is the best of several rivals."""

    def work_out(measured: Measured) -> float | None:
        over, rivals = measured.median(*above), [measured.median(*each) for each in below]
        known = [each for each in rivals if each is not None]
        return over / max(known) if over is not None and known else None

    return work_out
