"""A backbone that is cut in two gives the same features as in one piece, wherever it is cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mindspore import Tensor
from networks import build

from pipeline_lib.errors import PipelineError
from pipeline_lib.features.engine import Engine
from pipeline_lib.models.architectures import ENTRIES, Entry
from pipeline_lib.models.backbone import load_backbone, new_backbone, pooled_backbone
from pipeline_lib.models.cut import NOTHING, FrozenPart, Tail, position, trained_parts
from pipeline_lib.models.layers import fold_batch_norms, unfolded_parameters
from pipeline_lib.models.parameters import assign
from pipeline_lib.weights.frozen import export_frozen_part

every_architecture = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


def images() -> Tensor:
    return Tensor(np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32))


@every_architecture
@pytest.mark.parametrize("where", ["none", "stem", "before the first depth", "first depth", "last but one"])
def test_frozen_part_and_tail_give_the_features_of_the_whole(entry: Entry, where: str, tmp_path: Path) -> None:
    architecture = entry.load()
    blocks, depth = architecture.blocks, architecture.blocks.index(architecture.depths[0])
    names = {"before the first depth": blocks[depth - 1], "first depth": blocks[depth], "last but one": blocks[-2]}
    cut = position(architecture, names.get(where, where))
    build(tmp_path, architecture=entry.name)
    network, spec = load_backbone(tmp_path, architecture)
    x = images()
    for name in blocks[:cut]:
        x = dict(network.cells_and_names())[name](x)
    rows = FrozenPart(network, architecture, spec.depths, cut)(images())
    assert rows.dtype.__str__() == "Float16"
    tail = Tail(network, architecture, spec.depths, cut, x.shape[1:])
    whole, _ = pooled_backbone(tmp_path, architecture)
    expected = whole(images()).asnumpy()
    assert tail.width == whole.width
    # Activations are kept in half precision, which has 11 bits. What that loses adds up over the parts behind the cut.
    atol = 0.01 * max(1.0, len(blocks[cut:]) / 17)
    np.testing.assert_allclose(tail(rows.astype(np.float32)).asnumpy(), expected, atol=atol)


def test_the_exported_frozen_part_gives_what_mindspore_gives(tmp_path: Path) -> None:
    architecture = ENTRIES[0].load()
    build(tmp_path / "backbone")
    (tmp_path / "cut").mkdir()
    cut = position(architecture, "blocks.14")
    made = export_frozen_part(tmp_path / "cut", tmp_path / "backbone", architecture, cut)
    network, spec = load_backbone(tmp_path / "backbone", architecture)
    expected = FrozenPart(network, architecture, spec.depths, cut)(images()).asnumpy()
    rows = Engine(tmp_path / "cut", 2)(images().asnumpy())
    assert (rows.dtype, rows.shape[1], 2 * rows.shape[1]) == (np.float16, *made.values())
    np.testing.assert_allclose(rows.astype(np.float32), expected.astype(np.float32), atol=0.01)


@every_architecture
def test_folded_batch_norms_unfold_to_the_same_network(entry: Entry, tmp_path: Path) -> None:
    architecture = entry.load()
    build(tmp_path, architecture=entry.name)
    network, spec = load_backbone(tmp_path, architecture)
    expected = network(images()).asnumpy()
    fold_batch_norms(network)
    again = new_backbone(architecture, spec.convention, spec.width)
    assign(again, unfolded_parameters(network), "it", "")
    np.testing.assert_allclose(again(images()).asnumpy(), expected, atol=1e-4)


def test_a_cut_is_counted_from_the_first_part_and_one_that_is_not_there_is_refused() -> None:
    architecture = ENTRIES[0].load()
    assert [position(architecture, name) for name in (NOTHING, "stem", "blocks.0", "blocks.16")] == [0, 1, 2, 18]
    assert trained_parts(architecture, "after:blocks.5") == range(7)  # the stem and six blocks
    with pytest.raises(PipelineError, match=r"'after:block\.5' is no part .* did you mean 'after:blocks\.5'\?"):
        position(architecture, "after:block.5")
    with pytest.raises(PipelineError, match=r"tune\.freeze='block\.12' is no part .* did you mean 'blocks\.12'\?"):
        position(architecture, "block.12")
    for name in ("last", "12", "backbone"):  # behind the last part there is nothing to tune
        with pytest.raises(PipelineError, match="is no part of mobilenetv2 that can be frozen"):
            position(architecture, name)
