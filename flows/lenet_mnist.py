"""The flow ``lenet-mnist``: from small grey images to LeNet-5, trained from scratch, evaluated, and a report."""

from __future__ import annotations

from typing import Any

from prefect import flow

from pipeline_lib.mnist.source import ArraySource
from pipeline_lib.mnist.sources import resolve
from pipeline_lib.settings.sections import LenetSettings
from pipeline_lib.stages.latest import conclude
from pipeline_lib.stages.run import Run, running
from tasks.contract.endings import ends_in_words, run_name, top1
from tasks.contract.looks import count_look, looked_at
from tasks.contract.source import find_source
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
            None for MNIST, or ``digits`` if MNIST cannot be downloaded.
        settings: All settings.

    Returns:
        See ``conclude``.
    """

    def find(run: Run) -> ArraySource:
        return find_source(resolve, dataset, run, fetch=not run.planning)

    with running(lenet_mnist.name, find, settings.stage_minutes) as (run, source):
        read = {"data": settings.data, "decisions": source.decisions}
        data = dataset_stage(source=source, **{name: read[name] for name in source.needs})
        model = train_stage(dataset=data, network=settings.network, train=settings.train, seed=settings.seed)
        scores = evaluate_stage(dataset=data, model=model, evaluate=settings.evaluate, seed=settings.seed)
        looks = count_look(run, data.part("test"), scores, settings)
        report = report_stage(**run.shown, name=source.title, looks=looks)
        kept = {"model": model, "evaluation": scores, "report": report}
        return conclude(run, top1, scores, {"data": source.what, "looks": looked_at(looks)}, **kept)
