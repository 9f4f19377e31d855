"""The stage contract, on the running product: reruns skip finished stages, and never lie."""

from __future__ import annotations

import random
import signal
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from support import CommandLine, Finished, draw_picture, link_results
from waiting import PATIENCE, Api, eventually

from pipeline_lib.reporting.formats import duration
from pipeline_lib.stages.result import read_manifest

STAGES = [
    "dataset",
    "backbone",
    "audit",
    "augment",
    "data_new",
    "features",
    "sources",
    "train",
    "cross_validate",
    "evaluate",
    "changes",
    "promote",
    "labels",
    "nights",
    "report",
]
VIEWS_OF_TRAIN = ["clean", "aug1"]
SHARDS_OF_FEATURES = 2 * len(VIEWS_OF_TRAIN) + 1 * len(["clean", "aug1", "aug2", "sigma25-angle0"])


def computed(finished: Finished) -> list[str]:
    return [name for name, status in finished.statuses.items() if status == "computed"]


def reasons(finished: Finished) -> set[str]:
    return {row["reason"] for row in finished.json["stages"]}


def digests(artifacts: Path) -> dict[str, set[str]]:
    """The digests of all results by stage."""
    manifests = [read_manifest(path.parent) for path in artifacts.glob("stages/*/*/manifest.json")]
    return {stage: {each.digest for each in manifests if each.stage == stage} for stage in STAGES}


def test_a_rerun_reuses_everything_and_a_setting_reruns_what_depends_on_it(
    garbage: CommandLine, tiny_dataset: Path, first: Finished
) -> None:
    assert computed(first) == STAGES
    assert reasons(first) == {"first run"}
    assert_report_times_every_stage(garbage, first)

    second = garbage.run(tiny_dataset)
    assert set(second.statuses.values()) == {"reused"}
    assert second.json["metrics"] == first.json["metrics"]
    assert second.stage("features")["reused"] == SHARDS_OF_FEATURES

    planned = garbage("status", "--json", "--dataset", tiny_dataset, train__label_smoothing=0.2)
    assert planned.statuses == {name: "stale" if name in STAGES[7:] else "reused" for name in STAGES}
    assert planned.stage("train")["reason"] == "setting `train.label_smoothing` 0.0 -> 0.2"
    assert planned.stage("report")["reason"] == "follows from `train`"

    third = garbage.run(tiny_dataset, train__label_smoothing=0.2)
    assert computed(third) == STAGES[7:]
    assert third.stage("train")["reason"] == "setting `train.label_smoothing` 0.0 -> 0.2"


def assert_report_times_every_stage(garbage: CommandLine, finished: Finished) -> None:
    """The table of stages has those that the report follows, in their order, and their times add up."""
    text = Path(finished.json["report"]).with_suffix(".md").read_text(encoding="utf-8")
    table = text[text.index("| stage | time |") :].partition("\n\n")[0].splitlines()[2:]
    assert [line.split("|")[1].strip().replace("\\", "") for line in table] == STAGES[:-1]
    manifests = [read_manifest(path.parent) for path in garbage.artifacts.glob("stages/*/*/manifest.json")]
    seconds = sum(each.seconds for each in manifests if each.stage in STAGES[:-1])
    assert any(f"{duration(shown)} in all" in text for shown in (seconds - 0.005, seconds, seconds + 0.005))  # by rounding


HEAVY = {"mindspore", "onnxruntime", "matplotlib", "sklearn", "pandas", "scipy", "cv2", "faiss"}


def imported(finished: Finished) -> set[str]:
    """The top packages that a command imported, of those that take long."""
    lines = [line.rsplit("|", 1)[1].strip() for line in finished.err.splitlines() if line.startswith("import time:")]
    return {name.partition(".")[0] for name in lines} & HEAVY


def test_what_computes_nothing_imports_no_heavy_library(garbage: CommandLine, tiny_dataset: Path, first: Finished) -> None:
    garbage.environment["PYTHONPROFILEIMPORTTIME"] = "1"
    assert imported(garbage.run(tiny_dataset, evaluate__mistakes=1)) >= {"sklearn", "matplotlib"}
    assert imported(garbage.run(tiny_dataset, evaluate__mistakes=1)) == set()
    assert imported(garbage("status", "--dataset", tiny_dataset)) == set()
    assert imported(garbage("--help")) == set()


