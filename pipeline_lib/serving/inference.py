"""The Open Inference Protocol, version 2, over REST: tensors as JSON in, tensors as JSON out.

Source: https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException

from pipeline_lib.data.classes import bin_of
from pipeline_lib.files.description import first_fault
from pipeline_lib.images.read import ImageProblem, read_image
from pipeline_lib.serving.uploads import MAX_FILES, Upload

Probabilities = NDArray[np.float64]

Picture = Callable[[], Image.Image]
"""Returns an RGB image."""

INPUT = "images"

_EXPECTED = "send one input `images`: UINT8 of shape [n, height, width, 3], or BYTES of shape [n], files of images in base64"


class Tensor(BaseModel):
    """An input: its values in row-major order, flat or nested."""

    name: str
    shape: list[int] = Field(min_length=1, max_length=8)
    datatype: str
    data: list[Any]


class Asked(BaseModel):
    """A request: the sender's id, its inputs, and the outputs that are wanted, all if none are named."""

    id: str | None = None
    inputs: list[Tensor] = Field(min_length=1)
    outputs: list[dict[str, Any]] = Field(default_factory=list)


def pictures_of(body: bytes, max_megapixels: float) -> tuple[Asked, list[Picture]]:
    """Return a request and its pictures, which are decoded when they are asked for: all at once could fill the memory.

    Raises:
        HTTPException: The body is no such request, or a picture is too large (400); a picture raises it if it cannot be read.
    """
    try:
        asked = Asked.model_validate_json(body)
    except ValidationError as error:
        raise HTTPException(400, f"The request cannot be read: {first_fault(error)}; {_EXPECTED}") from error
    (tensor, *others) = asked.inputs
    if others or tensor.name != INPUT or not 1 <= tensor.shape[0] <= MAX_FILES:
        raise HTTPException(400, f"A request has one input with 1 to {MAX_FILES} pictures; {_EXPECTED}")
    if tensor.datatype == "BYTES" and len(tensor.shape) == 1:
        return asked, _decoded(tensor, max_megapixels)
    if tensor.datatype == "UINT8" and len(tensor.shape) == 4 and tensor.shape[3] == 3:
        return asked, _pixels(tensor, max_megapixels)
    raise HTTPException(400, f"{tensor.datatype} of shape {tensor.shape} is no picture; {_EXPECTED}")


def _pixels(tensor: Tensor, max_megapixels: float) -> list[Picture]:
    count, height, width, _ = tensor.shape
    if min(height, width) < 1 or height * width > max_megapixels * 1e6:
        raise HTTPException(400, f"A picture has 1 pixel to {max_megapixels:g} megapixels, not {height} x {width} pixels")
    try:
        values = np.array(tensor.data).ravel()
    except ValueError as error:
        raise HTTPException(400, "The rows of the data differ in length") from error
    if values.size != count * height * width * 3 or values.dtype.kind not in "iu" or values.min() < 0 or values.max() > 255:
        raise HTTPException(400, f"The data must be {count * height * width * 3} whole numbers of 0 to 255, as the shape says")
    return [partial(Image.fromarray, each) for each in values.astype(np.uint8).reshape(tensor.shape)]


def _decoded(tensor: Tensor, max_megapixels: float) -> list[Picture]:
    if len(tensor.data) != tensor.shape[0]:
        raise HTTPException(400, f"The shape says {tensor.shape[0]} pictures, the data has {len(tensor.data)}")
    return [partial(_decode, number, text, max_megapixels) for number, text in enumerate(tensor.data)]


def _decode(number: int, text: Any, max_megapixels: float) -> Image.Image:
    try:
        return read_image(Upload(f"{number}", base64.b64decode(text, validate=True)), max_megapixels)
    except (binascii.Error, TypeError, ValueError) as error:
        raise HTTPException(400, f"Picture {number} is not in base64") from error
    except ImageProblem as problem:
        raise HTTPException(400, f"Picture {number} cannot be read: {problem}") from problem


def answered(asked: Asked, name: str, digest: str, classes: Sequence[str], answers: Sequence[Probabilities]) -> dict[str, Any]:
    """Return the response: ``probabilities`` (n, classes), and for each picture ``class`` and ``bin``, "" if it has none.

    Args:
        asked: The request.
        name: Name of the model.
        digest: Its digest.
        classes: Its classes.
        answers: The probabilities of the classes, in batches, at least one.

    Raises:
        HTTPException: An output is wanted that does not exist (400).
    """
    probabilities = np.concatenate(answers)
    likeliest = [classes[number] for number in probabilities.argmax(axis=1)]
    count = len(likeliest)
    outputs = [
        _output("probabilities", "FP64", [count, len(classes)], probabilities.ravel().tolist()),
        _output("class", "BYTES", [count], likeliest),
        _output("bin", "BYTES", [count], [bin_of(each) or "" for each in likeliest]),
    ]
    wanted = [each.get("name") for each in asked.outputs] or [output["name"] for output in outputs]
    by_name = {output["name"]: output for output in outputs}
    if missing := [each for each in wanted if each not in by_name]:
        raise HTTPException(400, f"There is no output {json.dumps(missing[0])}; there are {', '.join(by_name)}")
    head = {"model_name": name, "model_version": digest, **({"id": asked.id} if asked.id is not None else {})}
    return {**head, "outputs": [by_name[each] for each in wanted if each is not None]}


def _output(name: str, datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def described(name: str, digest: str, classes: Sequence[str]) -> dict[str, Any]:
    """Return what is known of the model before it is asked."""
    return {
        "name": name,
        "versions": [digest],
        "platform": "onnx_onnxruntime",
        "inputs": [{"name": INPUT, "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": "probabilities", "datatype": "FP64", "shape": [-1, len(classes)]},
            {"name": "class", "datatype": "BYTES", "shape": [-1]},
            {"name": "bin", "datatype": "BYTES", "shape": [-1]},
        ],
        "parameters": {"classes": list(classes), "inputs_too": ["UINT8 [-1, -1, -1, 3]"]},
    }
