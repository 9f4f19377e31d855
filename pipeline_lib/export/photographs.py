"""The photographs that an export is compared on, and those of train that int8 is calibrated on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from pipeline_lib.audit.findings import read_groups
from pipeline_lib.data.corrections import FOLDER
from pipeline_lib.data.embedded import sample_pictures
from pipeline_lib.data.imagefolder import files_below
from pipeline_lib.errors import PipelineError
from pipeline_lib.export.source import Source
from pipeline_lib.images.read import ImageProblem, read_image
from pipeline_lib.stages.publishing import MANIFEST
from pipeline_lib.stages.result import Manifest, Ref, json_digest, read_manifest

MOST = 500
"""Photographs that an export is compared on; of more an even choice is taken, so that it takes minutes at most."""

EMBEDDED = 26
"""Pictures of the embedded sample, used where there are no photographs."""


@dataclass(frozen=True)
class Photograph:
    """A photograph, read when it is asked for.

    Attributes:
        key: What it is called, and drawn noise by.
        label: Its class; None where it is not known.
        source: What it shows: those of one source are right or wrong together.
        read: Returns it as an upright RGB image.
    """

    key: str
    label: str | None
    source: str
    read: Callable[[], Image.Image]


@dataclass(frozen=True)
class Photographs:
    """Photographs to compare on.

    Attributes:
        what: What they are, in words.
        judged: Those that are compared on, 1 to `MOST`.
        train: Those of the dataset's train; none where the dataset is not there any more.
    """

    what: str
    judged: tuple[Photograph, ...]
    train: tuple[Photograph, ...] = ()


def find_photographs(source: Source, stages: Path, folder: Path | None) -> Photographs:
    """Return the photographs to compare on: those of a folder, else test of the model's dataset, else the embedded sample.

    Args:
        source: The model.
        stages: A folder of results, to be searched beside the one that the model lies in.
        folder: Photographs of the user's; the name of a folder around one counts as its label if it is that of a class.

    Raises:
        PipelineError: There is no photograph in the folder.
    """
    there = _of_dataset(source, (source.folder.parents[1], stages))
    if folder:
        own = tuple(_of_folder(folder, source.head.spec.classes))
        if not own:
            raise PipelineError(f"There is no photograph in {folder}; name a folder with some by --photographs")
        return Photographs(f"photographs of {folder.name}", evenly(own, MOST), there.train if there else ())
    if there and there.judged:
        return there
    pictures = {f"{number}": picture for number, picture in enumerate(sample_pictures(EMBEDDED))}
    return Photographs(
        "pictures of the embedded sample, because the model's dataset is not there",
        tuple(Photograph(key, None, key, picture.copy) for key, picture in pictures.items()),
    )


def _of_folder(folder: Path, classes: Sequence[str]) -> list[Photograph]:
    known, found = {name.casefold(): name for name in classes}, []
    for path in files_below(folder):
        try:
            read_image(path)
        except ImageProblem:
            continue
        found.append(Photograph(str(path), known.get(path.parent.name.casefold()), str(path), partial(read_image, path)))
    return found


def _of_dataset(source: Source, stages: Sequence[Path]) -> Photographs | None:
    """Return the photographs of the dataset that a model's manifest names by content; None where it is not there."""
    try:
        inputs = read_manifest(source.folder).parts["inputs"]
    except (OSError, ValueError, KeyError):
        return None
    dataset = _result(stages, ("dataset", "split"), inputs.get("dataset"))
    if dataset is None:
        return None
    return photographs_of(dataset, _result(stages, ("sources",), inputs.get("sources")), source.dataset)


def photographs_of(dataset: Path, sources: Path | None, name: str) -> Photographs:
    """Return the photographs of a dataset: some of test to compare on, and all of train.

    Args:
        dataset: Its folder.
        sources: The folder of the result that says which photographs belong together; None where that is not known.
        name: What the dataset is called; "" if that is not known.
    """
    groups = read_groups(sources) if sources else {}

    def of(split: str) -> list[Photograph]:
        paths = [path.relative_to(dataset) for path in files_below(dataset / split)]
        named = [(path.as_posix(), path) for path in paths]
        return [
            Photograph(key, path.parts[1], str(groups.get(key, key)), partial(read_image, dataset / path))
            for key, path in named
        ]

    return Photographs(f"test photographs of {name or 'its dataset'}", evenly(of("test"), MOST), tuple(of("train")))


def _result(stages: Sequence[Path], names: Sequence[str], wanted: str | None) -> Path | None:
    """Return the folder of the result of a stage whose content is what a key has recorded of an input."""
    for path in (path for place in stages for name in names for path in sorted((place / name).glob(f"*/{MANIFEST}"))):
        try:
            manifest = read_manifest(path.parent)
        except (OSError, ValueError):
            continue
        if wanted in {json_digest([digest]) for digest in _digests(path.parent, manifest)}:
            return path.parent
    return None


def _digests(folder: Path, manifest: Manifest) -> tuple[str, str]:
    """Return the digests of a whole result and of it without the decisions on labels, either of which may be an input."""
    whole = Ref(stage=manifest.stage, key=manifest.key, digest=manifest.digest, path=str(folder))
    return whole.digest, whole.without(FOLDER).digest


def evenly(photographs: Sequence[Photograph], most: int) -> tuple[Photograph, ...]:
    """Return at most so many photographs, from beginning to end at even distances."""
    count = min(most, len(photographs))
    return tuple(photographs[number * len(photographs) // count] for number in range(count))
