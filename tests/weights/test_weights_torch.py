import pickle
import zipfile
from pathlib import Path

import lite_reference
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mindspore import Tensor
from networks import build, fetched
from torch_files import WRITERS, call, program, sequence, tensor, text, write_legacy

from pipeline_lib.errors import PipelineError
from pipeline_lib.models.architectures import find_architecture
from pipeline_lib.models.backbone import load_backbone
from pipeline_lib.models.efficientnet_lite import CONVENTION, LITE0, EfficientNetLiteBackbone, torch_name
from pipeline_lib.models.layers import GlobalAveragePooling
from pipeline_lib.weights.torch import is_torch, read_torch

NAME = "efficientnet_lite0"
EXTRA = {"_fc.weight": np.ones((5, 1280), np.float32), "_bn0.num_batches_tracked": np.array(7)}


def narrow(path: Path, form: str = "zip", **changed: np.ndarray | None) -> EfficientNetLiteBackbone:
    """Write a narrow backbone as PyTorch would, arrays changed or left out (None), and return it."""
    backbone = EfficientNetLiteBackbone(0.35, seed=9)
    arrays = {torch_name(name): parameter.asnumpy() for name, parameter in backbone.parameters_and_names()}
    arrays |= {name.replace("__", "."): array for name, array in changed.items()}
    WRITERS[form](path, {name: array for name, array in (arrays | EXTRA).items() if array is not None})
    return backbone


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("efficientnet_lite0", 3_413_024), ("efficientnet_lite1", 4_189_344), ("efficientnet_lite2", 4_869_168)],
)
def test_features_are_those_of_the_network_as_its_authors_describe_it(
    name: str, parameters: int, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
):
    file, architecture = fetched(name, "imagenet", tmp_path_factory), find_architecture(name).load()
    build(tmp_path / "backbone", file, name, width=1.0)
    network, spec = load_backbone(tmp_path / "backbone", architecture)
    x = np.random.default_rng(7).uniform(-1, 1, (1, 3, 64, 96)).astype(np.float32)
    ours = GlobalAveragePooling()(network(Tensor(x))).asnumpy()
    theirs = lite_reference.pooled_features(file, x.transpose(0, 2, 3, 1), name)
    assert theirs.shape == (1, 1280)
    assert theirs.std() > 0.1
    assert np.abs(ours - theirs).max() < 1e-4 * np.abs(theirs).max()
    assert spec.convention == CONVENTION
    assert spec.parameters == parameters


def test_every_float_of_the_file_but_the_classifiers_is_used(lite0_file: Path):
    theirs = {name: array.shape for name, array in lite_reference.read(lite0_file).items()}
    ours = {torch_name(name): parameter.shape for name, parameter in EfficientNetLiteBackbone().parameters_and_names()}
    assert ours.items() <= theirs.items()
    assert all(name.startswith("_fc.") or name.endswith(".num_batches_tracked") for name in theirs.keys() - ours.keys())


@pytest.mark.parametrize("form", WRITERS)
def test_both_forms_are_read_and_the_classifier_is_left_out(tmp_path: Path, form: str):
    written = narrow(tmp_path / "weights.pth", form)
    summary = build(tmp_path / "backbone", tmp_path / "weights.pth", NAME)
    network, _ = load_backbone(tmp_path / "backbone", LITE0)
    assert summary["source"] == "torch file"
    for (name, expected), (_, found) in zip(written.parameters_and_names(), network.parameters_and_names(), strict=True):
        np.testing.assert_array_equal(found.asnumpy(), expected.asnumpy(), err_msg=name)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"_blocks.3._bn1.running_var": None}, r"_blocks\.3\._bn1\.running_var is missing;"),
        ({"_blocks.16._bn1.weight": np.ones(3, np.float32)}, r"_blocks\.16\._bn1\.weight is extra;"),
        ({"_bn0.weight": np.ones(31, np.float32)}, r"_bn0\.weight has shape \(31,\) and not \(32,\);"),
        ({"_bn0.weight": np.full(32, np.nan, np.float32)}, r"_bn0\.weight holds values that are not finite"),
        ({"_conv_stem.weight": None}, r"holds no weights of efficientnet_lite0 in a known layout \(torch\)"),
    ],
)
def test_a_file_that_is_not_quite_the_network_is_refused_by_name(tmp_path: Path, changed: dict, complaint: str):
    narrow(tmp_path / "weights.pth", **changed)
    with pytest.raises(PipelineError, match=complaint):
        build(tmp_path / "backbone", tmp_path / "weights.pth", NAME)
    assert not list((tmp_path / "backbone").iterdir())


