"""The formats that a model can be exported in: how each is written, and how it answers in its own runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline_lib.data.chinese import BINS, chinese
from pipeline_lib.data.classes import bin_of
from pipeline_lib.errors import PipelineError
from pipeline_lib.export.photographs import Photographs
from pipeline_lib.export.source import Source
from pipeline_lib.export.validation import EXACT, ROUNDED, Answer, Bars, Compared
from pipeline_lib.files.table import write_table

LABEL_COLUMNS = ("number", "class", "bin", "class_zh", "bin_zh")


@dataclass(frozen=True)
class Format:
    """A format of exports.

    Attributes:
        file: Name of the file, or of the folder of files.
        what: What it is, in words.
        write: Writes the file; returns how it compares out of fold, where its head is another one than the model's.
        open: Returns how the file answers, in its own runtime; None where there is nothing to ask.
        bars: What the answers have to meet.
    """

    file: str
    what: str
    write: Callable[[Path, Source, Photographs], tuple[Compared, ...]]
    open: Callable[[Path, Source], Answer] | None = None
    bars: Bars = EXACT


class Session:
    """An ONNX file of a whole model in onnxruntime, on one thread, as somebody has it who has nothing else."""

    def __init__(self, path: Path, source: Source) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, image: Image.Image) -> NDArray[np.float32]:
        """Return the probabilities of the classes for an RGB image."""
        answer: NDArray[np.float32] = self._session.run(["probabilities"], {"images": np.asarray(image)[None]})[0][0]
        return answer


def _write_onnx(path: Path, source: Source, photographs: Photographs) -> tuple[Compared, ...]:
    from pipeline_lib.export.graph import backbone_graph, whole_graph

    _save(whole_graph(source, backbone_graph(source)), path)
    return ()


def _write_int8(path: Path, source: Source, photographs: Photographs) -> tuple[Compared, ...]:
    from pipeline_lib.export.graph import backbone_graph, whole_graph
    from pipeline_lib.export.quantisation import quantised
    from pipeline_lib.export.refit import refit

    if not photographs.train:
        raise PipelineError(
            f"int8 is calibrated on photographs of train, and the dataset of {source.folder} is not among the results; run "
            "`garbage run` with it again, or leave int8 out of --format"
        )
    before = backbone_graph(source)
    after = quantised(before, source.spec.preprocessing, photographs.train, path.parent)
    made = refit(source, before, after, photographs.train)
    _save(whole_graph(replace(source, head=made.head), after), path)
    return made.held_out


def _save(model: Any, path: Path) -> None:
    path.write_bytes(model.SerializeToString(deterministic=True))


def _write_mindir(path: Path, source: Source, photographs: Photographs) -> tuple[Compared, ...]:
    from pipeline_lib.export.mindir import write_mindir

    write_mindir(path, source)
    return ()


def _open_mindir(path: Path, source: Source) -> Answer:
    from pipeline_lib.export.mindir import Loaded

    return Loaded(path, source)


def _write_labels(path: Path, source: Source, photographs: Photographs) -> tuple[Compared, ...]:
    rows = []
    for number, name in enumerate(source.head.spec.classes):
        bin_ = bin_of(name)
        rows.append((number, name, bin_, chinese(name), BINS[bin_] if bin_ else None))
    write_table(path, LABEL_COLUMNS, rows)
    return ()


def _write_page(path: Path, source: Source, photographs: Photographs) -> tuple[Compared, ...]:
    from pipeline_lib.export.browser import write_page

    write_page(path, source, photographs.train)
    return ()


def _open_page(path: Path, source: Source) -> Answer:
    from pipeline_lib.export.browser import Page

    return Page(path)


FORMATS: Mapping[str, Format] = {
    "onnx": Format("model.onnx", "the whole model: pixels in, probabilities out", _write_onnx, Session),
    "int8": Format("model-int8.onnx", "the same with a backbone of 8 bits and its own head", _write_int8, Session, ROUNDED),
    "mindir": Format("model.mindir", "the network alone: prepared images in, probabilities out", _write_mindir, _open_mindir),
    "page": Format("page", "a page with the model in it, for a browser: open index.html", _write_page, _open_page),
    "labels": Format("labels.csv", "classes and bins in the order of the outputs, in English and Chinese", _write_labels),
}
"""By name, in the order in which they are written."""

DEFAULT = ("onnx", "labels")
