"""The flow ``garbage-sweep``: settings compared by out-of-fold figures, without a look at the test set."""

from __future__ import annotations

from functools import partial
from typing import Any

from prefect import flow

from flows.garbage_finetune import Prepared, compute_features, cross_validate, draw_views, train
from pipeline_lib.data.source import Source
from pipeline_lib.data.sources import resolve
from pipeline_lib.settings.load import changed_settings
from pipeline_lib.settings.sections import (
    CrossValidateSettings,
    EvaluateSettings,
    Settings,
    SweepSettings,
    TrainSettings,
    TuneSettings,
)
from pipeline_lib.settings.sweep import Sweep, Trial, read_sweep
from pipeline_lib.stages.latest import conclude
from pipeline_lib.stages.result import Ref, Summary
from pipeline_lib.stages.run import Run, running
from tasks.contract.endings import ends_in_words, run_name
from tasks.contract.engine import THREADS
from tasks.contract.retention import keep_last
from tasks.contract.source import find_source
from tasks.sweep.leaderboard import leaderboard_stage
from tasks.sweep.report import report_stage

DATASET = "sample"


@flow(name="garbage-sweep", flow_run_name=run_name, task_runner=THREADS)
@ends_in_words
def garbage_sweep(dataset: str | None = None, settings: SweepSettings = SweepSettings()) -> dict[str, Any]:  # noqa: B008  # immutable
    """Compare settings on a dataset of photographs: each trial is trained and cross-validated, and none sees a test figure.

    Args:
        dataset: ``sample`` (synthetic, embedded), ``data_en`` (the official archive), or the path of a folder or zip file;
            None for the one that the sweep names, else ``sample``.
        settings: What all trials have in common, and the sweep.

    Returns:
        See ``conclude``; ``best`` is the path of the best trial's settings.
    """
    sweep = read_sweep(settings.sweep, settings)
    find = partial(find_source, resolve, dataset or sweep.dataset or DATASET)
    with running(garbage_sweep.name, find, settings.stage_minutes) as (run, source):
        prepared: dict[Settings, Prepared] = {}
        trained: list[Ref] = []
        judged: list[Ref] = []
        for trial in sweep.trials:
            for seed in sweep.seeds:
                chosen = trial.seeded(seed)
                with run.working_on(f"{trial.name} seed {seed}" if len(sweep.seeds) > 1 else trial.name):
                    if (needed := _without_training(chosen)) not in prepared:
                        prepared[needed] = _prepare(run, source, chosen)
                    if seed == sweep.seeds[0]:
                        trained.append(train(prepared[needed], chosen))
                    judged.append(cross_validate(prepared[needed], chosen))
        data = next(iter(prepared.values())).data
        board = leaderboard_stage(
            dataset=data,
            trained=trained,
            cross_validated=judged,
            about=sweep.about,
            trials=[_described(trial, sweep) for trial in sweep.trials],
            seeds=sweep.seeds,
            rank_by=sweep.rank_by,
            confidence=settings.evaluate.confidence,
        )
        report = report_stage(name=source.name, sweep=sweep.name, leaderboard=run.shown["leaderboard"])
        results = conclude(run, _headline, board, leaderboard=board, report=report)
    keep_last(run, settings.retention.keep)
    return results if run.planning else {**results, "best": str(board.folder / "best.yaml")}


def _without_training(settings: Settings) -> Settings:
    """Return settings that are equal where the same views, features and sources serve for both."""
    later = {"train": TrainSettings(), "cross_validate": CrossValidateSettings(), "evaluate": EvaluateSettings()}
    tune = TuneSettings(freeze=settings.tune.freeze)  # where the backbone is cut, not how its tail is trained
    return settings.model_copy(update={**later, "tune": tune})


def _prepare(run: Run, source: Source, settings: Settings) -> Prepared:
    """Compute all that a trial trains on; the views of the robustness grid are for test alone."""
    drawn = draw_views(run, source, settings)
    views = {each: images for each, images in drawn.views(settings).items() if each.view.kind != "grid"}
    return compute_features(drawn, views, settings)


def _described(trial: Trial, sweep: Sweep) -> dict[str, Any]:
    settings = changed_settings(trial.seeded(sweep.seeds[0]))
    return {"name": trial.name, "changes": dict(trial.changes), "settings": settings}


def _headline(summary: Summary) -> str:
    figure = summary["figure"]
    views = {"clean": "", "noisy": ", noisy", "mean": ", mean of clean and noisy"}[summary["rank_by"]]
    value, low, high = (100 * figure[name] for name in ("value", "low", "high"))
    top1 = f"{value:.1f}% ({low:.1f} to {high:.1f})"
    return f"best of {summary['trials']}: {summary['best']}, top-1 {top1} on sources never seen{views}"
