"""Decisions on labels, on the running product: a changed decision reruns what depends on it and nothing else."""

from __future__ import annotations

from pathlib import Path

from support import CommandLine, Finished

from pipeline_lib.files.digest import file_sha256
from pipeline_lib.files.table import read_table
from pipeline_lib.labels.listed import SUSPECTS
from pipeline_lib.labels.record import record
from pipeline_lib.stages.result import read_manifest

VIEWS_OF_TRAIN = ["clean", "aug1"]


def decide(dataset: Path, image: str, label: str) -> None:
    record(dataset / "labels.csv", [file_sha256(dataset / image)], label)


def computed(finished: Finished) -> set[str]:
    return {name for name, status in finished.statuses.items() if status == "computed"}


def summaries(artifacts: Path, stage: str, run: Finished) -> list[dict[str, int]]:
    """The summaries of the shards that a run computed."""
    manifests = [read_manifest(path.parent) for path in artifacts.glob(f"stages/{stage}/*/manifest.json")]
    return [each.summary for each in manifests if each.reason == run.stage(stage)["reason"] != "first run"]


def suspected(artifacts: Path, run: Finished) -> list[str]:
    return [row["image"] for row in read_table(artifacts / "stages/labels" / run.stage("labels")["key"] / SUSPECTS)]


def test_a_decision_reruns_what_depends_on_it_and_nothing_else(
    garbage: CommandLine, tiny_dataset: Path, first: Finished
) -> None:
    before = suspected(garbage.artifacts, first)
    decide(tiny_dataset, before[0], "keep")
    kept = garbage.run(tiny_dataset)
    assert computed(kept) == {"dataset", "labels", "report"}
    assert kept.stage("dataset")["reason"] == "input `decisions` changed"
    assert suspected(garbage.artifacts, kept) == before[1:]  # a person has looked: it is never asked again

    decide(tiny_dataset, "test/Cans/000.png", "Paper")
    corrected = garbage.run(tiny_dataset)
    judged = {"cross_validate", "evaluate", "changes", "promote", "labels", "nights", "report"}
    assert computed(corrected) == {"dataset", *judged}
    assert corrected.stage("evaluate")["reason"].startswith("input `corrections` changed")
    assert corrected.json["metrics"]["test"] == first.json["metrics"]["test"]
    assert corrected.json["metrics"]["test_corrected"]["images"] == 9

    decide(tiny_dataset, "train/Cans/001.png", "Paper")
    moved = garbage.run(tiny_dataset)
    assert computed(moved) == set(moved.statuses) - {"backbone"}
    for stage, shards, all_shards in (("augment", 1, 3), ("features", len(VIEWS_OF_TRAIN), 8)):
        assert (moved.stage(stage)["computed"], moved.stage(stage)["reused"]) == (shards, all_shards - shards)
        assert [each["computed"] for each in summaries(garbage.artifacts, stage, moved)] == [0] * shards

    decide(tiny_dataset, "train/Cans/001.png", "Paper")
    assert computed(garbage.run(tiny_dataset)) == set()  # decided again, by somebody else or later: the same decision
