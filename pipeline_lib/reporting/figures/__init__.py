"""The figures as PNG bytes: a report embeds them, the Prefect UI shows them; all are legible at a width of 900 pixels."""

from pipeline_lib.reporting.figures.data import class_counts
from pipeline_lib.reporting.figures.evaluation import confusion, coverage, reliability, robustness
from pipeline_lib.reporting.figures.examples import Example, examples
from pipeline_lib.reporting.figures.nights import Series, nights
from pipeline_lib.reporting.figures.projection import projection
from pipeline_lib.reporting.figures.sweep import MOST_CURVES, Behind, curves, differences
from pipeline_lib.reporting.figures.training import History, accuracy_curve, learning_rate_curve, loss_curve, read_history

__all__ = [
    "MOST_CURVES",
    "Behind",
    "Example",
    "History",
    "Series",
    "accuracy_curve",
    "class_counts",
    "confusion",
    "coverage",
    "curves",
    "differences",
    "examples",
    "learning_rate_curve",
    "loss_curve",
    "nights",
    "projection",
    "read_history",
    "reliability",
    "robustness",
]
