import numpy as np
import pytest
from mindspore import Tensor, nn

from pipeline_lib.errors import PipelineError
from pipeline_lib.models.architectures import ENTRIES, Entry, find_architecture
from pipeline_lib.models.backbone import new_backbone
from pipeline_lib.stages.key import plan

WIDTH = 0.35

every_architecture = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


def small(entry: Entry) -> nn.Cell:
    architecture = entry.load()
    return new_backbone(architecture, architecture.convention, WIDTH, seed=3)


@every_architecture
def test_an_entry_leads_to_the_architecture_of_its_name(entry: Entry):
    assert entry.load().name == entry.name
    assert find_architecture(entry.name) == entry


@every_architecture
def test_a_backbone_gives_maps_of_a_32nd_of_the_side(entry: Entry):
    network = small(entry)
    images = Tensor(np.random.default_rng(0).normal(size=(2, 3, 64, 96)).astype(np.float32))
    assert network(images).shape == (2, network.out_channels, 2, 3)


@every_architecture
def test_a_network_is_the_chain_of_its_blocks(entry: Entry):
    network = small(entry)
    cells = dict(network.cells_and_names())
    images = Tensor(np.random.default_rng(0).normal(size=(1, 3, 64, 64)).astype(np.float32))
    x = images
    for name in entry.load().blocks:
        x = cells[name](x)
    np.testing.assert_array_equal(x.asnumpy(), network(images).asnumpy())


@every_architecture
def test_a_key_holds_the_code_of_the_architecture_that_is_used_and_of_no_other_one(entry: Entry):
    used = plan("backbone", "slot", "tasks.finetune.backbone", {"architecture": entry.code}).parts
    files = {each.name: f"{each.code.module.replace('.', '/')}.py" for each in ENTRIES}  # one for all members of a family
    assert files[entry.name] in used["code"]
    assert not ({*files.values()} - {files[entry.name]}) & used["code"].keys()
    assert "pipeline_lib/models/architectures.py" not in used["code"]
    assert used["settings"] == {}


def test_a_misspelt_architecture_is_answered_with_the_nearest_one():
    with pytest.raises(PipelineError, match=r"none of mobilenetv2, .*; did you mean 'mobilenetv2'"):
        find_architecture("mobilenet2")