def test_prefect_shows_every_reused_stage_as_cached(garbage: CommandLine, tiny_dataset: Path, first: Finished) -> None:
    garbage.run(tiny_dataset)
    wanted = len(STAGES) - 2 + 3 + SHARDS_OF_FEATURES  # augment and features are mapped over shards
    api = Api(garbage.environment["PREFECT_API_URL"])
    run = api.last_run()["id"]

    def states() -> list[str]:
        return [task["state_name"] for task in api.tasks(run) if task["name"] != "source"]  # it is asked anew in every run

    # The server takes states and logs from a queue.
    eventually(states, lambda names: len(names) == wanted and set(names) == {"Cached"})
    artifacts = api.post("/artifacts/filter", {"flow_runs": {"id": {"any_": [run]}}})

    def messages() -> list[str]:
        of_the_log = {"logs": {"flow_run_id": {"any_": [run]}}, "limit": 200}
        return [entry["message"] for entry in api.post("/logs/filter", of_the_log)]

    eventually(messages, lambda lines: sum(line.endswith("s: nothing changed") for line in lines) == len(STAGES))
    assert {artifact["key"] for artifact in artifacts} == {f"garbage-finetune-{stage.replace('_', '-')}" for stage in STAGES}


def test_edits_rerun_the_stages_that_reach_the_edited_code_and_no_others(
    garbage: CommandLine, tiny_dataset: Path, first: Finished
) -> None:
    garbage.edit("pipeline_lib/views/augment.py", "    area, x, y", "    # seven numbers in one go\n    area, x, y")
    garbage.edit("pipeline_lib/training/loop.py", '"""', '"""Edited: ')
    assert set(garbage.run(tiny_dataset).statuses.values()) == {"reused"}

    garbage.edit("pipeline_lib/reporting/headline.py", 'f"Noisy views{where}"', 'f"Edited views{where}"')
    report_only = garbage.run(tiny_dataset)
    assert computed(report_only) == ["report"]
    edited = "nothing changed, shown anew: code changed: `pipeline_lib/reporting/headline.py`"
    assert report_only.stage("evaluate")["reason"] == edited
    assert report_only.stage("report")["reason"] == "input `evaluate` changed"

    garbage.edit("pipeline_lib/views/augment.py", '"quality": 95', '"quality": 90')
    augmented = garbage.run(tiny_dataset)
    assert computed(augmented) == ["augment", "data_new", "features", *STAGES[7:]]
    assert augmented.stage("augment")["reason"] == "code changed: `pipeline_lib/views/augment.py`"
    assert augmented.stage("train")["reason"] == "input `features` changed"


@pytest.mark.acceptance
def test_how_files_are_downloaded_and_where_weights_come_from_changes_no_result(
    garbage: CommandLine, tiny_dataset: Path, first: Finished
) -> None:
    garbage.edit("pipeline_lib/files/fetch.py", "ATTEMPTS = 6", "ATTEMPTS = 7")
    garbage.edit("pipeline_lib/files/packages.py", "TIMEOUT = 900", "TIMEOUT = 901")
    assert set(garbage.run(tiny_dataset).statuses.values()) == {"reused"}

    garbage.edit("pipeline_lib/weights/sources.py", "64 * 1024 * 1024", "65 * 1024 * 1024")
    assert computed(garbage.run(tiny_dataset)) == ["backbone"]


@pytest.mark.acceptance
def test_code_edited_while_a_run_is_going_counts_from_the_next_run_on(
    garbage: CommandLine, tiny_dataset: Path, finished: tuple[Path, Finished]
) -> None:
    undisturbed, _ = finished
    process = garbage.start("run", "--json", "--dataset", tiny_dataset)
    wait_until_it_begins(garbage, "backbone", process)
    # A module that is imported later, source that MindSpore reads when it compiles, and a template.
    garbage.edit("pipeline_lib/views/augment.py", '"quality": 95', '"quality": 90')
    garbage.edit("pipeline_lib/models/layers.py", "relu6(self.bn(", "relu6(0.9 * self.bn(")
    garbage.edit("pipeline_lib/reporting/pages/templates/report.html.j2", "<title>", "<title>EDITED ")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert digests_by_key(garbage.artifacts) == digests_by_key(undisturbed)
    assert "EDITED" not in Path(Finished(0, out, err).json["report"]).read_text(encoding="utf-8")

    after = garbage.run(tiny_dataset)
    assert computed(after) == [stage for stage in STAGES if stage not in ("dataset", "audit")]
    assert "EDITED" in Path(after.json["report"]).read_text(encoding="utf-8")


