"""Runs in a remote store: pushed and pulled, checked, and pruned."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from remote_store import Server

from cli.main import main
from pipeline_lib.errors import PipelineError
from pipeline_lib.remote.address import MODE
from pipeline_lib.remote.bucket import Bucket, blob_name
from pipeline_lib.stages import shared_upkeep, transfer
from pipeline_lib.stages.history import Used, pin, read_history, write_used
from pipeline_lib.stages.key import Plan, plan
from pipeline_lib.stages.result import Ref, read_manifest
from pipeline_lib.stages.shared_runs import shared_runs
from pipeline_lib.stages.sharing import FETCHED
from pipeline_lib.stages.store import Store
from pipeline_lib.stages.transfer import Transfer

SLOT = "garbage-finetune/pictures"


def planned(seed: int) -> Plan:
    return plan("demo", "slot", "tasks.finetune.audit", {"seed": seed})


def build(store: Store, seed: int) -> Ref:
    def write(folder: Path) -> dict[str, object]:
        (folder / "own.txt").write_text(f"{seed}")
        (folder / "common.txt").write_text("in every result")
        return {}

    return store.build(planned(seed), "first run", f"run-{seed}", write)


def finish(store: Store, run: str, *seeds: int, slot: str = SLOT) -> Used:
    """A run that has used results, and shows the last one as its report."""
    refs = [build(store, seed) for seed in seeds]
    store.point(f"{slot}/report", refs[-1])
    return write_used(store.root, run, slot, {ref.path for ref in refs})


@pytest.fixture
def one(tmp_path: Path) -> Store:
    return Store(tmp_path / "one")


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return Store(tmp_path / "other")


def garbage(store: Store, *arguments: str) -> dict:
    done = CliRunner().invoke(main, [*arguments, "--json", "--artifacts", str(store.root)], catch_exceptions=False)
    return {"code": done.exit_code, **json.loads(done.stdout.splitlines()[-1])}


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GARBAGE_ARTIFACTS", str(tmp_path / "artifacts"))  # what --artifacts sets is undone


def test_a_run_that_was_pushed_is_pulled_with_what_it_shows(
    remote: Server, one: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODE, "read")
    used = finish(one, "a1", 1, 2)
    assert remote.names() == []
    monkeypatch.setenv(MODE, "readwrite")
    size = len("1" + "2" + "in every result")
    assert garbage(one, "push") == {"code": 0, "run": "a1", "slot": SLOT, "results": 2, "bytes": size}
    monkeypatch.setenv(MODE, "read")
    assert garbage(other, "pull", "--dataset", "pictures")["bytes"] == size
    assert read_history(other.root) == [used]
    assert (other.root / "latest" / SLOT / "report" / "own.txt").read_text() == "2"
    assert [other.find(planned(seed))[1] for seed in (1, 2)] == ["nothing changed"] * 2
    assert garbage(other, "pull")["bytes"] == size  # of the process: nothing was moved again


def test_an_older_run_that_is_pulled_does_not_lead_people_back(remote: Server, one: Store, other: Store) -> None:
    finish(one, "a1", 1)
    garbage(one, "push")
    finish(other, "b2", 2)
    garbage(other, "pull", "a1")
    assert (other.root / "latest" / SLOT / "report" / "own.txt").read_text() == "2"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pull", "c3"], "There is no record of a run c3"),
        (["pull", "--dataset", "birds"], "There is no such run; there are runs of garbage-finetune/pictures"),
        (["push"], "There is no record of a run; 'garbage run' starts one"),
    ],
)
def test_a_run_that_is_not_there_is_missed_in_a_sentence(
    remote: Server, one: Store, other: Store, arguments: list[str], said: str
) -> None:
    finish(one, "a1", 1)
    garbage(one, "push")
    assert garbage(other, *arguments)["error"].startswith(said)


def test_a_command_that_needs_the_store_ends_without_it(remote: Server, one: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    finish(one, "a1", 1)
    monkeypatch.setenv(MODE, "read")
    assert garbage(one, "push")["error"].endswith("is only read on this machine: set GARBAGE_REMOTE_MODE=readwrite")
    remote.stop()
    stopped = garbage(one, "pull")
    assert (stopped["code"], stopped["error"].partition(" Generic")[0]) == (1, "s3://results/team:")
    monkeypatch.delenv("GARBAGE_REMOTE")
    assert garbage(one, "verify", "--remote")["error"].startswith("No remote store is named: set GARBAGE_REMOTE")


@pytest.mark.parametrize(
    "change",
    [
        {"latest": {"../../../../escaped": "stages/demo/0123456789abcdef"}},
        {"latest": {"a/b/report": "/etc"}},
        {"used": {"run": "a1", "slot": SLOT, "when": "2026-01-01T00:00:00Z", "results": ["../../etc"]}, "latest": {}},
        {"used": {"run": "../x", "slot": SLOT, "when": "2026-01-01T00:00:00Z", "results": []}, "latest": {}},
        {"used": 3},
    ],
)
def test_a_record_that_leads_elsewhere_is_refused(remote: Server, one: Store, change: dict) -> None:
    finish(one, "a1", 1)
    garbage(one, "push")
    record = json.loads(bytes(remote.objects.get("runs/a1.json").bytes()))
    remote.objects.put("runs/a1.json", json.dumps({**record, **change}).encode())
    with pytest.raises(PipelineError, match=r"runs/a1.json is damaged: remove it"):
        shared_runs(one.shared.bucket)


def test_damage_in_the_remote_store_is_named(remote: Server, one: Store) -> None:
    first, second = (build(one, seed) for seed in (1, 2))
    assert garbage(one, "verify", "--remote")["damaged"] == []
    remote.corrupt(blob_name(read_manifest(one.root / first.path).digests["own.txt"]))
    remote.objects.delete(blob_name(read_manifest(one.root / second.path).digests["own.txt"]))
    checked = garbage(one, "verify", "--remote")
    assert (checked["code"], checked["results"]) == (1, 2)
    assert {each["path"]: each["damage"].partition(": ")[2].partition(" ")[2] for each in checked["damaged"]} == {
        first.path: "has other bytes than its name says",
        second.path: "is missing",
    }


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is in the store counts as old: a server's clock may be a second behind."""
    for module in (shared_upkeep, transfer):
        monkeypatch.setattr(module, "GRACE", timedelta(seconds=-5))


