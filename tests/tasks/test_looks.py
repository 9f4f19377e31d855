"""Looks at test sets are counted across runs and processes, and a plan counts without writing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE

from pipeline_lib.evaluation.looks import LEDGER, read_ledger
from pipeline_lib.settings.sections import Settings, TrainSettings
from pipeline_lib.stages.key import plan
from pipeline_lib.stages.result import Ref
from pipeline_lib.stages.run import Run
from pipeline_lib.stages.store import Store
from tasks.contract.looks import count_look, looked_at

FIGURES = {"top1": 0.9, "top1_low": 0.82, "top1_high": 0.95, "images": 98, "n_effective": 96.5, "macro_f1": 0.9}
MANY = """
import sys
from pipeline_lib.settings.sections import Settings
from pipeline_lib.stages.result import Ref
from pipeline_lib.stages.run import Run
from tasks.contract.looks import count_look

test, evaluation = map(Ref.model_validate_json, sys.argv[1:3])
for number in range(int(sys.argv[3])):
    count_look(Run("garbage-finetune", "pictures"), test, evaluation, Settings())
print("counted", flush=True)
input()
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("GARBAGE_ARTIFACTS", str(tmp_path / "artifacts"))
    return Store()


def result(store: Store, stage: str, file: str, text: str, summary: dict[str, Any] | None = None) -> Ref:
    def write(folder: Path) -> dict[str, Any]:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)
        return summary or {}

    return store.build(plan(stage, "slot", f"tasks.finetune.{stage}", {"text": text}), "first run", "run", write)


@pytest.fixture
def test(store: Store) -> Ref:
    """The test images of a dataset."""
    return result(store, "dataset", "test/Cans/0.jpg", "a picture").part("test/")


@pytest.fixture
def judge(store: Store) -> Callable[[str], Ref]:
    """Evaluate a model that says this."""
    return lambda said: result(store, "evaluate", "predictions.csv", said, {"test_without_leaks": FIGURES})


def run(**options: Any) -> Run:
    return Run("garbage-finetune", "pictures", **options)


def test_a_run_is_a_row_and_what_it_shows_again_is_no_further_look(
    store: Store, test: Ref, judge: Callable[[str], Ref]
) -> None:
    changed = Settings(train=TrainSettings(views="clean", epochs=50))
    shown = [("first", Settings()), ("second", changed), ("first", Settings())]
    counts = [count_look(run(), test, judge(said), settings) for said, settings in shown]
    assert [(looks.times, looks.settings) for looks in counts if looks] == [(1, 1), (2, 2), (2, 2)]
    rows = read_ledger(store.root / LEDGER)
    assert len({row.run for row in rows}) == 3
    assert {row.evaluation for row in rows} == {judge("first").key, judge("second").key}
    assert [json.loads(row.settings) for row in rows] == [{}, {"train.epochs": 50, "train.views": "clean"}, {}]
    assert {name: getattr(rows[0], name) for name in FIGURES if name != "macro_f1"}.items() <= FIGURES.items()


def test_a_dataset_may_be_called_as_it_likes(store: Store, test: Ref, judge: Callable[[str], Ref]) -> None:
    count_look(Run("garbage-finetune", 'my\r\n"photos", 垃圾'), test, judge("said"), Settings())
    count_look(run(), test, judge("said"), Settings())
    assert [row.dataset for row in read_ledger(store.root / LEDGER)] == ['my "photos", 垃圾', "pictures"]


def test_a_test_set_whose_images_all_leak_has_no_figure(store: Store, test: Ref) -> None:
    evaluation = result(store, "evaluate", "predictions.csv", "said", {"test_without_leaks": None})
    assert looked_at(count_look(run(), test, evaluation, Settings())) == (
        "This test set has been looked at once; 1 setting compared."
    )
    assert read_ledger(store.root / LEDGER)[0].top1 is None


def test_figures_on_sources_never_seen_are_noted_where_there_are_any(store: Store, test: Ref) -> None:
    figures = {"test_without_leaks": FIGURES, "unseen": {**FIGURES, "top1": 0.86}}
    for said, summary in (("first", figures), ("second", {**figures, "unseen": None})):
        count_look(run(), test, result(store, "evaluate", "predictions.csv", said, summary), Settings())
    assert [row.unseen_top1 for row in read_ledger(store.root / LEDGER)] == [0.86, None]


def test_a_plan_counts_what_a_run_would_and_writes_nothing(store: Store, test: Ref, judge: Callable[[str], Ref]) -> None:
    count_look(run(), test, judge("first"), Settings())
    before = (store.root / LEDGER).read_bytes()
    evaluation = judge("second")
    planned = count_look(run(planning=True), test, evaluation, Settings())
    assert (store.root / LEDGER).read_bytes() == before
    assert planned == count_look(run(), test, evaluation, Settings())
    pending = evaluation.model_copy(update={"digest": ""})
    assert count_look(run(planning=True), test, pending, Settings()) is None
    assert looked_at(None) == ""


def test_rows_of_runs_at_the_same_time_are_all_kept(store: Store, test: Ref, judge: Callable[[str], Ref]) -> None:
    processes = [look_often(test, judge(said), 20) for said in ("first", "second")]
    for process in processes:
        process.communicate("\n", timeout=PATIENCE)
        assert process.returncode == 0
    rows = read_ledger(store.root / LEDGER)
    assert len({row.run for row in rows}) == len(rows) == 2 * 20
    assert {row.predictions for row in rows} == {judge(said).manifest().outputs[0].sha256 for said in ("first", "second")}


def test_a_run_that_is_killed_after_its_row_leaves_one_look_and_no_lock(
    store: Store, test: Ref, judge: Callable[[str], Ref]
) -> None:
    process = look_often(test, judge("said"), 1)
    assert process.stdout is not None
    assert process.stdout.readline() == "counted\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    again = count_look(run(), test, judge("said"), Settings())
    assert again is not None
    assert (again.times, again.settings) == (1, 1)
    assert len(read_ledger(store.root / LEDGER)) == 2


def look_often(test: Ref, evaluation: Ref, times: int) -> subprocess.Popen[str]:
    """Start a process that counts so many runs, each of which has looked at an evaluation."""
    command = [sys.executable, "-c", MANY, test.model_dump_json(), evaluation.model_dump_json(), str(times)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
