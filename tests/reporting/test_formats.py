import pytest

from pipeline_lib.reporting.formats import duration, interval, percent, value


def test_shares():
    assert percent(0.95449) == "95.4%"
    assert percent(1.0) == "100.0%"
    assert percent(None) == "–"
    assert interval(0.904, 0.9791) == "90.4–97.9%"
    assert interval(None, None) == "–"


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (None, "–"),
        (True, "yes"),
        (2026, "2026"),
        (33306, "33,306"),
        (1e-5, "1e-05"),
        (25.0, "25"),
        ((0.0, 25.0), "0, 25"),
        ([], "–"),
        ("a_b", "a_b"),
    ],
)
def test_values(item, text):
    assert value(item) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0.00 s"), (9.876, "9.88 s"), (59.94, "59.9 s"), (60, "1 min 0 s"), (125.4, "2 min 5 s")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text
