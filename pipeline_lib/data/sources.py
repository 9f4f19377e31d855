"""Where a dataset's bytes come from: the table of kinds, and a dataset found by what the user typed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline_lib.data.embedded import SAMPLE
from pipeline_lib.data.kinds import archive, folder, remote
from pipeline_lib.data.labels_file import labels_file, read_decisions
from pipeline_lib.data.source import Kind, Source
from pipeline_lib.errors import PipelineError, nearest

KINDS: tuple[Kind, ...] = (folder, archive, remote)
"""What there is. A new kind of place is a module of ``data/kinds`` and its name here."""


def resolve(dataset: str, *, downloads: Path) -> Source:
    """Find a dataset by name or path.

    A name goes before a folder of the same name in the working directory; ``./data_en`` means the folder.

    Args:
        dataset: ``sample``, ``data_en``, or the path of a folder or zip archive.
        downloads: Folder of earlier downloads.

    Raises:
        PipelineError: There is no such name or path, it is of none of the kinds, a folder is no dataset
            (see `imagefolder.scan`), or a remote dataset is out of reach and was never downloaded.
    """
    return _identified(*_recognised(dataset, downloads))


def resolve_path(dataset: str, *, downloads: Path, names: Sequence[str]) -> Source:
    """Find a dataset by path alone; ``names`` are what else may be given. See `resolve` for the errors."""
    path = str(Path(dataset).expanduser().absolute()) if dataset else ""
    for kind in KINDS:
        if place := kind.place(path, downloads):
            return _identified(kind, place)
    raise _no_dataset(dataset, names)


def place_of(dataset: str, *, downloads: Path) -> Path:
    """Return the folder or archive that decisions on the labels of a dataset are about; an archive may not be there yet.

    Raises:
        PipelineError: The dataset is embedded and takes no decisions, or there is no such name or path.
    """
    _, place = _recognised(dataset, downloads)
    if place == SAMPLE.resolve():
        raise PipelineError("The embedded sample takes no decisions on labels; name a dataset of your own.")
    return place


def _no_dataset(dataset: str, names: Sequence[str]) -> PipelineError:
    """Return the error for what is neither one of some names nor a path of any kind."""
    paths = [kind.PATHS for kind in KINDS if kind.PATHS]
    path = Path(dataset).expanduser()
    if dataset and path.exists():
        return PipelineError(f"{path.resolve()} is neither a {' nor a '.join(paths)}; give one with train/<class>/ in it.")
    near = nearest(dataset, names)
    hint = f"did you mean {near}?" if near else f"give {', '.join(names)}, or the path of a {' or '.join(paths)}."
    return PipelineError(f"There is no dataset {dataset!r}: {hint}")


def _recognised(dataset: str, downloads: Path) -> tuple[Kind, Path]:
    """Return the kind of a dataset and its place."""
    named = [kind for kind in KINDS if dataset in kind.NAMES]
    for kind in named or KINDS:
        if place := kind.place(dataset, downloads):
            return kind, place
    raise _no_dataset(dataset, [name for kind in KINDS for name in kind.NAMES])


def _identified(kind: Kind, place: Path) -> Source:
    return kind.identify(place).model_copy(update={"decisions": read_decisions(labels_file(place))})
