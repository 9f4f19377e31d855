"""Which images show the same picture: fingerprints, the search for near-duplicates, and the groups they form.

Two images are near-duplicates when their perceptual hashes are close, one of them mirrored or not, and small colour
thumbnails confirm it. The hash alone is not enough: a hash of 64 bits keeps coarse shapes only, and a red cap and a jar
on white may differ in six of them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import imagehash
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageOps, ImageStat
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from pipeline_lib.images.read import read_image

HASH_BITS = 64

SAME_PICTURE = 0.9
"""Least correlation of two thumbnails of one picture, -1..1.

Measured on 2,212 real photographs at a hash distance of at most 10: the best pair that is not one picture has 0.85.
"""

# imagehash shrinks to this size itself; doing it once serves the mirrored hash too.
_HASH_SIDE = 32
_THUMBNAIL_SIDE = 16
# Pictures that are searched for at a time: all of them may be near to all others.
_BLOCK_ROWS = 512
# Links that are found before those are dropped that hold nothing together: each time takes as long as there are pictures.
_WAITING_LINKS = 1_000_000
# Pairs whose thumbnails are compared at once: few enough to stay in the cache.
_BLOCK_PAIRS = 2048

# A thumbnail of one colour has length 0; divided by this it stays 0 and resembles nothing.
_LEAST_LENGTH = 1e-6

Bits = NDArray[np.bool_]

_NO_LINKS = pd.DataFrame({"first": [], "second": [], "distance": [], "mirrored": []}).astype(
    {"first": "int64", "second": "int64", "distance": "int64", "mirrored": "bool"}
)


@dataclass(frozen=True)
class Fingerprint:
    """What is kept of an image to compare it with others.

    Attributes:
        sha256: Digest of the file's bytes.
        pixels: Digest of size and decoded RGB pixels.
        width: Pixels from left to right.
        height: Pixels from top to bottom.
        deviation: Standard deviation of the grey values, of 255.
        phash: (64,) DCT hash of the picture; the bits of ``imagehash.phash``.
        mirrored: (64,) The same of the picture flipped left to right.
        thumbnail: (16, 16, 3) uint8, RGB, means of equal areas.
    """

    sha256: str
    pixels: str
    width: int
    height: int
    deviation: float
    phash: Bits
    mirrored: Bits
    thumbnail: NDArray[np.uint8]


def fingerprint(path: Path) -> Fingerprint:
    """Read an image file and return its fingerprint.

    Raises:
        ImageProblem: The file is no readable image.
    """
    image = read_image(path, max_megapixels=math.inf)
    grey = image.convert("L")
    small = grey.resize((_HASH_SIDE, _HASH_SIDE), Image.Resampling.LANCZOS)
    return Fingerprint(
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        pixels=hashlib.sha256(b"%dx%d " % image.size + image.tobytes()).hexdigest(),
        width=image.width,
        height=image.height,
        deviation=ImageStat.Stat(grey).stddev[0],
        phash=imagehash.phash(small).hash.ravel(),
        mirrored=imagehash.phash(ImageOps.mirror(small)).hash.ravel(),
        thumbnail=np.asarray(image.resize((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), Image.Resampling.BOX)),
    )


def near_links(prints: Sequence[Fingerprint], max_distance: int) -> pd.DataFrame:
    """Return the links that hold near-duplicates together: a minimum spanning forest of all pairs within the distance.

    Each picture that has a near-duplicate is linked to its nearest one, and a group of n has n - 1 links, however many of
    its n² / 2 pairs are near. The search compares all pairs, in faiss, 64 bits at a time: exact, and at a million images
    still less work than decoding them. Tables of bands of the hash (faiss's multi-index hashing) visit fewer pairs and take
    longer up to that number, because ten of 64 bits may differ.

    Args:
        prints: Fingerprints of different pictures that are not blank; the hash of a blank one is noise.
        max_distance: Most bits in which two hashes may differ, 0..64.

    Returns:
        One row a link, in the order of the images: ``first`` < ``second`` (positions in ``prints``), ``distance`` in bits,
        ``mirrored``.
    """
    upright, mirrored = (_packed([getattr(each, name) for each in prints]) for name in ("phash", "mirrored"))
    looks = np.array([each.thumbnail for each in prints], np.uint8).reshape(-1, _THUMBNAIL_SIDE, _THUMBNAIL_SIDE, 3)
    index = faiss.IndexBinaryFlat(HASH_BITS)
    index.add(upright)
    forest, waiting = _NO_LINKS, [_NO_LINKS]
    for start in range(0, len(prints), _BLOCK_ROWS):
        for hashes, flip in ((upright, False), (mirrored, True)):
            links = pairs_within(index, hashes, start, max_distance).assign(mirrored=flip)
            waiting.append(links[_look_alike(looks, links)])
        if sum(map(len, waiting)) > max(_WAITING_LINKS, len(forest)):
            forest, waiting = spanning_forest(pd.concat([forest, *waiting], ignore_index=True), len(prints)), []
    return spanning_forest(pd.concat([forest, *waiting], ignore_index=True), len(prints))


def pairs_within(index: faiss.IndexBinaryFlat, hashes: NDArray[np.uint8], start: int, max_distance: int) -> pd.DataFrame:
    """Return the pairs of different pictures, one from a block, that differ in few bits.

    Args:
        index: The hashes that are searched.
        hashes: (n, 8) The hashes that are searched for; those from ``start`` on, as many as a block holds.
        start: First row of the block.
        max_distance: Most bits in which two hashes may differ.

    Returns:
        Columns ``first`` < ``second`` and ``distance``; a pair whose pictures are both searched for is found twice.
    """
    limits, distance, found = index.range_search(hashes[start : start + _BLOCK_ROWS], max_distance + 1)
    rows = np.repeat(np.arange(start, start + len(limits) - 1), np.diff(limits).astype(np.int64))
    pairs = pd.DataFrame(
        {"first": np.minimum(rows, found), "second": np.maximum(rows, found), "distance": distance.astype(np.int64)}
    )
    different: pd.DataFrame = pairs[rows != found]
    return different


def _packed(hashes: Sequence[Bits]) -> NDArray[np.uint8]:
    return np.packbits(np.array(hashes, dtype=bool).reshape(-1, HASH_BITS), axis=1)


def _look_alike(looks: NDArray[np.uint8], links: pd.DataFrame) -> Bits:
    blocks = [_correlation(looks, block) >= SAME_PICTURE for block in _blocks(links)]
    return np.concatenate([np.empty(0, dtype=bool), *blocks])


def _blocks(links: pd.DataFrame) -> Iterator[pd.DataFrame]:
    return (links.iloc[start : start + _BLOCK_PAIRS] for start in range(0, len(links), _BLOCK_PAIRS))


def _correlation(looks: NDArray[np.uint8], links: pd.DataFrame) -> NDArray[np.float32]:
    first, second = looks[links["first"]], looks[links["second"]]
    flip = links["mirrored"].to_numpy()
    second[flip] = second[flip, :, ::-1]
    correlation: NDArray[np.float32] = np.einsum("np,np->n", _standardised(first), _standardised(second))
    return correlation


def _standardised(looks: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return thumbnails of mean 0 and length 1, (n, 768), so that the product of two is their correlation."""
    flat = looks.reshape(len(looks), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), _LEAST_LENGTH)
    return flat


def spanning_forest(links: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the fewest and shortest links that hold the same groups of ``count`` images together, in their order."""
    order = ["distance", "first", "second", "mirrored"]
    links = links.sort_values(order).drop_duplicates(["first", "second"])
    # Ranks instead of distances: no two weights are equal, so there is one minimum, and none is 0, which means "no link".
    weights = np.arange(1.0, len(links) + 1)
    tree = minimum_spanning_tree(_graph(weights, links, count))
    return links.iloc[np.sort(tree.data).astype(int) - 1].sort_values(["first", "second"], ignore_index=True)


def group_ids(links: pd.DataFrame, count: int) -> NDArray[np.int64]:
    """Return the group of each of ``count`` images, numbered from 0 in the order of their first image."""
    _, labels = connected_components(_graph(np.ones(len(links)), links, count), directed=False)
    ids: NDArray[np.int64] = pd.factorize(labels)[0]
    return ids


def _graph(weights: NDArray[np.float64], links: pd.DataFrame, count: int) -> Any:
    return coo_matrix((weights, (links["first"], links["second"])), shape=(count, count)).tocsr()
