"""The check of all kept results by their digests, apart from any run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from pipeline_lib.stages.key import plan
from pipeline_lib.stages.result import Ref
from pipeline_lib.stages.store import Store
from pipeline_lib.stages.verification import DAY, check_results


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("GARBAGE_ARTIFACTS", str(tmp_path / "artifacts"))
    return Store()


def build(store: Store, seed: int) -> Ref:
    def write(folder: Path) -> dict[str, object]:
        (folder / "table.csv").write_text(f"{seed}")
        return {}

    return store.build(plan("demo", "slot", "tasks.finetune.audit", {"seed": seed}), "first run", "run-1", write)


def rot(ref: Ref) -> None:
    """Change a file's content, and neither its size nor its date."""
    file = ref.folder / "table.csv"
    before = file.stat()
    file.chmod(0o644)
    file.write_text("?")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def age(ref: Ref, days: float) -> None:
    """Let a result be as old as that."""
    then = time.time() - days * DAY
    os.utime(ref.folder / "manifest.json", (then, then))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (rot, "output changed: `table.csv` is not what was recorded"),
        (lambda ref: (ref.folder / "table.csv").unlink(), "output missing: `table.csv`"),
        (lambda ref: (ref.folder / "manifest.json").unlink(), "manifest missing or unreadable: `manifest.json`"),
    ],
)
def test_a_damaged_result_is_named_and_the_exit_code_says_so(store: Store, damage: Callable[[Ref], None], said: str) -> None:
    whole, damaged = build(store, 1), build(store, 2)
    assert CliRunner().invoke(main, ["verify"]).exit_code == 0
    damage(damaged)
    checked = CliRunner().invoke(main, ["verify", "--json"])
    assert checked.exit_code == 1
    found = json.loads(checked.stdout.splitlines()[-1])
    assert found["results"] == 2
    assert found["damaged"] == [{"path": damaged.path, "damage": said}]
    lines = CliRunner().invoke(main, ["verify"]).stdout.splitlines()
    assert lines[0] == f"{damaged.path}: {said}"
    assert lines[1].startswith("2 results, 0.0 MB in ")
    assert lines[1].endswith(" s: 1 damaged")
    assert whole.manifest().outputs


def test_what_was_checked_lately_is_left_out_and_what_is_damaged_is_not(store: Store) -> None:
    recent, old, rotten = (build(store, seed) for seed in (1, 2, 3))
    age(old, 8)
    age(rotten, 9)
    rot(rotten)
    assert [checked.path for checked in check_results(store, 7)] == [rotten.path, old.path]
    assert [checked.path for checked in check_results(store, 7)] == [rotten.path]
    assert {checked.path for checked in check_results(store)} == {recent.path, old.path, rotten.path}


def test_unfinished_and_replaced_folders_are_no_results(store: Store) -> None:
    ref = build(store, 1)
    for name in (f"{ref.key}.partial", f"{ref.key}.old", ".last"):
        (ref.folder.parent / name).mkdir()
    assert [checked.path for checked in check_results(store)] == [ref.path]


def test_a_store_that_is_not_there_is_whole(store: Store) -> None:
    assert CliRunner().invoke(main, ["verify"]).exit_code == 0
    assert not store.root.exists()
