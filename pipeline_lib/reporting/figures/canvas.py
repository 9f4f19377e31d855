"""What all figures share: size, type, colours, and PNG bytes that depend on the picture alone.

Matplotlib's object-oriented interface without pyplot: no global state, so figures may be drawn in any thread.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, fontManager, get_font
from PIL import Image

# Inches. Type is set in points, so at 100 screen pixels an inch a wide figure fills a page of 900 pixels and two narrow
# ones stand side by side with the same size of type.
WIDE, NARROW = 9.0, 4.4
DPI = 200

INK, MUTED, RULE, PAPER = "#1d2733", "#5b6776", "#e3e8ee", "#ffffff"
# Okabe and Ito's palette, told apart by colour-blind readers (M. Okabe, K. Ito, "Color universal design", 2008); without
# its black and its yellow, which is too pale on white.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
BLUE, VERMILION, _, _, SKY, _ = PALETTE

# Matplotlib ships DejaVu Sans, which lacks the scripts of East Asia; the others are used where the system has them.
_FAMILIES = ("DejaVu Sans", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "PingFang SC", "Microsoft YaHei", "Arial Unicode MS")


def canvas(width: float, height: float) -> Figure:
    """Return an empty figure of that size in inches."""
    return Figure(figsize=(width, height), dpi=DPI, facecolor=PAPER, layout="constrained")


def style(axes: Axes, title: str = "", *, grid: str | None = None) -> None:
    """Give axes the house style: a title flush left, no box, quiet ticks, and grid lines along ``x`` or ``y``."""
    if title:
        axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color=INK)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, labelsize=8.5, labelcolor=MUTED)
    axes.xaxis.label.set(size=8.5, color=MUTED)
    axes.yaxis.label.set(size=8.5, color=MUTED)
    axes.set_axisbelow(True)
    if grid is not None:
        axes.grid(axis="x" if grid == "x" else "y", color=RULE, linewidth=0.8)


def png(figure: Figure) -> bytes:
    """Return the figure as a palette PNG (a third of the bytes) without time, software or other metadata."""
    # The layout settles in the second pass, when the first one has fixed the axes' size.
    figure.draw_without_rendering()
    agg = FigureCanvasAgg(figure)
    agg.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(agg.buffer_rgba())  # type: ignore[no-untyped-call]
    image = Image.fromarray(pixels[..., :3])
    file = io.BytesIO()
    image.quantize(128, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def families() -> list[str]:
    """Return the font families to set names from a dataset in: the first one that has a character draws it."""
    return list(_fonts())


def label(text: str, longest: int = 24) -> str:
    """Return a name from a dataset as matplotlib can draw it on one line.

    Longer names are cut, line breaks become spaces, characters that no font has become ``?`` (matplotlib would warn and
    draw a box), and dollar signs are kept from starting a formula.
    """
    words = " ".join(text.split())
    short = words if len(words) <= longest else words[: longest - 1].rstrip() + "…"
    known = "".join(character if any(ord(character) in font for font in _fonts().values()) else "?" for character in short)
    return known.replace("$", r"\$")


def labels(names: Sequence[str], longest: int = 24) -> list[str]:
    """Return `label` of every name."""
    return [label(name, longest) for name in names]


@cache
def _fonts() -> dict[str, frozenset[int]]:
    """Return the families that are installed, each with the code points it can draw."""
    installed = {entry.name for entry in fontManager.ttflist}
    return {family: frozenset(get_font(findfont(family)).get_charmap()) for family in _FAMILIES if family in installed}
