"""LeNet-5 has the layers it is said to have, and computes what they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from mindspore import Tensor
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pipeline_lib.models.lenet5 import Form, LeNet5

Array = NDArray[np.float64]

SHAPES = {
    "c1.weight": (6, 1, 5, 5),
    "c1.bias": (6,),
    "c3.weight": (16, 6, 5, 5),
    "c3.bias": (16,),
    "c5.weight": (120, 256),
    "c5.bias": (120,),
    "f6.weight": (84, 120),
    "f6.bias": (84,),
    "output.weight": (10, 84),
    "output.bias": (10,),
}
FORMS: tuple[Form, ...] = ("report", "classic")


def arrays(network: LeNet5) -> dict[str, Array]:
    return {name: parameter.asnumpy().astype(np.float64) for name, parameter in network.parameters_and_names()}


def numpy_lenet5(values: dict[str, Array], images: Array, form: Form) -> Array:
    """The same network in NumPy, written from the report's table."""

    def activation(x: Array) -> Array:
        return np.maximum(x, 0) if form == "report" else np.tanh(x)

    def convolution(x: Array, name: str) -> Array:
        windows = sliding_window_view(x, (5, 5), axis=(2, 3))
        return np.einsum("nchwij,ocij->nohw", windows, values[f"{name}.weight"]) + values[f"{name}.bias"].reshape(-1, 1, 1)

    def pooling(x: Array) -> Array:
        n, c, h, w = x.shape
        blocks = x.reshape(n, c, h // 2, 2, w // 2, 2)
        return blocks.max(axis=(3, 5)) if form == "report" else blocks.mean(axis=(3, 5))

    def dense(x: Array, name: str) -> Array:
        return x @ values[f"{name}.weight"].T + values[f"{name}.bias"]

    x = pooling(activation(convolution(images, "c1")))
    x = pooling(activation(convolution(x, "c3")))
    x = activation(dense(x.reshape(len(x), 256), "c5"))
    return dense(activation(dense(x, "f6")), "output")


@pytest.mark.parametrize("form", FORMS)
def test_layers_have_the_shapes_of_the_report(form: Form) -> None:
    values = arrays(LeNet5(form=form))
    assert {name: value.shape for name, value in values.items()} == SHAPES
    assert sum(value.size for value in values.values()) == 44_426


@pytest.mark.parametrize("form", FORMS)
def test_outputs_are_those_of_an_independent_computation(form: Form) -> None:
    network = LeNet5(form=form, seed=3)
    random = np.random.default_rng(0)
    for _, parameter in network.parameters_and_names():  # biases too, which start at 0
        parameter.set_data(Tensor(random.normal(0, 0.2, parameter.shape).astype(np.float32)))
    images = random.random((3, 1, 28, 28))
    expected = numpy_lenet5(arrays(network), images, form)
    np.testing.assert_allclose(network(Tensor(images.astype(np.float32))).asnumpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("form", "gain"), [("report", 2.0), ("classic", 1.0)])
def test_first_weights_follow_the_seed_and_have_the_spread_of_their_form(form: Form, gain: float) -> None:
    first, again, other = (arrays(LeNet5(form=form, seed=seed)) for seed in (1, 1, 2))
    for name, value in first.items():
        assert np.array_equal(value, again[name])
        if name.endswith("bias"):
            assert not value.any()
        else:
            assert not np.array_equal(value, other[name])
            assert value.std() == pytest.approx((gain / value[0].size) ** 0.5, rel=0.15)


def test_other_numbers_of_classes_change_the_output_alone() -> None:
    changed = {name for name, value in arrays(LeNet5(3)).items() if value.shape != SHAPES[name]}
    assert changed == {"output.weight", "output.bias"}
