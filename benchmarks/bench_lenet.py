"""A training step of LeNet-5."""

from __future__ import annotations

from measure import Asked, Contender, script
from places import PEERS, Places
from targets import Target, ratio

SECTION = "LeNet-5"
OWN, BARE = "this project", "bare MindSpore step"
STEP = {"ms_per_step": "ms per step"}
ABOUT = (
    "The report's form, batches of 32, momentum 0.9, mean per step over one epoch; the epoch before it, which compiles, is "
    "not counted. This project: everything an epoch does (order, reading, scaling, figures); the others: the bare step on "
    "prepared tensors."
)
TARGETS = (
    Target(
        SECTION,
        "this project / the bare step",
        ratio((SECTION, OWN, "ms_per_step"), (SECTION, BARE, "ms_per_step")),
        "at most",
        1.1,
    ),
)


def contenders(places: Places, asked: Asked) -> list[Contender]:
    """Return what is measured."""
    images = ("--images", 640 if asked.quick else 4800)
    found = [
        Contender(OWN, script("measured/lenet_step.py", "--way", "flow", *images), STEP),
        Contender(BARE, script("measured/lenet_step.py", "--way", "bare", *images), STEP),
    ]
    if asked.peers:
        found.append(Contender("PyTorch, eager", script("peers/torch_lenet.py", *images, python=PEERS), STEP))
    return found
