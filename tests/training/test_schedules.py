from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.training.loop import warmup_cosine

rates = st.floats(1e-6, 1.0)


def test_rates_are_those_computed_by_hand() -> None:
    schedule = warmup_cosine(epochs=4, steps_per_epoch=2, warmup_epochs=2, lr_start=0.2, lr_max=1.0, lr_end=0.0)
    # Warm-up: 0.2 + 0.8 * step / 4. Then (1 + cos(phase)) / 2 at phases 0, 60, 120 and 180 degrees.
    assert schedule == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 0.75, 0.25, 0.0])
    assert schedule.dtype == np.float32


def test_default_schedule_goes_from_start_over_maximum_to_end() -> None:
    schedule = warmup_cosine(epochs=100, steps_per_epoch=147, warmup_epochs=5, lr_start=0.001, lr_max=0.01, lr_end=0.00001)
    assert len(schedule) == 14_700
    assert schedule[0] == pytest.approx(0.001)
    assert schedule[5 * 147] == pytest.approx(0.01)
    assert schedule[-1] == pytest.approx(0.00001)


def test_equal_rates_give_a_constant_rate() -> None:
    schedule = warmup_cosine(epochs=3, steps_per_epoch=5, warmup_epochs=0, lr_start=0.01, lr_max=0.01, lr_end=0.01)
    assert np.all(schedule == np.float32(0.01))


@given(
    epochs=st.integers(1, 20),
    steps=st.integers(1, 20),
    warmup=st.integers(0, 19),
    values=st.tuples(rates, rates, rates).map(sorted),
)
def test_rates_rise_in_warm_up_fall_afterwards_and_stay_in_bounds(
    epochs: int, steps: int, warmup: int, values: list[float]
) -> None:
    warmup = min(warmup, epochs - 1)
    lr_end, lr_start, lr_max = values
    schedule = warmup_cosine(
        epochs=epochs, steps_per_epoch=steps, warmup_epochs=warmup, lr_start=lr_start, lr_max=lr_max, lr_end=lr_end
    )
    peak = warmup * steps
    assert len(schedule) == epochs * steps
    assert np.all(np.diff(schedule[: peak + 1]) >= 0)
    assert np.all(np.diff(schedule[peak:]) <= 0)
    assert schedule[peak] == np.float32(lr_max)
    assert np.all((schedule >= np.float32(lr_end)) & (schedule <= np.float32(lr_max)))