def test_what_the_last_runs_do_not_use_is_pruned(no_grace: None, remote: Server, one: Store, other: Store) -> None:
    for number, run in enumerate(("a1", "b2", "c3", "d4")):
        finish(one, run, number)
        garbage(one, "push", run)
    pin(one.root, read_history(one.root)[-1])
    before = remote.content()
    dry = garbage(one, "prune", "--remote", "--keep", "1", "--dry-run")
    assert remote.content() == before
    done = garbage(one, "prune", "--remote", "--keep", "1")
    assert {**done, "removed": False} == dry
    assert (sorted(done["runs"]), done["blobs"], done["bytes"], done["kept"]) == (["b2", "c3"], 2, 2, len("03in every result"))
    assert sorted(done["results"]) == sorted(f"stages/demo/{planned(seed).key}" for seed in (1, 2))
    assert garbage(other, "verify", "--remote")["results"] == 2
    assert [other.find(planned(seed))[1] == FETCHED for seed in range(4)] == [True, False, False, True]


def test_what_is_younger_than_the_grace_period_stays(remote: Server, one: Store) -> None:
    build(one, 1)
    done = garbage(one, "prune", "--remote", "--keep", "1")
    assert (done["results"], done["blobs"]) == ([], 0)
    assert len(remote.names("blobs")) == 2


def test_a_blob_that_a_writer_names_while_others_are_pruned_stays(no_grace: None, remote: Server, one: Store) -> None:
    finish(one, "a1", 1)
    bucket = one.shared.bucket
    named = shared_upkeep._Named(bucket, leaving=remote.names("stages"))
    blobs = list(bucket.list("blobs"))
    assert named.blobs() == set()
    build(one, 2)
    removed = shared_upkeep._remove_blobs(bucket, blobs, named)
    assert [blob.name for blob in removed] == [blob_name(read_manifest(one.folder(planned(1))).digests["own.txt"])]


class PrunedBesides(Bucket):
    """A bucket from which somebody prunes a blob just before a manifest names it."""

    victim = ""

    def create(self, name: str, content: bytes) -> bool:
        self.remove(self.victim)
        return super().create(name, content)


def test_a_writer_sends_again_what_was_pruned_before_it_could_name_it(
    no_grace: None, remote: Server, one: Store, other: Store
) -> None:
    build(one, 1)
    bucket = PrunedBesides(remote.objects, "s3://results/team")
    bucket.victim = blob_name(read_manifest(one.folder(planned(1))).digests["common.txt"])
    second = Store(one.root.with_name("second"))
    os.environ.pop("GARBAGE_REMOTE")
    build(second, 2)
    Transfer(second.root, bucket).send(second.folder(planned(2)))
    os.environ.update(remote.environment)
    assert other.find(planned(2))[1] == FETCHED
