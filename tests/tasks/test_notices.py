"""What a run gives notice of, and the ids by which it is recognised when it is reported again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline_lib.data.changes import LEAKS
from pipeline_lib.stages.key import plan
from pipeline_lib.stages.result import Ref
from pipeline_lib.stages.root import ARTIFACTS
from pipeline_lib.stages.run import Run
from pipeline_lib.stages.store import Store
from tasks.contract.notices import Noticed, notices_in, notices_of_changes

QUIET = {"compared": True, "new_leaks": 0, "halved": []}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv(ARTIFACTS, str(tmp_path))
    return Run("flow", "pictures", store=Store(tmp_path))


def result(run: Run, stage: str, content: str, **summary: Any) -> Ref:
    def write(folder: Path) -> dict[str, Any]:
        (folder / LEAKS).write_text(content)
        return summary

    return run.store.build(
        plan(stage, "slot", f"tasks.finetune.{stage}", {"content": content, **summary}), "first run", "run", write
    )


def notices(run: Run, became: str, decided: str = "decision", leaks: str = "", **changes: Any) -> list[Noticed]:
    of_changes = result(run, "changes", leaks, **(QUIET | changes))
    noticed = notices_of_changes(run, of_changes, result(run, "promote", decided), became)["notices"]
    return [Noticed(**each) for each in noticed]


def test_what_a_person_should_know_is_reported_and_a_champion_that_stays_is_not(run: Run) -> None:
    noticed = notices(run, "kept: the challenger is worse; -2.0 points", new_leaks=6, halved=[["Cans", 1080, 39]])
    assert [each.text for each in noticed] == [
        "kept: the challenger is worse, -2.0 points",
        "6 new leaks: sources of test have come into train",
        "Cans has 39 photographs of train, of 1,080 before",
    ]
    assert notices(run, "the champion since 2026-03-01") == []
    assert notices(run, "the champion since 2026-03-01", compared=False) == []


def test_an_id_names_what_is_reported_and_not_when(run: Run, tmp_path: Path) -> None:
    first = notices(run, "needs a person: thin", leaks="a", new_leaks=1)
    assert notices(run, "needs a person: thin", leaks="a", new_leaks=1) == first
    others = [
        notices(run, "needs a person: thin", decided="of other photographs", leaks="b", new_leaks=1),
        notices(Run("flow", "others", store=run.store), "needs a person: thin", leaks="a", new_leaks=1),
    ]
    for other in others:
        assert not {each.id for each in other} & {each.id for each in first}
        assert [each.text for each in other] == [each.text for each in first]


def test_notices_are_found_in_the_message_of_a_run(run: Run) -> None:
    noticed = notices(run, "promoted: +1.2 points out of fold (+0.3 to +2.1)", new_leaks=2)
    message = "; ".join(["top-1 81.8%; 96% on test", *(each.marked for each in noticed), "computed: train", "report here"])
    assert notices_in(message) == noticed
    assert notices_in("There is no dataset; [see above]") == []
