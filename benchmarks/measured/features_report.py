"""Images per second of the course report's way: MindSpore's dataset, the backbone as it was trained, feature maps in files.

For each batch the backbone, with its batch norms, maps the images to (batch, 1280, 7, 7); the maps go to one .npy file, the
labels to another.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import mindspore
import numpy as np
from mindspore import dataset, nn
from mindspore.dataset import vision

from measured.prepared import prepared
from pipeline_lib.images.preprocessing import Preprocessing
from pipeline_lib.models.backbone import load_backbone


def main() -> None:
    """Read the arguments, compile, measure, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--images", type=int, required=True)
    options = parser.parse_args()
    work = prepared(options.work)
    mindspore.set_context(mode=mindspore.GRAPH_MODE)
    network, spec = load_backbone(work.result("backbone").folder, work.architecture)
    batch = min(work.settings.train.batch, options.images)
    images = batches_of(work.result("dataset").folder / "train", batch, options.images, spec.preprocessing)
    size = spec.image_size
    network(mindspore.Tensor(np.zeros((batch, 3, size, size), np.float32))).asnumpy()  # compiles
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        done = extract(network, images, Path(scratch))
        seconds = time.perf_counter() - started
    print(json.dumps({"images_per_second": done / seconds}))


def batches_of(folder: Path, batch: int, images: int, preprocessing: Preprocessing) -> dataset.Dataset:
    """Return MindSpore's pipeline over an image folder: decode, resize, normalise, batch."""
    size = preprocessing.size
    steps = [
        vision.Decode(),
        vision.Resize([size, size]),
        vision.Normalize(preprocessing.mean, preprocessing.std),
        vision.HWC2CHW(),
    ]
    files = dataset.ImageFolderDataset(str(folder), shuffle=False, num_samples=images, extensions=[".jpg", ".jpeg", ".png"])
    return files.map(steps, "image").batch(batch, drop_remainder=True)


def extract(network: nn.Cell, images: dataset.Dataset, folder: Path) -> int:
    """Write the maps and labels of each batch; return how many images there were."""
    done = 0
    for number, batch in enumerate(images.create_dict_iterator()):
        np.save(folder / f"feature_{number}.npy", network(batch["image"]).asnumpy())
        np.save(folder / f"label_{number}.npy", batch["label"].asnumpy())
        done += len(batch["label"])
    return done


if __name__ == "__main__":
    main()
