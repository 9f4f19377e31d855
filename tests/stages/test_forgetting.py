"""What no run without the photographs vouches for goes, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.files.digest import file_sha256
from pipeline_lib.stages.champion import Candidate, appoint, champion_of
from pipeline_lib.stages.forgetting import drop_champions, plan_forgetting, prove, remove_dependent
from pipeline_lib.stages.history import write_used
from pipeline_lib.stages.key import plan
from pipeline_lib.stages.result import Ref
from pipeline_lib.stages.store import Store

DATASET = "pictures"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("GARBAGE_ARTIFACTS", str(tmp_path / "artifacts"))
    return Store()


def build(store: Store, stage: str, files: dict[str, str], summary: dict[str, Any] | None = None, **settings: Any) -> Ref:
    def write(folder: Path) -> dict[str, Any]:
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return summary or {}

    return store.build(plan(stage, "slot", "tasks.finetune.audit", settings), "first run", "run", write)


def dataset(store: Store, *photographs: str) -> Ref:
    return build(store, "dataset", {f"train/Cans/{each}.png": each for each in photographs}, photographs=sorted(photographs))


def digest_of(ref: Ref, photograph: str) -> str:
    return file_sha256(ref.folder / f"train/Cans/{photograph}.png")


def finished(store: Store, run: str, *used: Ref, slot: str = f"garbage-finetune/{DATASET}") -> None:
    write_used(store.root, run, slot, {ref.path for ref in used})


def left(store: Store) -> set[str]:
    return {path.parent.relative_to(store.root).as_posix() for path in store.root.glob("stages/*/*/manifest.json")}


@given(runs=st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 6))), max_size=5))
def test_a_result_stays_if_and_only_if_a_run_without_the_photograph_has_used_it(
    tmp_path_factory: pytest.TempPathFactory, runs: list[tuple[bool, set[int]]]
) -> None:
    store = Store(tmp_path_factory.mktemp("artifacts"))
    with_it, without = dataset(store, "a", "b"), dataset(store, "b")
    digest = file_sha256(store.root / with_it.path / "train/Cans/a.png")
    results = [build(store, "train", {"head": str(number)}, number=number) for number in range(7)]
    for number, (knows, used) in enumerate(runs):
        finished(store, str(number), with_it if knows else without, *(results[each] for each in used))
    remove_dependent(store, [digest], DATASET)
    clean = [used for knows, used in runs if not knows]
    expected = {results[each].path for used in clean for each in used} | ({without.path} if clean else set())
    assert left(store) == expected
    assert prove(store, [digest], DATASET).holding == []


def test_a_decision_that_met_a_model_which_knew_the_photograph_goes_with_its_run(store: Store) -> None:
    old, new = dataset(store, "a", "b"), dataset(store, "b")
    model = build(store, "train", {"head": "old"}, number=1)
    met = build(store, "promote", {"decision.json": "{}"}, {"champion": [model.model_dump()]}, number=2)
    finished(store, "a", old, model)
    finished(store, "b", new, met)
    assert {each.path for each in plan_forgetting(store, [digest_of(old, "a")], DATASET).results} == left(store)
    finished(store, "c", new, build(store, "promote", {"decision.json": "{}"}, {"champion": []}, number=3))
    assert met.path in {each.path for each in plan_forgetting(store, [digest_of(old, "a")], DATASET).results}
    assert new.path not in {each.path for each in plan_forgetting(store, [digest_of(old, "a")], DATASET).results}


def test_champions_that_knew_the_photograph_are_dropped_and_others_are_not(store: Store) -> None:
    old, new = dataset(store, "a", "b"), dataset(store, "b")
    digest, candidates = digest_of(old, "a"), {}
    for name, data in (("before", new), ("after", old)):
        model, judged = (build(store, stage, {"file": name}, name=name) for stage in ("train", "cross_validate"))
        decision = build(store, "promote", {"photographs.csv": name}, {"champion": []}, name=name)
        finished(store, name, data, model, judged, decision)
        candidates[name] = Candidate(model=model, cross_validated=judged, decision=decision)
    slot = f"garbage-finetune/{DATASET}"
    assert appoint(store, slot, candidates["before"], "", "rule")
    assert appoint(store, slot, candidates["after"], candidates["before"].model.digest, "rule")
    assert drop_champions(store, [digest], DATASET) == [candidates["after"].model.key]
    champion = champion_of(store.root, slot)
    assert champion is not None
    assert champion.candidate == candidates["before"]
    assert (store.root / "latest" / slot / "champion").resolve() == candidates["after"].model.folder  # until another one is


def test_a_flow_that_keeps_no_photographs_vouches_for_other_datasets_alone(store: Store) -> None:
    arrays = build(store, "dataset", {"train.npy": "x"}, number=1)
    same, other = (build(store, "train", {"head": name}, name=name) for name in ("same", "other"))
    finished(store, "a", arrays, same, slot=f"lenet-mnist/{DATASET}")
    finished(store, "b", arrays, other, slot="lenet-mnist/digits")
    assert [each.path for each in plan_forgetting(store, ["0" * 64], DATASET).results] == [same.path]


def test_a_file_that_names_the_photograph_is_reported(store: Store) -> None:
    old, new = dataset(store, "a"), dataset(store, "b")
    digest = digest_of(old, "a")
    named = build(store, "labels", {"suspects.csv": f"sha256\n{digest}\n"})
    finished(store, "a", new, named)
    remove_dependent(store, [digest], DATASET)
    assert prove(store, [digest], DATASET).holding == [named.path]
