"""The map of the network's outputs, every class with its name on it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox, BboxBase
from numpy.typing import NDArray

from pipeline_lib.reporting.figures.canvas import DPI, INK, MUTED, PALETTE, PAPER, WIDE, canvas, families, label, png, style

Points = NDArray[np.floating[Any]]

# Six colours and five shapes tell thirty classes apart, where thirty colours would not.
_MARKERS = ("o", "s", "^", "D", "v")
# Above this many classes their names would cover the points.
_MOST_NAMED = 60
# Places for a name around its class, in points from the class's middle, nearest first.
_REACHES = (0.0, 11.0, 18.0, 26.0, 36.0, 48.0, 62.0)
_MARK = 7.0  # pixels from a mark's middle to its edge
_TURNS = tuple(math.tau * step / 16 for step in range(16))


def projection(points: Points, classes: Sequence[str], predicted: Sequence[str]) -> bytes:
    """Draw a two-dimensional map, one mark for each image; PNG.

    Colour and shape stand for the true class, whose name stands beside its middle; images that the network got wrong are
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
    taken: list[Bbox] = []
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
        taken.append(_settle(text, renderer, pixels, taken, axes.bbox))


def _settle(
    text: Annotation, renderer: RendererAgg, pixels: NDArray[np.float64], taken: Sequence[Bbox], page: BboxBase
) -> Bbox:
    """Move a name to the cheapest of its places and return the box that it covers there, in pixels."""
    text.update_positions(renderer)
    at_middle = Text.get_window_extent(text)  # of the name alone: an annotation's own extent includes its line
    scale = DPI / 72
    places = [(reach * 1.6 * math.cos(turn), reach * math.sin(turn)) for reach in _REACHES for turn in _TURNS]
    boxes = [at_middle.translated(x * scale, y * scale) for x, y in places]
    costs = [_cost(box, pixels, taken, page) + 2 * math.hypot(*place) for box, place in zip(boxes, places, strict=True)]
    best = costs.index(min(costs))
    text.set_position(places[best])
    if text.arrow_patch is not None:
        # A line is needed only where the name stands apart from its class.
        text.arrow_patch.set_visible(math.hypot(*places[best]) > _REACHES[2])
    return boxes[best]


def _cost(box: Bbox, pixels: NDArray[np.float64], taken: Sequence[Bbox], page: BboxBase) -> float:
    """Return what is wrong with a place: names crossed count most, then leaving the page, then points covered."""
    crossed = sum(box.padded(4).overlaps(other) for other in taken)
    inside = page.x0 < box.x0 and box.x1 < page.x1 and page.y0 < box.y0 and box.y1 < page.y1
    edge = box.padded(_MARK)
    covered = ((pixels > edge.min) & (pixels < edge.max)).all(axis=1).sum()
    return 1000 * crossed + 1000 * (not inside) + 60 * float(covered)