def digests_by_key(artifacts: Path) -> dict[str, str]:
    """The digest of every result, but of those that tell when the run was and how long its stages took."""
    manifests = [read_manifest(path.parent) for path in artifacts.glob("stages/*/*/manifest.json")]
    return {f"{each.stage}/{each.key}": each.digest for each in manifests if each.stage in STAGES[:-2]}


def test_a_missing_or_truncated_output_is_noticed_and_repaired(
    garbage: CommandLine, tiny_dataset: Path, first: Finished
) -> None:
    next(garbage.artifacts.glob("stages/features/*/features.npy")).unlink()
    report = Path(first.json["report"])
    size = report.stat().st_size
    overwrite(report, report.read_bytes()[:100])

    repaired = garbage.run(tiny_dataset)
    assert computed(repaired) == ["features", "report"]
    assert repaired.stage("features")["computed"] == 1
    assert repaired.stage("features")["reason"] == "output missing: `features.npy`"
    assert repaired.stage("report")["reason"] == f"output changed: `report.html` has 100 bytes, recorded {size:,}"
    assert repaired.json["metrics"] == first.json["metrics"]
    assert set(garbage.run(tiny_dataset, "--verify").statuses.values()) == {"reused"}


def test_one_added_image_recomputes_one_shard_of_each_view(garbage: CommandLine, tiny_dataset: Path, first: Finished) -> None:
    draw_picture((10, 200, 30), np.random.default_rng(99)).save(tiny_dataset / "train" / "Cans" / "new.png")
    added = garbage.run(tiny_dataset)
    assert added.stage("dataset")["reason"] == "input `source` changed"
    assert (added.stage("augment")["computed"], added.stage("augment")["reused"]) == (1, 2)
    assert added.stage("features")["computed"] == len(VIEWS_OF_TRAIN)
    assert added.stage("features")["reused"] == SHARDS_OF_FEATURES - len(VIEWS_OF_TRAIN)
    assert added.stage("features")["reason"] == "input `images` changed"
    assert images_computed(garbage.artifacts, "augment") == [1]
    assert images_computed(garbage.artifacts, "features") == [1] * len(VIEWS_OF_TRAIN)


def images_computed(artifacts: Path, stage: str) -> list[int]:
    """How many images each result that did not compute all of its images has computed."""
    summaries = [read_manifest(path.parent).summary for path in artifacts.glob(f"stages/{stage}/*/manifest.json")]
    return [summary["computed"] for summary in summaries if summary["computed"] < summary["images"]]


@pytest.mark.acceptance
def test_damaged_files_are_not_taken_over_by_other_results(
    garbage: CommandLine, tiny_dataset: Path, tmp_path: Path, finished: tuple[Path, Finished]
) -> None:
    draw_picture((10, 200, 30), np.random.default_rng(99)).save(tiny_dataset / "train" / "Cans" / "new.png")
    anew = CommandLine(tmp_path / "anew", garbage.environment, garbage.source)
    anew.run(tiny_dataset)
    expected = digests_by_key(anew.artifacts)
    for options in ([], ["--verify"]):
        garbage.artifacts = tmp_path / "-".join(["damaged", *options])
        link_results(finished[0], garbage.artifacts)
        damage(garbage.artifacts)
        known = digests_by_key(garbage.artifacts)
        garbage("run", "--dataset", tiny_dataset, *options)
        fresh = {name: digest for name, digest in digests_by_key(garbage.artifacts).items() if name not in known}
        assert {name.partition("/")[0] for name in fresh} >= {"augment", "dataset"}
        assert {name: expected[name] for name in fresh} == fresh
    assert set(garbage.run(tiny_dataset, "--verify").statuses.values()) == {"reused"}


def damage(artifacts: Path) -> None:
    """Give files that other results would be made of other bytes, of the same number."""
    for file in artifacts.glob("stages/augment/*/aug1/Cans/*.jpg"):
        overwrite(file, bytes(file.stat().st_size))
    for file in artifacts.glob("stages/features/*/features.npy"):
        overwrite(file, file.read_bytes()[:-1] + b"?")


def overwrite(file: Path, content: bytes) -> None:
    file.unlink()  # other tests share what it held
    file.write_bytes(content)


