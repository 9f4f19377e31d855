"""The usable images of a dataset, arranged as people decided about their labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pipeline_lib.data.corrections import CORRECTIONS, CORRECTIONS_COLUMNS, DECIDED, DECIDED_COLUMNS
from pipeline_lib.data.decisions import KEEP, LABELS, REMOVE, Decisions
from pipeline_lib.data.imagefolder import Classes, ImageFolder
from pipeline_lib.errors import PipelineError
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.files.table import write_table
from pipeline_lib.images.read import ImageFacts


class Image(NamedTuple):
    """A usable image.

    Attributes:
        path: Where it is.
        facts: What it is.
        delivered: The class that it came with.
        within: Its path within the folder of that class.
        sha256: Digest of its bytes, where there are decisions.
        decision: What was decided about its label: a class, `REMOVE` or `KEEP`; "" for nothing.
    """

    path: Path
    facts: ImageFacts
    delivered: str
    within: Path
    sha256: str = ""
    decision: str = ""

    @property
    def label(self) -> str | None:
        """The class that it belongs in; None if it does not belong into the dataset."""
        if self.decision == REMOVE:
            return None
        return self.delivered if self.decision in ("", KEEP) else self.decision

    @property
    def corrected(self) -> bool:
        """Whether it came with another label."""
        return self.label != self.delivered


Splits = dict[str, dict[str, list[Image]]]
"""Split -> class -> images in file-name order."""


def images_of(splits: Splits) -> Iterator[tuple[str, str, Image]]:
    """Yield split, class and image of all images."""
    return ((split, name, image) for split, classes in splits.items() for name, images in classes.items() for image in images)


def without_forgotten(found: ImageFolder, decisions: Decisions) -> ImageFolder:
    """Return a dataset's files as if those that are to be forgotten had never been there.

    Raises:
        PipelineError: A class would lose all its images.
    """
    if not decisions.forgotten:
        return found
    test = None if found.test is None else _left("test", found.test, decisions)
    return replace(found, train=_left("train", found.train, decisions), test=test)


def _left(split: str, classes: Classes, decisions: Decisions) -> Classes:
    left = {name: [path for path in paths if not _is_forgotten(path, decisions)] for name, paths in classes.items()}
    if emptied := [name for name, paths in left.items() if not paths]:
        raise PipelineError(
            f"{LABELS} forgets every image of {split}/{emptied[0]}; add others, or remove the class from the dataset."
        )
    return left


def _is_forgotten(path: Path, decisions: Decisions) -> bool:
    try:
        return file_sha256(path) in decisions.forgotten
    except OSError:
        return False  # whoever reads it as an image says why it cannot be read


def marked(splits: Splits, decisions: Decisions) -> Splits:
    """Return the splits with every image's digest and decision; as they are without decisions."""
    if not decisions.on_labels:
        return splits

    def mark(image: Image) -> Image:
        digest = file_sha256(image.path)
        return image._replace(sha256=digest, decision=decisions.labels.get(digest, ""))

    return {split: {name: [*map(mark, images)] for name, images in classes.items()} for split, classes in splits.items()}


def arranged(splits: Splits) -> Splits:
    """Return the splits with train as people decided; images that came with another label are the last ones of their class.

    Test is not rearranged: a model is judged with the labels as delivered and as corrected.

    Raises:
        PipelineError: A class has no training image left.
    """
    train: dict[str, list[Image]] = {name: [] for name in splits["train"]}
    images = [image for _, _, image in images_of({"train": splits["train"]})]
    for image in sorted(images, key=lambda image: image.corrected):
        if image.label is not None:
            moved = Path(image.delivered) / image.within  # its name says where it came from
            train[image.label].append(image._replace(within=moved) if image.corrected else image)
    if emptied := [name for name, left in train.items() if not left]:
        raise PipelineError(
            f"The decisions of {LABELS} leave class {emptied[0]} without a training image; keep one, or remove the class."
        )
    return splits | {"train": train}


def counted(splits: Splits, decisions: Decisions) -> dict[str, int]:
    """Return the number of decisions, of images that they are about by kind, and of decisions that are about no image."""
    decided = [(split, image) for split, _, image in images_of(splits) if image.decision]
    labels = [image.label for split, image in decided if image.corrected and split == "train"]
    return {
        "decisions": len(decisions.on_labels),
        "relabelled": len(labels) - labels.count(None),
        "removed": labels.count(None),
        "test_corrected": sum(image.corrected for split, image in decided if split == "test"),
        "kept": sum(not image.corrected for _, image in decided),
        "without_image": len(decisions.on_labels) - len({image.sha256 for _, image in decided}),
    }


def write_decided(folder: Path, placed: Iterable[tuple[str, Image]]) -> None:
    """Write which images of a dataset have been decided on, and which labels of test are wrong, into its folder.

    Args:
        folder: The dataset's folder.
        placed: Every image with its key ``<split>/<class>/<name>``.
    """
    decided = [(key, image) for key, image in placed if image.decision]
    (folder / DECIDED).parent.mkdir()
    write_table(
        folder / DECIDED, DECIDED_COLUMNS, ((key, image.sha256, image.delivered, image.decision) for key, image in decided)
    )
    wrong = [(key, image) for key, image in decided if key.startswith("test/") and image.corrected]
    rows = ((key, image.delivered, image.label) for key, image in wrong)
    write_table(folder / CORRECTIONS, CORRECTIONS_COLUMNS, rows)
