"""A model as a folder of files that a browser opens, from a disk or from any web server: the page, and the model in it."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline_lib.data.chinese import BINS, CLASSES
from pipeline_lib.evaluation.sure import SURE
from pipeline_lib.export.examples import examples_of
from pipeline_lib.export.graph import INPUT, LEVEL, ROWS, backbone_graph, rows_graph
from pipeline_lib.export.photographs import Photograph
from pipeline_lib.export.source import Source
from pipeline_lib.stages.store import Store
from pipeline_lib.web.pages import ALONE, FOLDER, STYLE, page
from pipeline_lib.web.runtime import GLUE, SCRIPT, WASM, fetch_runtime

INDEX, MODEL, RUNTIME = "index.html", "model.js", "runtime.js"

_START = "const MODEL = "


@dataclass(frozen=True)
class Rows:
    """What the last layer of a head takes of n pictures.

    Attributes:
        values: (n, width) float32.
        levels: (n,) float32, the level of noise; 0 where the layer takes none.
    """

    values: NDArray[np.float32]
    levels: NDArray[np.float32]


class RowsSession:
    """A graph of ``rows_graph`` in onnxruntime, on one thread."""

    def __init__(self, graph: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._leveled = LEVEL in {output.name for output in self._session.get_outputs()}

    def __call__(self, image: Image.Image) -> Rows:
        """Return the row of an RGB image."""
        wanted = [ROWS, LEVEL] if self._leveled else [ROWS]
        values, *levels = self._session.run(wanted, {INPUT: np.asarray(image)[None]})
        return Rows(values, levels[0] if levels else np.zeros(1, np.float32))


def write_page(folder: Path, source: Source, train: Sequence[Photograph]) -> None:
    """Write the page with a model in it.

    Args:
        folder: Where the files go; it is made.
        source: The model.
        train: Photographs of train, of which some are taken as examples; without them the page does not learn.

    Raises:
        PipelineError: What runs the model in a browser cannot be downloaded.
    """
    runtime = fetch_runtime(Store().downloads)
    folder.mkdir()
    graph = rows_graph(source, backbone_graph(source)).SerializeToString(deterministic=True)
    described = _described(source, graph) | _examples(RowsSession(graph), examples_of(train), source.head.spec.classes)
    _write(folder / MODEL, f"{_START}{_json(described)};\n")
    parts = {"wasm": _text((runtime / WASM).read_bytes()), "glue": _text((runtime / GLUE).read_bytes())}
    _write(folder / RUNTIME, f"{(runtime / SCRIPT).read_text(encoding='utf-8')}\nconst RUNTIME = {_json(parts)};\n")
    _write(folder / INDEX, page((RUNTIME, MODEL, *ALONE)))
    for name in (STYLE, *ALONE):
        shutil.copyfile(FOLDER / name, folder / name)


class Page:
    """The model that is in a page: its graph in onnxruntime, its head in NumPy."""

    def __init__(self, folder: Path) -> None:
        text = (folder / MODEL).read_text(encoding="utf-8")
        described = json.loads(text.removeprefix(_START).rstrip().removesuffix(";"))
        self._rows = RowsSession(base64.b64decode(described["graph"]))
        self._head = described["head"]

    def __call__(self, image: Image.Image) -> NDArray[np.float64]:
        """Return the probabilities of the classes for an RGB image."""
        from scipy.special import softmax

        head, row = self._head, self._rows(image)
        weight, bias = (np.frombuffer(base64.b64decode(head[name]), "<f4") for name in ("weight", "bias"))
        weight = weight.reshape(len(bias), -1)
        values, level = row.values[0], row.levels
        taken = np.concatenate([values, values * level, level])[: weight.shape[1]]
        probabilities: NDArray[np.float64] = softmax((weight @ taken + bias).astype(np.float64) / head["temperature"])
        return probabilities


def _described(source: Source, graph: bytes) -> dict[str, Any]:
    """Return the model as the page reads it: numbers as base64 of little-endian float32."""
    texts, head = source.described(), source.head
    classes = head.spec.classes
    return {
        "digest": source.digest,
        "dataset": source.dataset,
        "sure": SURE,
        "bins": dict(zip(classes, json.loads(texts["bins"]), strict=True)),
        "names": {"classes": {name.casefold(): chinese for name, chinese in CLASSES.items()}, "bins": BINS},
        "head": {
            "classes": classes,
            "weight": _text(head.arrays["output.weight"].astype("<f4").tobytes()),
            "bias": _text(head.arrays["output.bias"].astype("<f4").tobytes()),
            "width": head.spec.hidden or head.spec.in_features,
            "temperature": head.spec.temperature,
        },
        "graph": _text(graph),
    }


def _examples(rows_of: RowsSession, photographs: Sequence[Photograph], classes: Sequence[str]) -> dict[str, Any]:
    """Return the rows of photographs as the page reads them: float16, with their labels."""
    rows = [rows_of(each.read()) for each in photographs]
    values = b"".join(row.values.astype("<f2").tobytes() for row in rows)
    levels = [round(float(row.levels[0]), 4) for row in rows]
    labels = [classes.index(each.label or "") for each in photographs]
    return {"examples": {"values": _text(values), "levels": levels, "labels": labels}}


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
