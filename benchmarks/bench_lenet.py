"""A training step of LeNet-5."""

from __future__ import annotations

from measure import Asked, Contender, script
from places import PEERS, Places

SECTION = "LeNet-5"
STEP = {"ms_per_step": "ms a step"}
ABOUT = (
    "The report's form, batches of 32, momentum 0.9, a step's mean over an epoch; the epoch before it, which compiles, is left "
    "out. This project: all that an epoch does (order, reading, scaling, figures); the others: the bare step on "
    "tensors that are ready."
)
TARGETS = ()


def contenders(places: Places, asked: Asked) -> list[Contender]:
    """Return what is measured."""
    images = ("--images", 640 if asked.quick else 4800)
    found = [
        Contender("this project", script("measured/lenet_step.py", "--way", "flow", *images), STEP),
        Contender("bare MindSpore step", script("measured/lenet_step.py", "--way", "bare", *images), STEP),
    ]
    if asked.peers:
        found.append(Contender("PyTorch, eager", script("peers/torch_lenet.py", *images, python=PEERS), STEP))
    return found
