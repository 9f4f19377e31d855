"""How often a worse model takes the champion's place, and a better one does, in a thousand contests."""

from __future__ import annotations

from dataclasses import replace

import pytest
from contests import GAINED_TWO, LOST_POINT, outcomes

DRAWS = 1000


@pytest.mark.parametrize("sources", [50, 150, 400, 800])
def test_a_model_that_is_a_point_worse_is_promoted_in_two_per_cent_at_most(sources: int) -> None:
    assert outcomes(replace(LOST_POINT, sources=sources), DRAWS)["promoted"] <= 0.02 * DRAWS


def test_a_model_that_gains_two_points_is_promoted() -> None:
    assert outcomes(GAINED_TWO, DRAWS)["promoted"] >= 0.98 * DRAWS
