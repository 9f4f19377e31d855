"""The Open Inference Protocol: tensors in and out give what predict says; whatever else is sent is one sentence."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from waiting import PATIENCE

PLACE = "/v2/models/pictures"


def tensor(**changed: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "images", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": [1, 2, 3], **changed}]}


def outputs(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return {output["name"]: output for output in answer.json()["outputs"]}


def test_pixels_and_files_are_answered_as_predict_answers(server: str, photographs: list[Path]) -> None:
    predicted = [
        httpx.post(f"{server}/predict", content=path.read_bytes(), timeout=PATIENCE).json()["photographs"][0]
        for path in photographs
    ]
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in photographs])
    files = [base64.b64encode(path.read_bytes()).decode() for path in photographs]
    sent = (
        tensor(shape=list(pixels.shape), data=pixels.tolist()),
        tensor(shape=list(pixels.shape), data=pixels.ravel().tolist()),
        tensor(shape=[len(files)], datatype="BYTES", data=files),
    )
    classes = httpx.get(server + PLACE, timeout=PATIENCE).json()["parameters"]["classes"]
    for request in sent:
        got = outputs(httpx.post(f"{server}{PLACE}/infer", json=request, timeout=PATIENCE))
        assert got["class"]["data"] == [row["class"] for row in predicted]
        assert got["bin"]["data"] == [row["bin"] for row in predicted]
        assert got["probabilities"]["shape"] == [len(photographs), len(classes)]
        rows = np.array(got["probabilities"]["data"]).reshape(got["probabilities"]["shape"])
        for row, expected in zip(rows, predicted, strict=True):
            assert dict(zip(classes, row, strict=True)) == pytest.approx(dict(expected["top"]), abs=1e-4)


def test_the_answer_has_the_senders_id_the_models_digest_and_the_outputs_that_are_wanted(server: str) -> None:
    asked = {**tensor(), "id": "a7", "outputs": [{"name": "class"}]}
    answer = httpx.post(f"{server}{PLACE}/infer", json=asked, timeout=PATIENCE)
    assert set(outputs(answer)) == {"class"}
    digest = httpx.get(f"{server}/v2/health/ready", timeout=PATIENCE).json()["model"]
    assert {name: answer.json()[name] for name in ("id", "model_name", "model_version")} == {
        "id": "a7",
        "model_name": "pictures",
        "model_version": digest,
    }


def test_the_model_is_described_before_it_is_asked(server: str) -> None:
    described = httpx.get(server + PLACE, timeout=PATIENCE).json()
    assert described["name"] == "pictures"
    assert [each["name"] for each in described["inputs"]] == ["images"]
    answered = outputs(httpx.post(f"{server}{PLACE}/infer", json=tensor(), timeout=PATIENCE))
    assert {each["name"]: each["datatype"] for each in described["outputs"]} == {
        name: output["datatype"] for name, output in answered.items()
    }
    assert httpx.get(f"{server}{PLACE}/ready", timeout=PATIENCE).json() == {"name": "pictures", "ready": True}


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({}, "The request cannot be read: inputs: Field required"),
        ({"inputs": []}, "The request cannot be read: inputs"),
        (tensor(name="pictures"), "A request has one input"),
        ({"inputs": tensor()["inputs"] * 2}, "A request has one input"),
        (tensor(shape=[0, 1, 1, 3], data=[]), "A request has one input with 1 to 64 pictures"),
        (tensor(datatype="FP32"), "FP32 of shape [1, 1, 1, 3] is no picture"),
        (tensor(shape=[1, 3, 1, 1]), "is no picture; send one input `images`: UINT8 of shape [n, height, width, 3]"),
        (tensor(data=[1, 2]), "The data must be 3 whole numbers of 0 to 255"),
        (tensor(data=[1, 2, 256]), "The data must be 3 whole numbers of 0 to 255"),
        (tensor(data=[1, 2, 2.5]), "The data must be 3 whole numbers of 0 to 255"),
        (tensor(data=[[1], [2, 3]]), "The rows of the data differ in length"),
        (tensor(shape=[1, 10_000, 10_000, 3]), "1 pixel to 50 megapixels"),
        (tensor(datatype="BYTES", shape=[1], data=["no base64!"]), "Picture 0 is not in base64"),
        (tensor(datatype="BYTES", shape=[1], data=["QUJD"]), "Picture 0 cannot be read: not an image"),
        (tensor(datatype="BYTES", shape=[2], data=["QUJD"]), "The shape says 2 pictures, the data has 1"),
        ({**tensor(), "outputs": [{"name": "box"}]}, 'There is no output "box"; there are probabilities, class, bin'),
    ],
)
def test_a_request_that_is_none_is_refused_in_one_sentence(server: str, sent: dict[str, Any], sentence: str) -> None:
    answer = httpx.post(f"{server}{PLACE}/infer", json=sent, timeout=PATIENCE)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}
    assert sentence in answer.json()["error"]


def test_a_picture_that_is_too_large_is_refused_by_its_header(server: str) -> None:
    bomb = io.BytesIO()
    Image.new("L", (12_000, 12_000)).save(bomb, "PNG")  # 144 megapixels in few bytes
    sent = tensor(datatype="BYTES", shape=[1], data=[base64.b64encode(bomb.getvalue()).decode()])
    answer = httpx.post(f"{server}{PLACE}/infer", json=sent, timeout=PATIENCE)
    assert (answer.status_code, answer.json()) == (400, {"error": "Picture 0 cannot be read: 144.0 megapixels, limit 50"})


def test_another_model_is_not_there(server: str) -> None:
    for answer in (
        httpx.get(f"{server}/v2/models/other", timeout=PATIENCE),
        httpx.get(f"{server}/v2/models/other/ready", timeout=PATIENCE),
        httpx.post(f"{server}/v2/models/other/infer", json=tensor(), timeout=PATIENCE),
    ):
        assert answer.status_code == 404
        assert answer.json() == {"error": "There is no model of this name; the one that is served is pictures"}


scalars = (
    st.none() | st.booleans() | st.integers(-300, 300) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)
json_values = scalars | st.lists(scalars | st.lists(scalars, max_size=3), max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.lists(st.integers(-2, 4), max_size=5),
    datatype=st.sampled_from(["UINT8", "BYTES", "FP32"]),
    data=st.lists(json_values, max_size=6),
)
def test_whatever_tensor_is_sent_is_answered_or_refused_and_the_server_lives_on(
    server: str, shape: list[int], datatype: str, data: list[Any]
) -> None:
    sent = tensor(shape=shape, datatype=datatype, data=data)
    answer = httpx.post(f"{server}{PLACE}/infer", json=sent, timeout=PATIENCE)
    assert answer.status_code in (200, 400), answer.text
    assert httpx.get(f"{server}/v2/health/live", timeout=PATIENCE).text == "live"
