"""Features: images per second, from image files and from prepared tensors."""

from __future__ import annotations

import os

from measure import Asked, Contender, script
from places import PEERS, Places
from targets import Figure, Target, ratio

SECTION = "Features"
RATE = {"images_per_second": "images/s"}
ONNX, MINDSPORE = "this project, onnxruntime, from files", "this project, MindSpore, from files"
VIEWS = "this project, onnxruntime, from data_new's files"
BARE, CALLERS = "bare onnxruntime, one caller", "bare onnxruntime, one caller per core"
REPORT = "the report's way, from files"
ABOUT = (
    "Pooled features of MobileNetV2 at the run's image size. *From files*: decoding, preparing, the network, and writing "
    "the result; one thread per core, each on a shard of its own, as in the flow. The noise in data_new's files makes them "
    "nine times as large as the photographs, so they take longer to decode. *Bare* and PyTorch: the network alone, on "
    "prepared tensors, batches of 16; one caller per core: batches as the flow's. The report's way: MindSpore's own dataset "
    "pipeline, the backbone with its batch norms, batches of 64, two `.npy` files per batch (feature maps and labels). "
    "Compiling, the first batch and reading files from the disk for the first time are not counted anywhere."
)


def rate(name: str) -> Figure:
    """Return the name of a contender's rate."""
    return SECTION, name, "images_per_second"


TARGETS = (
    Target(
        SECTION, "onnxruntime from files / the better bare onnxruntime",
        ratio(rate(ONNX), rate(BARE), rate(CALLERS)), "at least", 0.9,
    ),
    Target(
        SECTION, "onnxruntime from data_new's files / the better bare onnxruntime",
        ratio(rate(VIEWS), rate(BARE), rate(CALLERS)), "at least", 0.9,
    ),
    Target(
        SECTION, "onnxruntime from files / MindSpore from files", ratio(rate(ONNX), rate(MINDSPORE)), "at least", 3,
    ),
    Target(
        SECTION, "features alone: onnxruntime from files / the report's way",
        ratio(rate(ONNX), rate(REPORT)), "at least", 8,
    ),
)  # fmt: skip


def contenders(places: Places, asked: Asked) -> list[Contender]:
    """Return what is measured."""
    many, few = (32, 16) if asked.quick else (768, 192)
    files, bare = "measured/features_from_files.py", "measured/features_bare.py"
    work = ("--work", places.work)
    found = [
        Contender(ONNX, script(files, *work, "--engine", "onnxruntime", "--images", many), RATE),
        Contender(MINDSPORE, script(files, *work, "--engine", "mindspore", "--images", many), RATE),
        Contender(VIEWS, script(files, *work, "--engine", "onnxruntime", "--images", many, "--views"), RATE),
        Contender(BARE, script(bare, *work, "--callers", 1, "--batch", 16, "--images", many), RATE),
        Contender(CALLERS, script(bare, *work, "--callers", os.cpu_count(), "--images", many), RATE),
        Contender(REPORT, script("measured/features_report.py", *work, "--images", few), RATE, most=3),
    ]
    if asked.peers:
        found += [
            Contender(
                f"PyTorch, {mode}", script("peers/torch_features.py", "--mode", mode, "--images", many, python=PEERS), RATE
            )
            for mode in ("eager", "compile")
        ]
    return found
