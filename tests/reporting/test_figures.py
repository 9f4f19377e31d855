import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.cbook import is_math_text
from PIL import Image

from pipeline_lib.reporting import figures
from pipeline_lib.reporting.figures.canvas import label

NAMES = ("Cans", "a$b$c", "two\nlines", "塑料瓶", "🙂 smile", "x" * 90, "NA", "<b>")


def opened(png):
    with Image.open(io.BytesIO(png)) as picture:
        picture.load()
        return picture


def history(epochs=3):
    numbers = [float(n) for n in range(1, epochs + 1)]
    return {"epoch": numbers, "lr": numbers, "train_loss": numbers, "val_loss": [math.nan, *numbers[1:]], "test_top1": numbers}


def cell(sigma, angle, top1=0.8):
    return {"sigma": sigma, "angle": angle, "top1": top1, "low": top1 - 0.1, "high": top1 + 0.1}


def example(said: int, classes: int = 3):
    logits = [float(said == place) - 0.5 for place in range(classes)]
    return figures.Example(
        Image.new("L", (28, 28), 90), "0", logits, [0.9 if said == place else 0.05 for place in range(classes)]
    )


BINS = [
    {"low": 0.0, "high": 0.5, "n": 0, "confidence": None, "accuracy": None},
    {"low": 0.5, "high": 1.0, "n": 9, "confidence": 0.8, "accuracy": 0.6},
]
DECISIONS = ["needs a person", "promoted", "kept"]
NIGHTS = [figures.Series("a", [0.7, None, 0.8], [0.6, None, 0.7], [0.8, None, 0.9])]
POINTS = np.random.default_rng(0).normal(size=(40, 2))
FIGURES = {
    "class_counts": lambda: figures.class_counts({"train": dict.fromkeys(NAMES, 9), "test": {"Cans": 2}}),
    "loss": lambda: figures.loss_curve(history(), 2),
    "accuracy": lambda: figures.accuracy_curve(history()),
    "lr": lambda: figures.learning_rate_curve(history()),
    "one epoch": lambda: figures.loss_curve(history(1), 1),
    "confusion": lambda: figures.confusion(np.eye(8, dtype=int) * 5, NAMES, ["b", "a"] * 4),
    "confusion of two": lambda: figures.confusion(np.array([[1, 0], [0, 0]]), ("0", "1")),
    "confusion of many": lambda: figures.confusion(np.eye(120, dtype=int), [str(n) for n in range(120)]),
    "robustness": lambda: figures.robustness([cell(0, 0), cell(25, 30, 0.3)]),
    "robustness of one": lambda: figures.robustness([cell(25, 0)]),
    "reliability": lambda: figures.reliability(BINS, "Before"),
    "coverage": lambda: figures.coverage([0.5, 1], [1, 0.75], {"sure": (0.5, 1)}),
    "coverage of one": lambda: figures.coverage([1], [0], {}),
    "examples": lambda: figures.examples([example(0), example(2)], ("0", "two\nlines", "$a$")),
    "nights": lambda: figures.nights(NIGHTS, DECISIONS),
    "projection": lambda: figures.projection(POINTS, NAMES * 5, NAMES[::-1] * 5),
    "projection of one class": lambda: figures.projection(POINTS, ["a"] * 40, ["a"] * 40),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_a_light_png_without_metadata(name):
    figure = FIGURES[name]()
    picture = opened(figure)
    assert picture.info.keys() <= {"transparency", "gamma"}
    assert picture.width >= 800
    assert len(figure) < 150_000
    assert len(picture.convert("L").getcolors()) > 5


def test_what_the_history_does_not_hold_is_not_drawn():
    assert figures.loss_curve({"epoch": [1.0], "lr": [0.1]}) is None
    assert figures.learning_rate_curve({"epoch": [1.0], "val_loss": [0.1]}) is None


def test_examples_of_too_many_classes_or_of_none_are_not_drawn():
    assert figures.examples([example(1, 40)], [str(number) for number in range(40)]) is None
    assert figures.examples([], ("0", "1")) is None


def test_a_mistaken_example_is_seen_in_another_colour_than_a_right_one():
    def vermilion(row):
        pixels = np.asarray(opened(figures.examples([row], ("0", "1", "2"))).convert("RGB"), int)
        return int((np.abs(pixels - (213, 94, 0)).sum(axis=2) < 30).sum())

    assert vermilion(example(0)) == 0
    assert vermilion(example(2)) > 1000


def test_an_empty_cell_of_the_history_is_a_gap(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,lr,val_loss\n1,0.1,\n2,0.05,1.5\n", encoding="utf-8")
    read = figures.read_history(tmp_path / "history.csv")
    assert (read["epoch"], read["lr"]) == ([1.0, 2.0], [0.1, 0.05])
    assert math.isnan(read["val_loss"][0])


def test_mistakes_are_seen_in_another_colour_than_hits():
    def dominant(matrix):
        red, _, blue = (
            np.asarray(opened(figures.confusion(matrix, ("a", "b"))).convert("RGB"), float).reshape(-1, 3).mean(axis=0)
        )
        return "blue" if blue > red else "red"

    assert dominant(np.array([[9, 0], [0, 9]])) == "blue"
    assert dominant(np.array([[0, 9], [9, 0]])) == "red"


class TestLabel:
    def test_keeps_a_name_on_one_line_and_short(self):
        assert label("Glass  Bottle\n(green)") == "Glass Bottle (green)"
        assert label("x" * 90) == "x" * 23 + "…"

    def test_is_drawn_for_what_no_font_can_draw(self):
        assert label("ok \U0001f9ff") == "ok ?"

    @settings(deadline=None)
    @given(st.text(max_size=30) | st.text("$\\ab ", max_size=8))
    def test_never_starts_a_formula(self, name):
        assert not is_math_text(label(name))
