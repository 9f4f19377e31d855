import numpy as np
import pytest
from mindspore import Tensor

from pipeline_lib.models.mobilenetv2 import MobileNetV2Backbone
from pipeline_lib.models.whole import Head, WholeNetwork


def test_full_network_has_the_published_number_of_weights():
    network = WholeNetwork(MobileNetV2Backbone(), Head(num_classes=1000))
    assert sum(parameter.size for parameter in network.trainable_params()) == 3_504_872
    assert sum(parameter.size for parameter in network.backbone.get_parameters()) == 2_257_984


@pytest.mark.parametrize(("width", "channels"), [(0.35, 1280), (1.0, 1280), (1.4, 1792)])
def test_last_layer_grows_with_the_width_but_never_shrinks(width: float, channels: int):
    backbone = MobileNetV2Backbone(width)
    assert backbone.out_channels == channels
    assert backbone.last.conv.weight.shape[0] == channels


def test_own_settings_table_makes_the_network():
    backbone = MobileNetV2Backbone(1.0, [(1, 8, 1, 2), (2, 16, 2, 1)], 8, 16, 64).set_train(False)
    assert backbone(Tensor(np.ones((2, 3, 16, 16), np.float32))).shape == (2, 64, 4, 4)
    assert [block.has_shortcut for block in backbone.blocks] == [False, False, True]
