"""Prepare the training benchmarks: cached features of the clean views, and feature maps of the same features.

A map repeats its feature at each place, so pooling it gives the feature back: the report's loop reads as many bytes as it did.
It learns from the features of the last maps alone, as the report does; all others from those of several depths too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from measured.prepared import Prepared, prepared
from pipeline_lib.features.engine import engine
from pipeline_lib.features.shards import rows_of, write_shard
from pipeline_lib.models.backbone import load_backbone
from pipeline_lib.views.view import CLEAN


def main() -> None:
    """Write ``features/train``, ``features/test`` and ``maps``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    work = prepared(parser.parse_args().work)
    runner = engine(work.result("backbone").folder, work.settings.features.batch)
    for split in ("train", "test"):
        folder = work.folder / "features" / split
        folder.mkdir(parents=True, exist_ok=True)
        write_shard(folder, rows_of(work.result("dataset").part(f"{split}/"), CLEAN), runner)
    write_maps(work)


def write_maps(work: Prepared) -> None:
    """Write the maps of train in batches, each with its labels, in a shuffled order: a batch of one class teaches little."""
    table = work.features("train")
    batch, side = min(work.settings.train.batch, len(table)), work.settings.image_size // 32
    channels = load_backbone(work.result("backbone").folder, work.architecture)[0].out_channels
    order = np.random.default_rng(0).permutation(len(table))
    work.maps.mkdir(exist_ok=True)
    for number in range(len(order) // batch):
        rows = order[number * batch : (number + 1) * batch]
        last = table.take(rows)[:, :channels, None, None]
        maps = np.broadcast_to(last, (batch, channels, side, side))
        np.save(work.maps / f"feature_{number}.npy", maps)
        np.save(work.maps / f"label_{number}.npy", table.labels[rows].astype(np.int32))


if __name__ == "__main__":
    main()
