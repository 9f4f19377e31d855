"""An export is compared with its model through the file that is shipped, in its own runtime, on photographs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline_lib.errors import PipelineError
from pipeline_lib.evaluation.comparison import Estimate, Hits, estimate
from pipeline_lib.evaluation.metrics import Share, share_of
from pipeline_lib.export.photographs import Photograph
from pipeline_lib.prediction.model import Model
from pipeline_lib.progress import Progress
from pipeline_lib.views.augment import augment, generator
from pipeline_lib.views.view import View

CONFIDENCE = 0.95

NOISE = View(sigma=(25.0, 25.0))
"""What is drawn for a noisy photograph: noise of the strength that test's views have by default, and nothing else."""

Answer = Callable[[Image.Image], NDArray[Any]]
"""Returns the probabilities of the classes, (classes,), for an RGB image."""


@dataclass(frozen=True)
class Bars:
    """What an export has to meet on every view.

    Attributes:
        agreement: Least share of photographs whose likeliest class is that of the model.
        difference: Largest difference of a probability.
        loss: Largest loss of accuracy: on test one that is more than chance, see ``Compared.worse``; out of fold, where there
            are many times as many photographs, any.
    """

    agreement: float
    difference: float
    loss: float = 0.01


EXACT = Bars(agreement=0.995, difference=0.03)
"""For the same sums in another order. Measured: 1e-6 at the model's size, 7e-3 where a picture is scaled: a value that is
rounded the other way can move an estimate of the noise across the limit from which on noise is removed."""

ROUNDED = Bars(agreement=0.9, difference=1.0)
"""For int8: probabilities differ, so what counts is which class is the likeliest, and how often it is right."""


@dataclass(frozen=True)
class Compared:
    """An export beside its model on n photographs in one view.

    Attributes:
        view: ``clean``, ``noisy``, or ``scaled``: stretched, so that the export has to crop and to scale; with ``out of fold``
            behind it where heads of folds are compared.
        photographs: n.
        agreement: Share of photographs with the same likeliest class, 0..1.
        difference: Largest difference of a probability, 0..1.
        model: The model's share of right answers; None where labels are not known.
        export: That of the export.
        gain: By how much the export's share is higher, -1..1, compared photograph by photograph.
    """

    view: str
    photographs: int
    agreement: float
    difference: float
    model: Share | None = None
    export: Share | None = None
    gain: Estimate | None = None

    def worse(self, loss: float) -> bool:
        """Return whether the export is less often right by more than ``loss`` and the interval of the difference excludes 0."""
        return self.gain is not None and self.gain.value < -loss and self.gain.high < 0


@dataclass(frozen=True)
class Validation:
    """What the comparison of an export has come to.

    Attributes:
        views: The comparison in each view.
        milliseconds: Median time that the export takes for a photograph, one thread.
        held_out: That of its way of computing on photographs of train, see ``refit``; empty where that is the model's own.
    """

    views: tuple[Compared, ...]
    milliseconds: float
    held_out: tuple[Compared, ...] = ()

    def check(self, name: str, bars: Bars) -> None:
        """Raise PipelineError if the export does not meet the bars."""
        for view in self.views:
            if fault := _fault(view, bars):
                raise PipelineError(
                    f"{name} does not answer as the model does and was not written: on {view.view} photographs {fault}; "
                    "leave this --format out, or install the versions of the lock file"
                )
        for view in self.held_out:
            if view.gain and view.gain.value < -bars.loss:
                raise PipelineError(
                    f"{name} is not good enough and was not written: on {view.view} photographs {_loss(view.gain, bars)}; "
                    "leave this format out, or train another backbone.architecture"
                )


def _fault(view: Compared, bars: Bars) -> str:
    """Return in words what keeps an export from being used; empty if nothing does."""
    if view.agreement < bars.agreement:
        return f"{view.agreement:.1%} have the same class, at least {bars.agreement:.1%} must"
    if not view.difference <= bars.difference:
        return f"a probability differs by {view.difference:.2g}, at most {bars.difference:g} is allowed"
    if view.gain and view.worse(bars.loss):
        return _loss(view.gain, bars)
    return ""


def _loss(gain: Estimate, bars: Bars) -> str:
    low, high = -100 * gain.high, -100 * gain.low
    return f"it loses {-100 * gain.value:.1f} points ({low:.1f} to {high:.1f}), at most {100 * bars.loss:g} is allowed"


VIEWS: Mapping[str, Callable[[Photograph, int], Image.Image]] = {
    "clean": lambda photograph, size: photograph.read(),
    "noisy": lambda photograph, size: augment(photograph.read(), NOISE, generator(1, photograph.key, NOISE.name), size)[0],
    "scaled": lambda photograph, size: _stretched(photograph.read()),
}


def _stretched(image: Image.Image) -> Image.Image:
    """Return an image larger and wider than before: its square begins between two pixels in half of the cases."""
    return image.resize((5 * image.width // 3, 4 * image.height // 3 + 1), Image.Resampling.BICUBIC)


def compare(model: Model, size: int, answer: Answer, photographs: Sequence[Photograph], progress: Progress) -> Validation:
    """Return how an export answers beside its model.

    Args:
        model: The model.
        size: Side of its input in pixels; noise is drawn at this size.
        answer: The export.
        photographs: Those to compare on, at least 1.
        progress: Called for each photograph in each view.
    """
    views, seconds, total = [], [], len(VIEWS) * len(photographs)
    for number, (view, seen) in enumerate(VIEWS.items()):
        answers = []
        for at, photograph in enumerate(photographs):
            image = seen(photograph, size)
            expected = model.answers([image]).probabilities[0]
            started = time.perf_counter()
            given = answer(image)
            seconds.append(time.perf_counter() - started)
            answers.append((expected, given))
            progress(number * len(photographs) + at + 1, total, view)
        views.append(compared(view, model.classes, photographs, answers))
    return Validation(tuple(views), round(1000 * float(np.median(seconds)), 1))


def compared(
    view: str, classes: Sequence[str], photographs: Sequence[Photograph], answers: Sequence[tuple[NDArray[Any], NDArray[Any]]]
) -> Compared:
    """Return the comparison in a view; accuracies are those of the photographs whose label is known.

    Args:
        view: Its name.
        classes: Names of the classes in the order of the outputs.
        photographs: n of them; one may be there several times.
        answers: Probabilities by the model and by the export, (classes,) each, of each photograph.
    """
    expected, given = (np.stack(column) for column in zip(*answers, strict=True))
    best, own = expected.argmax(axis=1), given.argmax(axis=1)
    agreement, difference = float((best == own).mean()), float(np.abs(expected - given).max())
    ids = {name: number for number, name in enumerate(classes)}
    labelled = [number for number, photograph in enumerate(photographs) if photograph.label in ids]
    if not labelled:
        return Compared(view, len(photographs), agreement, difference)
    labels = np.array([ids[photographs[number].label or ""] for number in labelled])
    _, sources = np.unique([photographs[number].source for number in labelled], return_inverse=True)
    right, hits = best[labelled] == labels, own[labelled] == labels
    paired = Hits(np.arange(len(labels)).astype(str), sources, {"clean": hits.astype(np.float64) - right})
    return Compared(
        view,
        len(photographs),
        agreement,
        difference,
        share_of(right, sources, CONFIDENCE),
        share_of(hits, sources, CONFIDENCE),
        estimate(paired, "clean", CONFIDENCE),
    )
