"""The graph of a model sees and says what the model does, whatever the picture; the same model gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto
from PIL import Image

from pipeline_lib.data.embedded import sample_pictures
from pipeline_lib.export.formats import FORMATS, Session
from pipeline_lib.export.graph import backbone_graph, whole_graph
from pipeline_lib.export.nodes import Nodes
from pipeline_lib.export.noise import cleaned, estimate
from pipeline_lib.export.photographs import Photographs
from pipeline_lib.export.picture import square
from pipeline_lib.export.source import Source
from pipeline_lib.images.denoise import denoised
from pipeline_lib.images.noise import NOISY, estimate_noise
from pipeline_lib.images.prepare import fit

SIZE = 64
PICTURES = sample_pictures(6)
NOTHING = Photographs("none", ())
CLOSE = 0.05
"""Of probabilities: a coefficient at the threshold is kept by one and dropped by the other, and random networks mind."""

some = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
sides = st.one_of(st.integers(1, 260), st.sampled_from([SIZE - 1, SIZE, SIZE + 1, 2 * SIZE, 2 * SIZE + 1]))
noises = st.one_of(st.just(0.0), st.floats(0, 60))


def drawn(picture: int, width: int, height: int, noise: float, seed: int = 0) -> Image.Image:
    """A picture of the sample at some size, with white noise."""
    pixels = np.asarray(PICTURES[picture].resize((width, height)), np.float64)
    pixels = pixels + np.random.default_rng(seed).normal(0, noise, pixels.shape)
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


@cache
def run_preparation() -> Callable[[NDArray[np.uint8]], list[NDArray[np.float32]]]:
    """The square, the estimate and the cleaned square of a picture (h, w, 3) by the nodes alone."""
    add = Nodes("test/")
    pixels = square(add, "images", SIZE)
    noise = estimate(add, pixels)
    outputs = {"square": pixels, "noise": noise, "cleaned": cleaned(add, pixels, noise, SIZE)}
    for name, value in outputs.items():
        add.named(value, name)
    shapes = {"square": [1, 3, SIZE, SIZE], "noise": [1], "cleaned": [1, 3, SIZE, SIZE]}
    model = add.model(
        [("images", TensorProto.UINT8, [1, "h", "w", 3])], [(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    )
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {"images": image[None]})


@some
@given(st.integers(0, 5), sides, sides, noises)
@example(5, 94, 65, 35.0)
def test_a_picture_of_any_size_is_cropped_and_scaled_as_the_model_does_it(
    picture: int, width: int, height: int, noise: float
) -> None:
    image = drawn(picture, width, height, noise)
    expected = np.asarray(fit(image, SIZE)).astype(int).transpose(2, 0, 1)
    differences = np.abs(run_preparation()(np.asarray(image))[0][0] - expected)
    assert differences.max() <= (0 if width == height == SIZE else 2)  # a pass may round the other way, and so may the next
    assert (differences > 1).mean() < 0.001
    assert (differences > 0).mean() < 0.05


@some
@given(st.integers(0, 5), noises, st.integers(0, 99))
def test_noise_is_estimated_and_removed_as_the_model_does_it(picture: int, noise: float, seed: int) -> None:
    image = np.asarray(drawn(picture, SIZE, SIZE, noise, seed))
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    expected = estimate_noise(planes)
    _, estimated, clean = run_preparation()(image)
    assert estimated == np.float32(expected)
    wanted = denoised(planes, expected) if expected >= NOISY else planes
    differences = np.abs(clean[0] - wanted.astype(float))
    assert (differences > 1).mean() < 0.01


@pytest.mark.parametrize("value", [0, 3, 128, 252, 255])
def test_an_even_picture_has_the_noise_that_the_model_finds_in_it(value: int) -> None:
    image = np.full((SIZE, SIZE, 3), value, np.uint8)
    estimated = run_preparation()(image)[1]
    assert estimated == np.float32(estimate_noise(np.ascontiguousarray(image.transpose(2, 0, 1))))


@pytest.fixture(scope="module")
def answers(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Session:
    path = tmp_path_factory.mktemp("file") / "model.onnx"
    FORMATS["onnx"].write(path, source, NOTHING)
    return Session(path, source)


@some
@given(st.integers(0, 5), sides, sides, noises)
def test_the_file_answers_what_the_model_says_of_the_scaled_picture(
    source: Source, answers: Session, picture: int, width: int, height: int, noise: float
) -> None:
    image = drawn(picture, width, height, noise)
    seen = run_preparation()(np.asarray(image))[0][0].transpose(1, 2, 0).astype(np.uint8)
    assert answers(image) == pytest.approx(source.model.answers([Image.fromarray(seen)]).probabilities[0], abs=CLOSE)


@pytest.mark.parametrize(
    "changed",
    [
        {"noise_aware": False},
        {"hidden": 7},
        {"hidden": 7, "noise_aware": False},
        {"channels": "BGR"},
        {"architecture": "efficientnet_lite0"},
    ],
    ids=str,
)
def test_the_file_of_every_kind_of_model_answers_as_the_model(
    make_model: Callable[..., Source], changed: dict[str, object]
) -> None:
    source = make_model(**changed)
    model = whole_graph(source, backbone_graph(source))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs = [output.name for output in session.get_outputs()]
    assert outputs == (["probabilities", "noise"] if changed.get("noise_aware", True) else ["probabilities"])
    for image in (drawn(0, SIZE, SIZE, 0), drawn(1, SIZE, SIZE, 25), drawn(2, SIZE, SIZE, 50)):
        given = session.run(None, {"images": np.asarray(image)[None]})
        expected = source.model.answers([image])
        assert given[0][0] == pytest.approx(expected.probabilities[0], abs=CLOSE)
        assert [float(value) for noise in given[1:] for value in noise] == pytest.approx(
            [noise for noise in expected.noise if noise is not None], abs=0.02
        )


def test_what_belongs_to_the_model_is_in_the_file(source: Source) -> None:
    model = whole_graph(source, backbone_graph(source))
    onnx.checker.check_model(model, full_check=True)
    found = {entry.key: entry.value for entry in model.metadata_props}
    texts = {name: found.pop(name) for name in ("dataset", "model_sha256", "architecture", "weights", "temperature")}
    assert texts == {
        "dataset": "pictures",
        "model_sha256": source.digest,
        "architecture": "mobilenetv2",
        "weights": "random",
        "temperature": "1.7",
    }
    assert {name: json.loads(value) for name, value in found.items()} == {
        "classes": ["Battery", "Cans", "something else"],
        "classes_zh": ["电池", "易拉罐", None],
        "bins": ["hazardous", "recyclable", None],
        "bins_zh": ["有害垃圾", "可回收物", None],
        "preprocessing": source.spec.preprocessing.model_dump(mode="json"),
    }


def test_a_model_gives_the_same_bytes_every_time(source: Source) -> None:
    first, second = (whole_graph(source, backbone_graph(source)).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
