"""An EfficientNet-Lite run by NumPy from the weight file alone: an independent computation of its pooled features.

It shares nothing with the product: its own reader of the file, the network as its authors write it down (their strings of
blocks), the padding of ``Conv2dDynamicSamePadding`` in the package efficientnet-lite-pytorch, channels last, float64.
"""

import pickle
import re
from collections import OrderedDict
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import as_strided

BLOCKS = (
    "r1_k3_s11_e1_i32_o16",
    "r2_k3_s22_e6_i16_o24",
    "r2_k5_s22_e6_i24_o40",
    "r3_k3_s22_e6_i40_o80",
    "r3_k5_s11_e6_i80_o112",
    "r4_k5_s22_e6_i112_o192",
    "r1_k3_s11_e6_i192_o320",
)
"""From efficientnet_lite_builder.py: repeats, kernel, strides, expansion, input and output channels of Lite0."""

DEPTHS = {"efficientnet_lite0": 1.0, "efficientnet_lite1": 1.1, "efficientnet_lite2": 1.2}
"""From the same file: the factor on the repeats of all rows but the first and the last. The file has the widths."""

EPSILON = 1e-3


def read(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file that PyTorch wrote before 1.6, each from the beginning of a storage of its own."""

    class Reader(pickle.Unpickler):
        def find_class(self, module, name):
            stand_ins = {"OrderedDict": OrderedDict, "_rebuild_tensor_v2": lambda storage, offset, *form: (storage, form[:2])}
            return stand_ins.get(name, name)

        def persistent_load(self, pid):
            return pid[1], pid[2]

    with path.open("rb") as file:
        for _ in range(3):
            pickle.load(file)
        tensors, values = Reader(file).load(), {}
        kinds = {key: kind for (kind, key), _ in tensors.values()}
        for key in pickle.load(file):
            count = int.from_bytes(file.read(8), "little")
            dtype = np.dtype({"FloatStorage": np.float32, "LongStorage": np.int64}[kinds[key]])
            values[key] = np.frombuffer(file.read(count * dtype.itemsize), dtype)
    arrays = {}
    for name, ((_, key), (shape, strides)) in tensors.items():
        in_bytes = [values[key].itemsize * stride for stride in strides]  # kernels are transposed from TensorFlow's
        arrays[name] = as_strided(values[key], shape, in_bytes).astype(np.float64)
    return arrays


def pooled_features(path: Path, images: np.ndarray, name: str) -> np.ndarray:
    """Run the network on prepared images (n, h, w, 3) and average each channel of its last maps."""
    weights = read(path)
    x = relu6(batch_norm(convolution(images.astype(np.float64), weights["_conv_stem.weight"], 2), weights, "_bn0"))
    number = 0
    for place, row in enumerate(BLOCKS):
        repeats, kernel, strides, expansion, _, _ = re.findall(r"[a-z](\d+)", row)
        factor = DEPTHS[name] if 0 < place < len(BLOCKS) - 1 else 1.0
        for repeat in range(-int(-int(repeats) * factor // 1)):
            assert weights[f"_blocks.{number}._depthwise_conv.weight"].shape[2:] == (int(kernel), int(kernel))
            x = block(x, weights, f"_blocks.{number}.", int(strides[0]) if repeat == 0 else 1, int(expansion))
            number += 1
    x = relu6(batch_norm(convolution(x, weights["_conv_head.weight"], 1), weights, "_bn1"))
    return x.mean(axis=(1, 2))


def block(inputs: np.ndarray, weights: dict[str, np.ndarray], prefix: str, stride: int, expansion: int) -> np.ndarray:
    x = inputs
    if expansion != 1:
        x = relu6(batch_norm(convolution(x, weights[f"{prefix}_expand_conv.weight"], 1), weights, f"{prefix}_bn0"))
    x = relu6(batch_norm(depthwise(x, weights[f"{prefix}_depthwise_conv.weight"], stride), weights, f"{prefix}_bn1"))
    x = batch_norm(convolution(x, weights[f"{prefix}_project_conv.weight"], 1), weights, f"{prefix}_bn2")
    return x + inputs if stride == 1 and x.shape == inputs.shape else x


def windows(x: np.ndarray, kernel: int, stride: int):
    """Yield, for each position in the kernel, the input values it meets."""
    pads, outputs = [], []
    for size in x.shape[1:3]:
        output = -(-size // stride)
        pad = max((output - 1) * stride + kernel - size, 0)
        pads.append((pad // 2, pad - pad // 2))
        outputs.append(output)
    x = np.pad(x, ((0, 0), *pads, (0, 0)))
    for i in range(kernel):
        for j in range(kernel):
            yield i, j, x[:, i : i + stride * outputs[0] : stride, j : j + stride * outputs[1] : stride]


def convolution(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    return sum(window @ kernel[:, :, i, j].T for i, j, window in windows(x, kernel.shape[2], stride))


def depthwise(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    return sum(window * kernel[:, 0, i, j] for i, j, window in windows(x, kernel.shape[2], stride))


def batch_norm(x: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    scale = weights[f"{name}.weight"] / np.sqrt(weights[f"{name}.running_var"] + EPSILON)
    return (x - weights[f"{name}.running_mean"]) * scale + weights[f"{name}.bias"]


def relu6(x: np.ndarray) -> np.ndarray:
    return np.clip(x, 0, 6)
