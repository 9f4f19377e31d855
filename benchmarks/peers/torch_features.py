"""Images per second of MobileNetV2 in PyTorch on prepared tensors: --mode eager or compile."""

import argparse
import json
import time
from types import ModuleType

import torch


def main() -> None:
    """Read the arguments, warm up, measure, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", choices=["eager", "compile"], default="eager")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=224)
    options = parser.parse_args()
    network = torchvision().models.mobilenet_v2(weights=None).eval()
    network.classifier = torch.nn.Identity()  # what is left gives the pooled features
    network = network.to(memory_format=torch.channels_last)
    run = torch.compile(network) if options.mode == "compile" else network
    images = torch.randn(options.batch, 3, options.size, options.size).to(memory_format=torch.channels_last)
    batches = max(1, options.images // options.batch)
    with torch.inference_mode():
        for _ in range(3):
            run(images)
        started = time.perf_counter()
        for _ in range(batches):
            run(images)
        seconds = time.perf_counter() - started
    print(json.dumps({"images_per_second": batches * options.batch / seconds}))


def torchvision() -> ModuleType:
    """Import torchvision, also one that was built for CUDA beside a torch that was not.

    The operators of such a torchvision cannot be loaded, and its import fails for want of two, which no classifier needs.
    """
    try:
        import torchvision
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision

        torchvision.declared = library  # the declarations last as long as this object
    return torchvision


if __name__ == "__main__":
    main()
