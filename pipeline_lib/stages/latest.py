"""Where people find the last results of a flow on a dataset, ``latest/<flow>/<dataset>/``, and which model predicts."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from pipeline_lib.errors import PipelineError
from pipeline_lib.stages.champion import LINK, champion_of
from pipeline_lib.stages.history import write_used
from pipeline_lib.stages.publishing import MANIFEST
from pipeline_lib.stages.result import Ref, Summary
from pipeline_lib.stages.run import Run
from pipeline_lib.stages.shared_runs import share_run
from pipeline_lib.stages.store import Store


class TrainedModel(NamedTuple):
    """A model that can predict.

    Attributes:
        folder: Where it is.
        dataset: What it was trained on, by the name in ``latest/``; "" for a folder that somebody named.
        trained: When, in local time; None if its folder does not say.
        since: When it became the champion, in local time; None if there is no champion.
        embedded: Whether that dataset comes with the project, to try it out.
        others: Datasets that have a model of the same flow too.
    """

    folder: Path
    dataset: str
    trained: datetime | None
    since: datetime | None = None
    embedded: bool = False
    others: tuple[str, ...] = ()


def conclude(
    run: Run, headline: Callable[[Summary], str], figures: Ref, words: Mapping[str, str] = MappingProxyType({}), **kept: Ref
) -> dict[str, Any]:
    """Let ``latest/`` lead to the results that people look for, and return what a flow returns to its caller.

    Args:
        run: The run whose last stage was called.
        headline: Says in a few words what the figures come to.
        figures: The result whose summary is the run's figures.
        words: What else is said of the run, by name: ``data``, what the dataset is, if its name does not say it; ``looks``, how
            often its test set was looked at; ``champion``, what has become of the model. Empty ones are left out.
        **kept: Results by name: the ``report``, the ``model``, and the ``evaluation`` if figures are those of a classifier.

    Returns:
        ``stages`` (one row each) and, unless the run is only planned, ``metrics``, ``data``, ``headline``, the other words, and
        the path of each result that is kept: of its page, if it has one; ``remote``, what was wrong with the remote store, if
        anything was.
    """
    if run.planning:
        return {"stages": run.stages}
    keep_latest(run.store, run.flow, run.dataset, **kept)
    used = write_used(run.store.root, run.id, run.slot, run.results)
    metrics = figures.manifest().summary
    outcome = {"data": run.dataset, "headline": headline(metrics)}
    outcome |= {name: text for name, text in {**words, "remote": share_run(run.store, used)}.items() if text}
    paths = {name: str(ref.folder / ref.manifest().summary.get("html", "")) for name, ref in kept.items()}
    return {"stages": run.stages, "metrics": metrics, **outcome, **paths}


def keep_latest(store: Store, flow: str, dataset: str, **results: Ref) -> None:
    """Let ``latest/<flow>/<dataset>/<name>`` lead to each result. Datasets of one name share a place: the last run counts."""
    for name, ref in results.items():
        store.point(f"{slot_of(flow, dataset)}/{name}", ref)


def file_name(dataset: str) -> str:
    """Return a dataset's name as the name of a folder that is easy to type: letters, digits, ``.``, ``_`` and ``-``."""
    return re.sub(r"[^\w.-]+", "-", dataset).strip("-.") or "dataset"


def slot_of(flow: str, dataset: str) -> str:
    """Return the place of a flow on a dataset in ``latest/``, and among champions."""
    return f"{flow}/{file_name(dataset)}"


def named_model(folder: Path) -> TrainedModel:
    """Return the model in a folder that somebody named, be it there or not."""
    return TrainedModel(folder, "", _trained(folder))


def latest_model(root: Path, flow: str, dataset: str | None = None, *, embedded: Collection[str] = ()) -> TrainedModel:
    """Return the model that predicts when no folder is named: the dataset's champion, or its last model if it has none.

    A champion that is gone is not replaced by another model: the dataset has none until somebody appoints one.

    Args:
        root: The artifacts root.
        flow: Which flow has trained it.
        dataset: Name or path of the dataset it was trained on. Without one it is the model that was trained last on a dataset
            of the user's; one of an embedded dataset only when there is no other.
        embedded: Datasets that come with the project.

    Raises:
        PipelineError: There is no model, or none of that dataset.
    """
    place = root / "latest" / flow
    links = {folder.name: _in_use(folder) for folder in place.glob("*")}
    models = {
        name: TrainedModel(link, name, _trained(link), _since(root, f"{flow}/{name}"), name in embedded)
        for name, link in links.items()
        if link.is_dir()
    }
    if not models:
        raise PipelineError(
            f"There is no model at {place}; train one with 'garbage run --flow {flow}', or name its folder with --model"
        )
    chosen = _newest(models) if dataset is None else _of(dataset, models)
    return chosen._replace(others=tuple(sorted(models.keys() - {chosen.dataset})))


def _in_use(folder: Path) -> Path:
    """Return what leads to the model of a dataset that predicts."""
    return link if (link := folder / LINK).is_symlink() else folder / "model"


def _since(root: Path, slot: str) -> datetime | None:
    champion = champion_of(root, slot)
    return champion.when.astimezone().replace(tzinfo=None) if champion else None


def _newest(models: dict[str, TrainedModel]) -> TrainedModel:
    candidates = [model for model in models.values() if not model.embedded] or list(models.values())
    return max(candidates, key=lambda model: (model.trained or datetime.min, model.dataset))


def names_of(dataset: str) -> list[str]:
    """Return what the folder of a dataset in ``latest/`` may be called, if this is its name or its path."""
    path = Path(dataset).expanduser().resolve()
    return [file_name(name) for name in (dataset, path.stem if path.is_file() else path.name)]


def _of(dataset: str, models: dict[str, TrainedModel]) -> TrainedModel:
    for name in names_of(dataset):
        if name in models:
            return models[name]
    raise PipelineError(f"There is no model of the dataset {dataset}; there is one of {', '.join(sorted(models))}")


def _trained(folder: Path) -> datetime | None:
    """Return when a model was finished: results hold no dates, so that equal ones are equal, but their files have one."""
    try:
        return datetime.fromtimestamp((folder / MANIFEST).stat().st_mtime)
    except OSError:
        return None
