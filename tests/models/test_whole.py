import mindspore
import numpy as np
import pytest
from mindspore import Tensor, nn

from pipeline_lib.models.classifier import Classifier
from pipeline_lib.models.layers import GlobalAveragePooling
from pipeline_lib.models.mobilenetv2 import MobileNetV2Backbone
from pipeline_lib.models.whole import Head, WholeNetwork

TINY = (1.0, [(1, 8, 1, 2), (2, 16, 2, 1)], 8, 16, 64)


def arrays(network: nn.Cell) -> dict[str, np.ndarray]:
    return {name: parameter.asnumpy() for name, parameter in network.parameters_and_names()}


def images(n: int, size: int, seed: int = 0) -> Tensor:
    return Tensor(np.random.default_rng(seed).uniform(-1, 1, (n, 3, size, size)).astype(np.float32))


@pytest.mark.parametrize("mode", [mindspore.GRAPH_MODE, mindspore.PYNATIVE_MODE])
@pytest.mark.parametrize("hidden", [0, 12])
def test_classifier_on_pooled_features_is_the_head_of_the_whole_network(mode: int, hidden: int):
    mindspore.set_context(mode=mode)
    backbone = MobileNetV2Backbone(*TINY).set_train(False)
    head = Head(64, 5, has_dropout=True, hidden=hidden, seed=2)
    whole = WholeNetwork(backbone, head).set_train(False)
    pooled = GlobalAveragePooling()(backbone(images(3, 32)))
    trained = Classifier(64, 5, hidden, seed=2).set_train(False)
    np.testing.assert_allclose(trained(pooled).asnumpy(), whole(images(3, 32)).asnumpy(), rtol=1e-5, atol=1e-7)


def test_classifier_names_its_parameters_alike_alone_and_inside_the_head():
    whole = WholeNetwork(MobileNetV2Backbone(*TINY), Head(64, 5, hidden=7))
    assert list(arrays(Classifier(64, 5, 7))) == list(arrays(whole.head.classifier))


def test_first_weights_of_the_classifier_are_small_and_its_biases_none():
    values = arrays(Head(num_classes=1000, seed=4))
    assert np.std(values["classifier.output.weight"]) == pytest.approx(0.01, rel=0.02)
    assert not values["classifier.output.bias"].any()


def test_activations_are_for_output():
    maps = Tensor(np.random.default_rng(0).uniform(0, 6, (4, 64, 2, 2)).astype(np.float32))
    logits, sigmoid, softmax = (
        Head(64, 5, activation=activation, seed=1).set_train(False)(maps).asnumpy()
        for activation in (None, "sigmoid", "softmax")
    )
    np.testing.assert_allclose(sigmoid, 1 / (1 + np.exp(-logits)), rtol=1e-5)
    np.testing.assert_allclose(softmax, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), rtol=1e-5)


def test_dropout_acts_in_training_alone_and_only_when_asked_for():
    maps = Tensor(np.ones((1, 640, 1, 1), np.float32))
    head = Head(640, 5, has_dropout=True, dropout=0.5)
    kept = head.set_train(True).dropout(head.pool(maps)).asnumpy()
    assert 0.3 < (kept == 0).mean() < 0.7
    assert (head.set_train(False).dropout(head.pool(maps)).asnumpy() == 1).all()
    plain = Head(640, 5)
    assert (plain.set_train(True).dropout(plain.pool(maps)).asnumpy() == 1).all()
