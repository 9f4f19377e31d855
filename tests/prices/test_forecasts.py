"""A forecast is scored where photographs have come, on the photographs that both runs know."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline_lib.errors import PipelineError
from pipeline_lib.prices.forecasts import PRICES, Price, keep_forecast, read_forecasts, scores
from pipeline_lib.prices.learning import Slope

SLOT = "garbage-finetune/pictures"


def price(photographs: int, right: int, known: int = 40, slope: Slope | None = Slope(0.2, 0.1, 0.3)) -> Price:  # noqa: B008
    return Price(
        photographs=photographs, top1=right / known, slope=slope, right={f"{each:03}": each < right for each in range(known)}
    )


def test_a_forecast_is_scored_for_classes_that_photographs_have_come_to(tmp_path: Path) -> None:
    old = {"Cans": price(40, 20), "Paper": price(40, 20), "Hats": price(40, 20, slope=None), "Gone": price(9, 5)}
    keep_forecast(tmp_path, SLOT, "a", old)
    (kept,) = read_forecasts(tmp_path, SLOT)
    now = {"Cans": price(60, 24, known=50), "Paper": price(44, 30), "Hats": price(90, 30)}
    (score,) = scores(kept, now, {})
    assert (score.name, score.arrived) == ("Cans", 20)
    assert score.gained == pytest.approx(4 / 40)
    assert score.forecast == pytest.approx(0.2 * 0.405465, abs=1e-5)
    assert score.low_gained <= score.gained <= score.high_gained
    assert score.agrees


def test_a_forecast_that_was_far_off_does_not_agree(tmp_path: Path) -> None:
    keep_forecast(tmp_path, SLOT, "a", {"Cans": price(40, 20, slope=Slope(0.3, 0.29, 0.31))})
    (score,) = scores(read_forecasts(tmp_path, SLOT)[0], {"Cans": price(80, 20)}, {})
    assert score.gained == 0
    assert not score.agrees


def test_the_forecast_after_one_run_is_kept_once_and_a_damaged_file_is_named(tmp_path: Path) -> None:
    for run in ("a", "b", "a"):
        keep_forecast(tmp_path, SLOT, run, {})
    assert [each.run for each in read_forecasts(tmp_path, SLOT)] == ["b", "a"]
    (tmp_path / PRICES / f"{SLOT}.json").write_text("[")
    with pytest.raises(PipelineError, match="are damaged: remove the file"):
        read_forecasts(tmp_path, SLOT)