def test_a_look_at_results_that_are_not_there_writes_nothing(garbage: CommandLine, tiny_dataset: Path) -> None:
    assert garbage("status", "--dataset", tiny_dataset).code == 0
    assert not garbage.artifacts.exists()


@pytest.mark.acceptance
def test_what_is_taken_from_a_predecessor_has_the_bytes_of_what_is_computed(
    garbage: CommandLine, tiny_dataset: Path, tmp_path: Path, first: Finished
) -> None:
    train = tiny_dataset / "train"
    (train / "Cans" / "000.png").rename(train / "Paper" / "moved.png")
    (train / "Battery" / "001.png").unlink()
    draw_picture((10, 200, 30), np.random.default_rng(99)).save(train / "Battery" / "new.png")
    step_by_step = garbage.run(tiny_dataset)
    assert images_computed(garbage.artifacts, "features") != []

    garbage.artifacts = tmp_path / "others"
    at_once = garbage.run(tiny_dataset)
    assert images_computed(garbage.artifacts, "features") == []
    assert at_once.json["metrics"] == step_by_step.json["metrics"]
    assert at_once.stage("train")["key"] == step_by_step.stage("train")["key"]


def test_two_cold_runs_at_once_compute_each_stage_once_and_have_the_digests_and_metrics_of_a_run_alone(
    garbage: CommandLine, tiny_dataset: Path, finished: tuple[Path, Finished]
) -> None:
    processes = [garbage.start("run", "--json", "--dataset", tiny_dataset) for _ in range(2)]
    both = [
        Finished(process.returncode, *output) for process in processes for output in [process.communicate(timeout=PATIENCE)]
    ]
    assert [each.code for each in both] == [0, 0], both[0].err + both[1].err
    for stage in STAGES:
        shares = [each.stage(stage).get("computed", int(each.stage(stage)["status"] == "computed")) for each in both]
        assert sum(shares) == len(list(garbage.artifacts.glob(f"stages/{stage}/*/manifest.json"))), (stage, shares)
    artifacts, alone = finished
    assert [each.json["metrics"] for each in both] == [alone.json["metrics"]] * 2
    assert digests_by_key(garbage.artifacts) == digests_by_key(artifacts)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.acceptance) for seed in (2, 3))])
def test_a_killed_run_leaves_nothing_that_is_mistaken_for_a_result(
    garbage: CommandLine, tiny_dataset: Path, finished: tuple[Path, Finished], seed: int
) -> None:
    undisturbed, expected = finished
    generator = random.Random(seed)
    for stage in generator.sample(STAGES, 2):
        kill_when_it_begins(garbage, tiny_dataset, stage)
    rerun = garbage.run(tiny_dataset)
    assert rerun.json["metrics"] == expected.json["metrics"]
    same = STAGES[:-2]  # the others tell when the run was and how long its stages took
    assert {stage: digests(garbage.artifacts)[stage] for stage in same} == {
        stage: digests(undisturbed)[stage] for stage in same
    }


def test_a_training_killed_before_its_result_was_in_place_ends_with_the_same_result(
    garbage: CommandLine, tiny_dataset: Path, first: Finished
) -> None:
    (manifest,) = garbage.artifacts.glob("stages/train/*/manifest.json")
    before = read_manifest(manifest.parent)
    manifest.parent.rename(manifest.parent.with_suffix(".partial"))  # all is written and read-only; only the rename is missing
    again = garbage.run(tiny_dataset)
    assert computed(again) == ["train"]
    assert read_manifest(manifest.parent).outputs == before.outputs
    assert set(garbage.run(tiny_dataset).statuses.values()) == {"reused"}


def kill_when_it_begins(garbage: CommandLine, dataset: Path, stage: str) -> None:
    """Start a run and kill it with SIGKILL once the stage's unfinished folder is there (or the run is over)."""
    process = garbage.start("run", "--json", "--dataset", dataset)
    if wait_until_it_begins(garbage, stage, process):
        process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE)


def wait_until_it_begins(garbage: CommandLine, stage: str, process: subprocess.Popen[str]) -> bool:
    """Wait until the stage's unfinished folder is there; False if the run was over before."""
    pause = threading.Event()
    while process.poll() is None:
        if list(garbage.artifacts.glob(f"stages/{stage}/*.partial")):
            return True
        pause.wait(0.005)
    return False
