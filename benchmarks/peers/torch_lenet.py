"""Milliseconds of a training step of LeNet-5 in PyTorch, over prepared tensors."""

import argparse
import json
import time

import torch
from torch import nn

FORMS = {"report": (nn.ReLU, nn.MaxPool2d), "classic": (nn.Tanh, nn.AvgPool2d)}


def main() -> None:
    """Read the arguments, warm up, measure an epoch, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--form", choices=FORMS, default="report")
    parser.add_argument("--images", type=int, default=4800)
    parser.add_argument("--batch", type=int, default=32)
    options = parser.parse_args()
    batches = [
        (torch.rand(options.batch, 1, 28, 28), torch.randint(10, (options.batch,)))
        for _ in range(options.images // options.batch)
    ]
    network, loss = lenet(options.form), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def epoch() -> float:
        started = time.perf_counter()
        for images, labels in batches:
            optimizer.zero_grad()
            loss(network(images), labels).backward()
            optimizer.step()
        return time.perf_counter() - started

    epoch()
    print(json.dumps({"ms_per_step": 1000 * epoch() / len(batches)}))


def lenet(form: str) -> nn.Sequential:
    """Return the network of ``pipeline_lib/models/lenet5.py``, layer by layer."""
    activation, pool = FORMS[form]
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), activation(), pool(2)),
        *(nn.Conv2d(6, 16, 5), activation(), pool(2)),
        nn.Flatten(),
        *(nn.Linear(256, 120), activation()),
        *(nn.Linear(120, 84), activation()),
        nn.Linear(84, 10),
    )


if __name__ == "__main__":
    main()
