"""Stage ``leaderboard``: the trials of a sweep, ranked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline_lib.stages.result import Ref, Summary
from tasks.contract.stage import stage


@stage("leaderboard")
def leaderboard_stage(
    folder: Path,
    *,
    dataset: Ref,
    trained: Sequence[Ref],
    cross_validated: Sequence[Ref],
    about: str,
    trials: Sequence[Mapping[str, Any]],
    seeds: Sequence[int],
    rank_by: str,
    confidence: float,
) -> Summary:
    """Rank the trials by their out-of-fold figures; keep the settings of the best one and the curves of all.

    ``trained`` has a training of each trial, ``cross_validated`` a cross-validation of each trial and seed, the seeds of a
    trial together. ``trials`` has the ``name`` of each one, the ``changes`` that it makes, and all ``settings`` of its first
    run that are not the default. ``about`` says what is compared; it is shown above the figures.
    """
    from pipeline_lib.evaluation.leaderboard import Entrant, write_leaderboard
    from pipeline_lib.evaluation.out_of_fold import read_out_of_fold
    from pipeline_lib.files.links import link_or_copy
    from pipeline_lib.settings.file import settings_text

    classes = dataset.manifest().summary["classes"]
    judged = [read_out_of_fold(ref.folder, classes) for ref in cross_validated]
    own = [judged[number : number + len(seeds)] for number in range(0, len(judged), len(seeds))]
    entrants = [Entrant(trial["name"], trial["changes"], runs) for trial, runs in zip(trials, own, strict=True)]
    summary = write_leaderboard(folder, entrants, rank_by, seeds, confidence)
    settings = {trial["name"]: trial["settings"] for trial in trials}
    (folder / "best.yaml").write_text(settings_text(settings[summary["best"]]), encoding="utf-8")
    (folder / "curves").mkdir()
    for trial, ref in zip(trials, trained, strict=True):
        link_or_copy(ref.kept.intact("history.csv"), folder / "curves" / f"{trial['name']}.csv")
    seconds = {trial["name"]: ref.manifest().seconds for trial, ref in zip(trials, trained, strict=True)}
    return summary | {"about": about, "seconds": seconds}