def test_weights_of_another_architecture_are_refused(tmp_path: Path):
    narrow(tmp_path / "weights.pth")
    with pytest.raises(PipelineError, match="holds no weights of mobilenetv2"):
        build(tmp_path / "backbone", tmp_path / "weights.pth")


shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)
kinds = st.sampled_from([np.float16, np.float32, np.float64, np.int64])


@settings(deadline=None)
@given(
    described=st.dictionaries(st.text(max_size=8), st.tuples(shapes, kinds), max_size=4), form=st.sampled_from(sorted(WRITERS))
)
def test_tensors_of_any_shape_and_type_are_read_as_they_were_written(tmp_path_factory, described: dict, form: str):
    rng = np.random.default_rng(1)
    arrays = {name: np.array(rng.integers(-9, 9, shape)).astype(kind) for name, (shape, kind) in described.items()}
    path = WRITERS[form](tmp_path_factory.mktemp("torch") / "weights.pth", arrays)
    read = read_torch(path)
    assert is_torch(path)
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_truncated_file_is_called_damaged(tmp_path: Path, form: str, share: float):
    narrow(tmp_path / "weights.pth", form)
    content = (tmp_path / "weights.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(PipelineError, match=r"cut\.pth is a damaged PyTorch file"):
        read_torch(tmp_path / "cut.pth")


def archive(path: Path, code: bytes, **values: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", code)
        for key, content in values.items():
            file.writestr(f"archive/data/{key}", content)
    return path


def test_a_tensor_that_is_stored_transposed_is_read_as_it_is(tmp_path: Path):
    stored = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    transposed = stored.transpose(2, 0, 1)
    code = program(b"}" + text("w") + tensor(transposed, "a") + b"s")
    read = read_torch(archive(tmp_path / "weights.pth", code, a=stored.tobytes()))
    np.testing.assert_array_equal(read["w"], transposed)


class Harmful:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_no_code_of_a_file_is_run(tmp_path: Path):
    path = archive(tmp_path / "weights.pth", pickle.dumps(Harmful(tmp_path / "ran")))
    with pytest.raises(PipelineError, match=r"weights\.pth wants to run pathlib\..*, which may be harmful code"):
        read_torch(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("module", "name"), [("builtins", "eval"), ("os", "system"), ("torch", "load"), ("torch._utils", "_rebuild_qtensor")]
)
def test_a_file_calls_nothing_but_what_makes_tensors(tmp_path: Path, module: str, name: str):
    path = archive(tmp_path / "weights.pth", program(call(module, name, text("1"))))
    with pytest.raises(PipelineError, match=f"wants to run {module}.{name}"):
        read_torch(path)


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        (program(text("hello")), "is no dictionary of tensors"),
        (program(b"}" + text("epoch") + b"K\x07" + b"s"), "is no dictionary of tensors"),
        (
            program(sequence(text("module"), text("a"), text("b"), text("c"), text("d")) + b"Q"),
            "contains more than plain tensors",
        ),
        (program(b"}" + text("w") + tensor(np.ones((9, 9), np.float32), "a") + b"s"), "is a damaged PyTorch file"),
        (program(b"}" + text("w") + tensor(np.ones(2, np.float32), "a", offset=1) + b"s"), "is a damaged PyTorch file"),
        (program(b"}" + text("w") + tensor(np.ones(2, np.float32), "a", offset=-1) + b"s"), "is a damaged PyTorch file"),
        (program(b"}" + text("w") + tensor(np.ones(2, np.float32), "other") + b"s"), "is a damaged PyTorch file"),
    ],
)
def test_what_is_no_dictionary_of_tensors_within_their_values_is_refused(tmp_path: Path, code: bytes, complaint: str):
    path = archive(tmp_path / "weights.pth", code, a=np.ones(2, np.float32).tobytes())
    with pytest.raises(PipelineError, match=complaint):
        read_torch(path)


def test_a_zip_archive_of_something_else_is_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "photographs.zip", "w") as file:
        file.writestr("photograph.jpg", b"")
    with pytest.raises(PipelineError, match=r"is a zip archive without data\.pkl"):
        read_torch(tmp_path / "photographs.zip")


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 400))
def test_bytes_that_are_no_such_file_give_one_sentence(tmp_path_factory, noise: bytes, at: int):
    path = write_legacy(tmp_path_factory.mktemp("torch") / "weights.pth", {"w": np.ones(3, np.float32)})
    content = path.read_bytes()
    path.write_bytes(content[:at] + noise + content[at + len(noise) :])
    try:
        read_torch(path)
    except PipelineError as error:
        assert str(path) in str(error)  # noise may also happen to be a file
