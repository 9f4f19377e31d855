from pathlib import Path

import mindspore
import numpy as np
import pytest
from mindspore import Tensor

from pipeline_lib.errors import PipelineError
from pipeline_lib.models.classifier import Classifier
from pipeline_lib.models.parameters import assign, read_parameters, write_parameters
from pipeline_lib.models.whole import Head


def values(network) -> dict[str, np.ndarray]:
    return {name: parameter.asnumpy().copy() for name, parameter in network.parameters_and_names()}


@pytest.mark.parametrize("name", ["head.ckpt", "head.bin", "Köpfe und Füße"])
def test_what_is_written_is_read_whatever_the_file_is_called(tmp_path: Path, name: str):
    write_parameters(Classifier(8, 3, 4, seed=1), tmp_path / "head.ckpt")
    (tmp_path / "head.ckpt").rename(tmp_path / name)
    other = Classifier(8, 3, 4, seed=2)
    assign(other, read_parameters(tmp_path / name), name, "start over")
    expected = values(Classifier(8, 3, 4, seed=1))
    assert all(np.array_equal(array, expected[key]) for key, array in values(other).items())


def test_same_values_same_bytes_different_values_different_bytes(tmp_path: Path):
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        write_parameters(Classifier(8, 3, seed=seed), tmp_path / f"{name}.ckpt")
    first, again, other = ((tmp_path / f"{name}.ckpt").read_bytes() for name in ("first", "again", "other"))
    assert first == again != other


def test_a_classifier_trained_alone_fits_the_one_inside_a_head(tmp_path: Path):
    write_parameters(Classifier(8, 3, seed=1), tmp_path / "head.ckpt")
    head = Head(8, 3, seed=2)
    assign(head.classifier, read_parameters(tmp_path / "head.ckpt"), "head.ckpt", "start over")
    np.testing.assert_array_equal(head.classifier.output.weight.asnumpy(), Classifier(8, 3, seed=1).output.weight.asnumpy())


@pytest.mark.parametrize("content", [b"", b"just a text\n" * 40, b"\x89PNG\r\n\x1a\n" + bytes(200)])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "weights.ckpt").write_bytes(content)
    with pytest.raises(PipelineError, match=r"weights\.ckpt can't be read as a MindSpore checkpoint"):
        read_parameters(tmp_path / "weights.ckpt")


def test_a_truncated_checkpoint_is_never_taken(tmp_path: Path):
    network = Classifier(8, 3, 4)
    write_parameters(network, tmp_path / "head.ckpt")
    content = (tmp_path / "head.ckpt").read_bytes()
    for size in range(0, len(content), 7):
        cut = tmp_path / f"cut{size}.ckpt"
        cut.write_bytes(content[:size])
        with pytest.raises(PipelineError):
            assign(network, read_parameters(cut), "cut", "start over")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"output.bias": None}, "output.bias is missing"),
        ({"scale": np.ones(1, np.float32)}, "scale is extra"),
        ({"output.bias": np.ones(4, np.float32)}, r"output\.bias has shape \(4,\) and not \(3,\)"),
        ({"output.bias": np.array([0, 0, np.inf], np.float32)}, "output.bias holds values that are not finite"),
    ],
)
def test_a_refusal_names_the_parameter_and_sets_nothing(change: dict, complaint: str):
    network = Classifier(8, 3, seed=1)
    before = values(network)
    arrays = {**values(Classifier(8, 3, seed=2)), **change}
    with pytest.raises(PipelineError, match=f"^my file does not fit the network: {complaint}; start over$"):
        assign(network, {name: array for name, array in arrays.items() if array is not None}, "my file", "start over")
    assert all(np.array_equal(array, before[name]) for name, array in values(network).items())


def test_mindspores_own_checkpoints_are_read(tmp_path: Path):
    mindspore.save_checkpoint([{"name": "a", "data": Tensor(np.arange(3, dtype=np.float32))}], str(tmp_path / "a.ckpt"))
    assert read_parameters(tmp_path / "a.ckpt")["a"].tolist() == [0, 1, 2]
