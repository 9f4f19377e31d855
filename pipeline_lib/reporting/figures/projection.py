"""The map of the network's outputs, every class with its name on it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import BboxBase
from numpy.typing import NDArray

from pipeline_lib.reporting.figures.canvas import DPI, INK, MUTED, PALETTE, PAPER, WIDE, canvas, families, label, png, style

Points = NDArray[np.floating[Any]]
Boxes = NDArray[np.float64]

# Six colours and five shapes tell thirty classes apart, where thirty colours would not.
_MARKERS = ("o", "s", "^", "D", "v")
# Above this many classes their names would cover the points.
_MOST_NAMED = 60
# Places for a name around its class: offsets from the class's middle in points, nearest first. Names are wider than high,
# so they move further sideways.
_PLACES = np.array(
    [
        (1.6 * reach * math.cos(turn), reach * math.sin(turn))
        for reach in (0.0, 11.0, 18.0, 26.0, 36.0, 48.0, 62.0)
        for turn in np.arange(16) * math.tau / 16
    ]
)
_APART = 20.0  # points from its class beyond which a name needs a line to it
_MARK = 12.0  # pixels from a mark's middle to its edge


def projection(points: Points, classes: Sequence[str], predicted: Sequence[str]) -> bytes:
    """Draw a two-dimensional map, one mark for each image; PNG.

    Colour and shape stand for the true class, whose name is written beside its middle; images that the network got wrong are
    hollow.

    Args:
        points: (n, 2) coordinates.
        classes: (n,) name of the true class.
        predicted: (n,) name of the predicted class.
    """
    figure = canvas(WIDE, 6.6)
    # Names are placed by the pixel, so the axes may not move afterwards.
    figure.set_layout_engine("none")
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
    style(axes)
    axes.set(xticks=[], yticks=[])
    size = 34 if len(points) <= 500 else 12
    names, true, said = sorted(set(classes)), np.asarray(classes), np.asarray(predicted)
    for index, name in enumerate(names):
        colour, marker = PALETTE[index % len(PALETTE)], _MARKERS[index // len(PALETTE) % len(_MARKERS)]
        for rows, face in (((true == name) & (said == name), colour), ((true == name) & (said != name), PAPER)):
            axes.scatter(
                points[rows, 0], points[rows, 1], s=size, c=face, edgecolors=colour, linewidths=1.1, marker=marker, alpha=0.9
            )
    axes.margins(0.06)
    axes.autoscale_view()
    if len(names) <= _MOST_NAMED:
        renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
        _place_names(axes, renderer, points, {name: _middle(points[true == name]) for name in names})
    return png(figure)


def _middle(points: Points) -> Points:
    """Return the point nearest to the median: it lies among its class even when the class is scattered."""
    distance = np.linalg.norm(points - np.median(points, axis=0), axis=1)
    return np.asarray(points[distance.argmin()])


def _place_names(axes: Axes, renderer: RendererAgg, points: Points, middles: Mapping[str, Points]) -> None:
    """Write each name at the place near its middle that covers the fewest other names and points."""
    pixels = np.asarray(axes.transData.transform(points))
    taken = np.empty((0, 4))
    for name, middle in middles.items():
        text = axes.annotate(
            label(name),
            (float(middle[0]), float(middle[1])),
            (0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8.5,
            fontweight="bold",
            color=INK,
            fontfamily=families(),
            path_effects=[withStroke(linewidth=3, foreground=PAPER)],
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3},
        )
        text.update_positions(renderer)
        at_middle = Text.get_window_extent(text)  # of the name alone: an annotation's own extent includes its line
        boxes = np.tile(_PLACES * DPI / 72, 2) + at_middle.extents
        best = int((_costs(boxes, pixels, taken, axes.bbox) + 2 * np.hypot(*_PLACES.T)).argmin())
        text.set_position((float(_PLACES[best, 0]), float(_PLACES[best, 1])))
        if text.arrow_patch is not None:
            text.arrow_patch.set_visible(bool(np.hypot(*_PLACES[best]) > _APART))
        taken = np.vstack([taken, boxes[best]])


def _costs(boxes: Boxes, pixels: Boxes, taken: Boxes, page: BboxBase) -> NDArray[np.float64]:
    """Return what is wrong with each place: names crossed and leaving the page count most, then points covered.

    Args:
        boxes: (n, 4) places in pixels: left, bottom, right, top.
        pixels: (m, 2) points.
        taken: (k, 4) places of other names.
        page: The drawing's own box.
    """
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    crossed = ((low - _MARK < taken[:, 2:]) & (high + _MARK > taken[:, :2])).all(axis=2).sum(axis=1)
    covered = ((low - _MARK < pixels) & (high + _MARK > pixels)).all(axis=2).sum(axis=1)
    inside = ((boxes[:, :2] > page.min) & (boxes[:, 2:] < page.max)).all(axis=1)
    return np.asarray(1000.0 * crossed + 1000.0 * ~inside + 60.0 * covered)
