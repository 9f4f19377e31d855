"""What the store answers: which run, what a run has used, how two runs differ, what a file comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline_lib.errors import PipelineError
from pipeline_lib.stages.asking import (
    Change,
    differences_of,
    find_run,
    holders_of,
    manifests_of,
    result_of,
    run_before,
    users_of,
)
from pipeline_lib.stages.history import read_history, write_used
from pipeline_lib.stages.key import plan
from pipeline_lib.stages.prune import prune
from pipeline_lib.stages.result import Ref
from pipeline_lib.stages.store import Store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("GARBAGE_ARTIFACTS", str(tmp_path / "artifacts"))
    store = Store()
    store.root.mkdir()
    return store


def build(store: Store, stage: str, content: str = "", **settings: Any) -> Ref:
    """A result of one file whose key depends on the settings."""

    def write(folder: Path) -> dict[str, object]:
        (folder / "table.txt").write_text(content or str(settings))
        return {}

    return store.build(plan(stage, "slot", "tasks.finetune.audit", settings), "first run", "run", write)


def finished(store: Store, run: str, *used: Ref, slot: str = "flow/dataset") -> None:
    write_used(store.root, run, slot, {ref.path for ref in used})


def test_a_run_is_found_by_the_beginning_of_its_id_and_without_one_it_is_the_last(store: Store) -> None:
    for run in ("aa1", "aa2", "b"):
        finished(store, run)
    history = read_history(store.root)
    assert find_run(history).run == "b"
    assert find_run(history, "aa1").run == "aa1"
    with pytest.raises(PipelineError, match="2 runs begin with aa; write more"):
        find_run(history, "aa")
    with pytest.raises(PipelineError, match=r"no record of a run c; .* the last one is b"):
        find_run(history, "c")
    with pytest.raises(PipelineError, match="starts one"):
        find_run([])


def test_the_run_before_is_one_of_the_same_flow_on_the_same_dataset(store: Store) -> None:
    for run, slot in (("a", "flow/dataset"), ("b", "flow/other"), ("c", "flow/dataset")):
        finished(store, run, slot=slot)
    history = read_history(store.root)
    assert run_before(history, find_run(history, "c")).run == "a"
    with pytest.raises(PipelineError, match="b is the first run of flow/other"):
        run_before(history, find_run(history, "b"))


def test_runs_differ_in_the_settings_of_the_results_that_they_do_not_share(store: Store) -> None:
    shared = build(store, "shards", shard=1, sigma=0.0)
    old, new = build(store, "shards", shard=2, sigma=10.0), build(store, "shards", shard=2, sigma=20.0)
    finished(store, "a", shared, old, build(store, "gone", number=1))
    finished(store, "b", shared, new)
    history = read_history(store.root)
    before, after = (manifests_of(store.root, find_run(history, run)) for run in "ab")
    shards, gone = differences_of(before, after)
    assert (shards.stage, shards.shared, shards.before, shards.after, shards.same_content) == ("shards", 1, 1, 1, False)
    assert shards.changes == (Change("settings", "sigma", (10.0,), (20.0,)),)
    assert (gone.stage, gone.before, gone.after, gone.changes) == ("gone", 1, 0, ())


def test_runs_that_used_the_same_results_do_not_differ(store: Store) -> None:
    ref = build(store, "shards", shard=1)
    finished(store, "a", ref)
    manifests = manifests_of(store.root, read_history(store.root)[0])
    assert [(each.before, each.after) for each in differences_of(manifests, manifests)] == [(0, 0)]


def test_other_keys_with_the_same_content_are_told_from_other_content(store: Store) -> None:
    old, new = ({"stage": [build(store, "stage", "same", seed=seed).manifest()]} for seed in (1, 2))
    (difference,) = differences_of(old, new)
    assert difference.same_content
    assert [change.name for change in difference.changes] == ["seed"]


def test_a_run_whose_results_were_removed_is_answered_with_what_is_left(store: Store) -> None:
    kept, removed = build(store, "kept", seed=1), build(store, "removed", seed=1)
    finished(store, "a", kept, removed)
    removed.folder.rename(store.root / "elsewhere")
    assert list(manifests_of(store.root, read_history(store.root)[0])) == ["kept"]
    assert prune(store, keep=1).runs == []


def test_a_file_leads_to_its_result_and_to_the_runs_that_used_it(store: Store, tmp_path: Path) -> None:
    ref = build(store, "train", seed=1)
    link = store.point("flow/dataset/model", ref)
    finished(store, "a", ref)
    finished(store, "b")
    assert result_of(store.root, link / "table.txt") == ref.path == result_of(store.root, ref.folder)
    assert result_of(store.root, tmp_path) is None
    assert result_of(store.root, store.root / "stages" / "train") is None
    assert [used.run for used in users_of(read_history(store.root), ref.path)] == ["a"]


def test_a_file_is_found_by_its_content_in_finished_results_alone(store: Store) -> None:
    ref = build(store, "dataset", "a photograph", seed=1)
    build(store, "dataset", "another", seed=2)
    killed = ref.folder.with_name(f"{ref.key}.partial")
    killed.mkdir()
    (killed / "manifest.json").write_bytes((ref.folder / "manifest.json").read_bytes())
    digest = ref.manifest().outputs[0].sha256
    assert list(holders_of(store.root, digest, ["split", "dataset"])) == [(ref.path, ("table.txt",))]
