"""There is one champion, it changes in one step or not at all, and the way back stays open."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import PATIENCE

from pipeline_lib.errors import PipelineError
from pipeline_lib.stages.champion import (
    CHAMPIONS,
    PREDECESSORS,
    Candidate,
    appoint,
    champion_of,
    lead_to_champion,
    read_ledger,
    roll_back,
    standing,
    taken_back,
)
from pipeline_lib.stages.key import plan
from pipeline_lib.stages.latest import keep_latest, latest_model
from pipeline_lib.stages.prune import prune
from pipeline_lib.stages.result import Ref, damage
from pipeline_lib.stages.store import Store
from pipeline_lib.stages.verification import DAY

SLOT = "garbage-finetune/pictures"
SWAP = """
import sys
from pipeline_lib.stages.champion import Candidate, appoint
from pipeline_lib.stages.store import Store

candidate = Candidate.model_validate_json(sys.argv[1])
print("ready", flush=True)
input()
print(appoint(Store(), "garbage-finetune/pictures", candidate, sys.argv[2], "rule", "run"))
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("GARBAGE_ARTIFACTS", str(tmp_path / "artifacts"))
    return Store()


def result(store: Store, stage: str, number: int) -> Ref:
    def write(folder: Path) -> dict[str, object]:
        (folder / "content").write_text(f"{stage} {number}")
        return {}

    ref = store.build(plan(stage, "slot", "tasks.finetune.audit", {"number": number}), "first run", "run", write)
    then = time.time() - 2 * DAY
    os.utime(ref.folder / "manifest.json", (then, then))
    return ref


def judged(store: Store, number: int) -> Candidate:
    """A model with what it takes to appoint it."""
    model, outputs, decision = (result(store, stage, number) for stage in ("train", "cross_validate", "promote"))
    return Candidate(model=model, cross_validated=outputs, decision=decision)


def present(store: Store) -> str:
    """The digest of the champion's model, which the link leads to."""
    appointment = champion_of(store.root, SLOT)
    if appointment is None:
        return ""
    model = appointment.candidate.model
    assert (store.root / "latest" / SLOT / "champion").resolve() == model.folder.resolve()
    return model.digest


def crown(store: Store, *numbers: int) -> list[Candidate]:
    candidates = [judged(store, number) for number in numbers]
    for candidate in candidates:
        assert appoint(store, SLOT, candidate, present(store), "rule", "run")
    return candidates


def test_a_champion_that_has_changed_meanwhile_is_not_replaced(store: Store) -> None:
    (first,) = crown(store, 1)
    assert not appoint(store, SLOT, judged(store, 2), "", "rule")
    assert not appoint(store, SLOT, judged(store, 2), "another", "rule")
    assert present(store) == first.model.digest
    assert appoint(store, SLOT, judged(store, 2), first.model.digest, "rule")


def test_of_several_processes_that_replace_one_champion_one_succeeds_and_the_others_see_it(store: Store) -> None:
    crown(store, 1)
    expected, rivals = present(store), [judged(store, number) for number in range(2, 6)]
    commands = [[sys.executable, "-c", SWAP, rival.model_dump_json(), expected] for rival in rivals]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for command in commands]  # type: ignore[call-overload]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    answers = [process.communicate("\n", timeout=PATIENCE)[0] for process in processes]
    assert sorted(answers) == ["False\n"] * 3 + ["True\n"]
    assert present(store) == rivals[answers.index("True\n")].model.digest
    assert len(read_ledger(store.root, SLOT)) == 2


@given(st.lists(st.one_of(st.integers(1, 4), st.just("back")), max_size=12))
def test_a_rollback_takes_back_the_last_appointment_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int | str]
) -> None:
    store = Store(tmp_path_factory.mktemp("artifacts"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GARBAGE_ARTIFACTS", str(store.root))
        expected: list[str] = []
        for step in steps:
            if isinstance(step, int):
                (candidate,) = crown(store, step)
                expected.append(candidate.model.digest)
            elif len(expected) > 1:
                assert roll_back(store, SLOT).candidate.model.digest == expected[-2]
                expected.pop()
            else:
                with pytest.raises(PipelineError, match="nothing to go back to"):
                    roll_back(store, SLOT)
        assert [each.candidate.model.digest for each in standing(read_ledger(store.root, SLOT))] == expected
        assert present(store) == (expected[-1] if expected else "")


def test_what_was_taken_back_is_known_until_it_is_appointed_again(store: Store) -> None:
    _, second = crown(store, 1, 2)
    assert taken_back(read_ledger(store.root, SLOT), second.model) is None
    roll_back(store, SLOT)
    assert taken_back(read_ledger(store.root, SLOT), second.model)
    crown(store, 2)
    assert taken_back(read_ledger(store.root, SLOT), second.model) is None


def test_a_pruning_keeps_the_champion_and_the_models_to_go_back_to(store: Store) -> None:
    candidates = crown(store, *range(PREDECESSORS + 3))
    other = judged(store, 99)
    removed = {each.path for each in prune(store, keep=1).results}
    gone, kept = [*candidates[:2], other], candidates[2:]
    assert removed == {ref.path for each in gone for ref in (each.model, each.cross_validated, each.decision)}
    assert not [damage(each.model.folder, "digests") for each in kept if damage(each.model.folder, "digests")]
    assert roll_back(store, SLOT).candidate == candidates[-2]


def test_the_champion_predicts_and_not_the_model_that_was_trained_last(store: Store) -> None:
    (first,) = crown(store, 1)
    keep_latest(store, "garbage-finetune", "pictures", model=judged(store, 2).model)
    found = latest_model(store.root, "garbage-finetune")
    assert found.folder.resolve() == first.model.folder.resolve()
    assert found.since is not None
    assert latest_model(store.root, "garbage-finetune", "pictures").folder.name == "champion"


def test_a_champion_that_is_gone_is_not_replaced_by_another_model(store: Store) -> None:
    (first,) = crown(store, 1)
    keep_latest(store, "garbage-finetune", "pictures", model=judged(store, 2).model)
    first.model.folder.rename(store.root / "elsewhere")
    with pytest.raises(PipelineError, match="There is no model at"):
        latest_model(store.root, "garbage-finetune")


def test_a_link_that_a_killed_process_left_behind_is_repaired(store: Store) -> None:
    first, second = crown(store, 1, 2)
    store.point(f"{SLOT}/champion", first.model)
    lead_to_champion(store, SLOT)
    assert present(store) == second.model.digest


def test_a_damaged_ledger_is_named(store: Store) -> None:
    crown(store, 1)
    (store.root / CHAMPIONS / f"{SLOT}.json").write_text("[{")
    with pytest.raises(PipelineError, match=r"pictures\.json is damaged: restore it"):
        champion_of(store.root, SLOT)
