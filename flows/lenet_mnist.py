"""The flow ``lenet-mnist``: from small grey images to LeNet-5, trained from scratch, evaluated, and a report."""

from __future__ import annotations

from typing import Any

from prefect import flow

from pipeline_lib.data.sources import Source
from pipeline_lib.mnist.dataset import resolve
from pipeline_lib.settings.sections import LenetSettings
from pipeline_lib.stages.latest import keep_latest
from pipeline_lib.stages.run import Run, running
from pipeline_lib.stages.store import Ref
from tasks.contract.endings import ends_in_words, run_name
from tasks.contract.source import find_source
from tasks.contract.stopping import stop_within
from tasks.lenet.dataset import dataset_stage
from tasks.lenet.evaluate import evaluate_stage
from tasks.lenet.report import report_stage
from tasks.lenet.train import train_stage


@flow(name="lenet-mnist", flow_run_name=run_name)
@ends_in_words
def lenet_mnist(dataset: str | None = None, settings: LenetSettings = LenetSettings()) -> dict[str, Any]:  # noqa: B008  # immutable
    """Train LeNet-5 on a dataset of small grey images; stages that are finished are reused.

    Args:
        dataset: ``mnist``, ``digits`` (embedded), or the path of a folder with IDX files, of an image folder or of a zip file;
            None for MNIST, or ``digits`` where MNIST cannot be had.
        settings: All settings.

    Returns:
        ``stages`` (one row each), ``dataset`` (what it is, in words), ``metrics``, and the paths of ``report`` and ``model``.
    """
    stop_within()
    with running(settings.stage_minutes) as run:
        source = find_source(resolve, dataset, fetch=not run.planning)
        run.slot = f"lenet/{source.name}"
        data = dataset_stage(source=source, **_limits(source, settings))
        model = train_stage(dataset=data, network=settings.network, train=settings.train, seed=settings.seed)
        scores = evaluate_stage(dataset=data, model=model, evaluate=settings.evaluate, seed=settings.seed)
        report = report_stage(**run.shown, name=source.name, kind=source.kind)
        return _results(run, source, data, model, scores, report)


def _limits(source: Source, settings: LenetSettings) -> dict[str, Any]:
    """Return the limits on datasets; what is complete as it is depends on none."""
    return {} if source.kind in ("mnist", "idx") else {"data": settings.data}


def _results(run: Run, source: Source, data: Ref, model: Ref, scores: Ref, report: Ref) -> dict[str, Any]:
    """Return what the flow tells its caller, and let ``latest/`` lead to the results that people look for."""
    if run.planning:
        return {"stages": run.stages}
    keep_latest(run.store, "lenet-mnist", source.name, model=model, evaluation=scores, report=report)
    return {
        "stages": run.stages,
        "dataset": data.manifest().summary["what"],
        "metrics": scores.manifest().summary,
        "report": str(report.folder / "report.html"),
        "model": str(model.folder),
    }
