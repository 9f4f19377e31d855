"""What nobody needs is removed, what somebody needs never is, and whatever stops a pruning leaves whole results or none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cli.main import main
from pipeline_lib.errors import PipelineError
from pipeline_lib.stages.champion import Candidate, appoint
from pipeline_lib.stages.history import HISTORY, in_use, write_used
from pipeline_lib.stages.key import plan
from pipeline_lib.stages.prune import plan_pruning, prune
from pipeline_lib.stages.result import Ref, damage
from pipeline_lib.stages.store import Store
from pipeline_lib.stages.verification import DAY, check_results


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("GARBAGE_ARTIFACTS", str(tmp_path / "artifacts"))
    return Store()


def build(store: Store, seed: int, size: int = 1000, days: float = 2) -> Ref:
    """A result of so many bytes that was computed so many days ago."""

    def write(folder: Path) -> dict[str, object]:
        (folder / "table.bin").write_bytes(bytes([seed % 256]) * size)
        return {}

    ref = store.build(plan("demo", "slot", "tasks.finetune.audit", {"seed": seed}), "first run", "run", write)
    then = time.time() - days * DAY
    os.utime(store.root / ref.path / "manifest.json", (then, then))
    return ref


def finished(store: Store, run: str, *used: Ref, slot: str = "flow/dataset") -> None:
    write_used(store.root, run, slot, {ref.path for ref in used})


def test_what_the_last_runs_use_stays_and_the_rest_goes(store: Store) -> None:
    shared, old, new = build(store, 1), build(store, 2), build(store, 3)
    finished(store, "a", shared, old)
    finished(store, "b", shared, new)
    assert [each.path for each in prune(store, keep=1).results] == [old.path]
    assert not old.folder.exists()
    assert not damage(shared.folder, "digests")
    assert not damage(new.folder, "digests")
    assert [path.stem for path in (store.root / HISTORY).iterdir()] == ["b"]


def test_each_flow_on_each_dataset_keeps_its_own_last_runs(store: Store) -> None:
    first, second = build(store, 1), build(store, 2)
    finished(store, "a", first, slot="flow/pictures")
    finished(store, "b", second, slot="flow/others")
    assert prune(store, keep=1).results == []


def test_what_people_are_led_to_stays_without_any_run(store: Store) -> None:
    model, other = build(store, 1), build(store, 2)
    store.point("flow/dataset/model", model)
    assert [each.path for each in prune(store, keep=1).results] == [other.path]
    assert not damage(model.folder, "digests")


def test_a_failed_run_of_today_goes_on_from_what_it_has_computed(store: Store) -> None:
    fresh = build(store, 1, days=0)
    assert prune(store, keep=1).results == []
    assert not damage(fresh.folder, "digests")


def test_nothing_is_removed_while_a_run_is_in_progress(store: Store) -> None:
    unused = build(store, 1)
    with in_use(store.root), pytest.raises(PipelineError, match="in progress"):
        prune(store, keep=1)
    assert not damage(unused.folder, "digests")


def test_a_dry_run_removes_nothing_and_says_what_the_real_one_frees(store: Store) -> None:
    build(store, 1)
    finished(store, "a", build(store, 2))
    dry, real = (
        json.loads(CliRunner().invoke(main, ["prune", "--json", *more]).stdout.splitlines()[-1]) for more in (["--dry-run"], [])
    )
    assert (dry["results"], dry["bytes"], dry["kept"]) == (real["results"], real["bytes"], real["kept"])
    assert len(dry["results"]) == 1
    assert (dry["removed"], real["removed"]) == (False, True)


def test_bytes_that_a_kept_result_shares_are_not_freed(store: Store) -> None:
    kept = build(store, 1, size=5000)

    def link(folder: Path) -> dict[str, object]:
        os.link(kept.folder / "table.bin", folder / "linked.bin")
        (folder / "own.bin").write_bytes(b"x" * 100)
        return {}

    linked = store.build(plan("demo", "slot", "tasks.finetune.audit", {"seed": 2}), "first run", "run", link)
    os.utime(linked.folder / "manifest.json", (0, 0))
    finished(store, "a", kept)
    pruning = plan_pruning(store, keep=1)
    assert [each.path for each in pruning.results] == [linked.path]
    assert pruning.bytes == 100 + (linked.folder / "manifest.json").stat().st_size


def test_a_budget_takes_the_oldest_runs_but_never_the_last_of_a_slot(store: Store) -> None:
    results = [build(store, number, size=100_000) for number in range(4)]
    for number, result in enumerate(results):
        finished(store, f"{number}", result)
    assert [each.path for each in plan_pruning(store, keep=4, budget=250_000).results] == sorted(
        result.path for result in results[:2]
    )
    assert len(plan_pruning(store, keep=4, budget=0).results) == 3


def test_a_pinned_run_stays_until_it_is_unpinned_whatever_the_budget(store: Store) -> None:
    results = [build(store, number) for number in range(3)]
    for number, result in enumerate(results):
        finished(store, f"{number}abc", result)
    assert CliRunner().invoke(main, ["pin", "0a"]).exit_code == 0
    assert [each.path for each in plan_pruning(store, keep=1, budget=0).results] == [results[1].path]
    assert "is not pinned" in CliRunner().invoke(main, ["unpin", "0a"]).stdout
    assert len(plan_pruning(store, keep=1).results) == 2
    unknown = CliRunner().invoke(main, ["pin", "x"])
    assert unknown.exit_code == 1
    assert "no record of a run x" in unknown.stderr


def test_the_run_that_a_champion_comes_from_stays_whole(store: Store) -> None:
    model, judged, decision, report, last = (build(store, number) for number in range(5))
    finished(store, "a", model, judged, decision, report)
    finished(store, "b", last)
    assert appoint(store, "flow/dataset", Candidate(model=model, cross_validated=judged, decision=decision), "", "rule")
    assert plan_pruning(store, keep=1, budget=0).results == []


def test_notes_on_results_that_are_gone_go_and_others_stay(store: Store) -> None:
    kept = build(store, 1)
    finished(store, "a", kept)
    names = [f"demo-{kept.key}", f"demo-{'0' * 16}", "champion-flow-dataset", "looks"]
    for name in names:
        for note in (store.root / "locks" / f"{name}.lock", store.root / "prefect" / name):
            note.parent.mkdir(exist_ok=True)
            note.touch()
    store.downloads.mkdir()
    for name, days in (("old", 2), ("new", 0)):
        (store.downloads / f"{name}.zip.part").touch()
        os.utime(store.downloads / f"{name}.zip.part", (time.time() - days * DAY,) * 2)
    prune(store, keep=1)
    left = {name for name in names if name != f"demo-{'0' * 16}"}
    assert {path.name for path in (store.root / "prefect").iterdir()} == left
    assert {path.stem for path in (store.root / "locks").iterdir()} == left
    assert [path.name for path in store.downloads.iterdir()] == ["new.zip.part"]


@given(runs=st.lists(st.sets(st.integers(0, 9)), max_size=6), keep=st.integers(1, 4))
def test_kept_runs_find_all_their_results(tmp_path_factory: pytest.TempPathFactory, runs: list[set[int]], keep: int) -> None:
    store = Store(tmp_path_factory.mktemp("artifacts"))
    results = [build(store, number) for number in range(10)]
    for number, used in enumerate(runs):
        finished(store, f"{number}", *(results[each] for each in used))
    prune(store, keep)
    needed = set().union(*runs[-keep:]) if runs else set()
    left = {number for number, result in enumerate(results) if (store.root / result.path).exists()}
    assert left == needed


def test_a_pruning_that_is_killed_leaves_whole_results_or_none(store: Store) -> None:
    kept = build(store, 0)
    for number in range(1, 120):
        build(store, number)
    finished(store, "a", kept)
    program = "from pipeline_lib.stages.prune import prune; from pipeline_lib.stages.store import Store; print(1, flush=True); "
    for _ in range(10):
        pruning = subprocess.Popen([sys.executable, "-c", f"{program} prune(Store(), 1)"], stdout=subprocess.PIPE)
        assert pruning.stdout is not None
        pruning.stdout.readline()
        pruning.send_signal(signal.SIGKILL)
        pruning.wait()
        pruning.stdout.close()
        assert not [found for found in check_results(store) if found.damage]
    prune(store, 1)
    assert sorted(path.name for path in (store.root / "stages/demo").iterdir() if "." not in path.name) == [kept.key]
    assert not list((store.root / "stages").glob("*/*.removed"))


def test_a_damaged_record_is_named_and_nothing_is_removed(store: Store) -> None:
    unused = build(store, 1)
    finished(store, "a")
    (store.root / HISTORY / "a.json").write_text("{")
    with pytest.raises(PipelineError, match=r"a\.json is damaged"):
        prune(store, keep=1)
    assert unused.folder.exists()


def test_a_size_that_is_none_is_refused_with_an_example(store: Store) -> None:
    result = CliRunner().invoke(main, ["prune", "--budget", "much"])
    assert result.exit_code == 2
    assert "20GB" in result.stderr
