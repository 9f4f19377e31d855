"""Results that machines share through a remote store: an S3 server on loopback, with stores as the machines."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore
from remote_store import URL, Server, folder_content
from support import free_port

from pipeline_lib.errors import OutOfReachError, PipelineError
from pipeline_lib.remote.address import ADDRESS, MODE
from pipeline_lib.remote.bucket import Bucket, DamagedError, blob_name
from pipeline_lib.stages.key import Plan, plan
from pipeline_lib.stages.prune import prune
from pipeline_lib.stages.result import Output, Ref, digest_of, read_manifest
from pipeline_lib.stages.sharing import FETCHED, IN_REMOTE, Sharing
from pipeline_lib.stages.store import Store
from pipeline_lib.stages.transfer import checked, manifest_name

PLAN = plan("demo", "slot", "tasks.finetune.audit", {"seed": 1})
FILES = {"deep/a.txt": b"hello", "b.txt": b"b", "same.txt": b"b"}


def writing(files: dict[str, bytes]) -> Callable[[Path], dict[str, object]]:
    def compute(folder: Path) -> dict[str, object]:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return {"files": len(files)}

    return compute


def build(store: Store, files: dict[str, bytes] = FILES, plan: Plan = PLAN, run: str = "run-1") -> Ref:
    return store.build(plan, "first run", run, writing(files))


@pytest.fixture
def one(tmp_path: Path) -> Store:
    return Store(tmp_path / "one" / "artifacts")


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return Store(tmp_path / "elsewhere")


def shared(store: Store) -> Sharing:
    assert store.shared
    return store.shared


def test_what_one_machine_has_computed_another_one_fetches(remote: Server, one: Store, other: Store) -> None:
    ref = build(one)
    assert other.find(PLAN) == (ref, FETCHED)
    assert other.find(PLAN) == (ref, "nothing changed")
    assert folder_content(other.root / ref.path) == folder_content(one.root / ref.path)
    assert (other.root / ref.path / "b.txt").stat().st_mode & 0o222 == 0
    assert computed(other, ref) == pytest.approx(computed(one, ref), abs=1e-3)


def computed(store: Store, ref: Ref) -> float:
    """When a result was computed, which nights and reports show."""
    return (store.root / ref.path / "manifest.json").stat().st_mtime


def test_a_content_is_stored_and_moved_once(remote: Server, one: Store, other: Store) -> None:
    build(one)
    build(one, {**FILES, "c.txt": b"new"}, plan("demo", "slot", "tasks.finetune.audit", {"seed": 2}))
    assert len(remote.names("blobs")) == 3
    assert shared(one).transfer.moved == len(b"hello" + b"b" + b"new")
    other.find(PLAN)
    other.find(plan("demo", "slot", "tasks.finetune.audit", {"seed": 2}))
    assert shared(other).transfer.moved == len(b"hello" + b"b" + b"new")


def test_a_machine_that_reads_writes_nothing(remote: Server, one: Store, other: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    build(one)
    before = remote.content()
    monkeypatch.setenv(MODE, "read")
    shared(other).check()
    assert other.find(PLAN)[1] == FETCHED
    build(other, FILES, plan("demo", "slot", "tasks.finetune.audit", {"seed": 2}))
    assert shared(other).settle() == 0
    assert remote.content() == before


def test_a_plan_gets_the_manifest_and_no_output(
    remote: Server, one: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GARBAGE_ARTIFACTS", str(other.root))
    whole = build(one)
    ref, reason = other.find(PLAN, fetch=False)
    assert ref is not None
    assert (reason, ref.digest) == (IN_REMOTE, whole.digest)
    assert [output.path for output in ref.part("deep/").outputs()] == ["deep/a.txt"]
    assert [path.name for path in other.root.rglob("*") if path.is_file()] == ["manifest.json"]
    assert not other.folder(PLAN).exists()


def test_a_machine_that_works_on_a_part_fetches_no_other_file(
    remote: Server, one: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GARBAGE_ARTIFACTS", str(one.root))
    whole = build(one)
    part = whole.part("deep/")
    monkeypatch.setenv("GARBAGE_ARTIFACTS", str(other.root))
    fetched = other.fetch_part(part)
    assert fetched == other.fetch_part(part)
    assert (fetched.digest, [output.path for output in fetched.outputs()]) == (part.digest, ["deep/a.txt"])
    assert (fetched.folder / "deep/a.txt").read_bytes() == FILES["deep/a.txt"]
    assert shared(other).transfer.moved == len(FILES["deep/a.txt"])
    assert not other.folder(PLAN).exists()
    assert other.find(PLAN) == (whole, FETCHED)
    assert other.fetch_part(part) == part
    prune(other, keep=1)
    assert not fetched.folder.exists()


def test_a_part_of_other_bytes_than_were_asked_for_is_not_taken(
    remote: Server, one: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GARBAGE_ARTIFACTS", str(one.root))
    part = build(one).part("deep/")
    monkeypatch.setenv("GARBAGE_ARTIFACTS", str(other.root))
    with pytest.raises(PipelineError, match="no remote store has it"):
        other.fetch_part(part.model_copy(update={"digest": "0" * 64}))
    remote.corrupt(blob_name(hashlib.sha256(FILES["deep/a.txt"]).hexdigest()))
    with pytest.raises(PipelineError, match="no remote store has it"):
        other.fetch_part(part)
    assert not list(other.root.glob("remote/parts/*/*"))


def test_a_damaged_blob_is_found_and_the_computed_result_takes_its_place(remote: Server, one: Store, tmp_path: Path) -> None:
    ref = build(one)
    remote.corrupt(blob_name(next(output.sha256 for output in outputs(one) if output.path == "deep/a.txt")))
    second, third = Store(tmp_path / "second"), Store(tmp_path / "third")
    found, reason = second.find(PLAN)
    assert found is None
    assert reason.startswith("damaged in the remote store: blobs/")
    assert reason.endswith("has other bytes than its name says")
    assert build(second).digest == ref.digest
    assert third.find(PLAN) == (ref, FETCHED)
    assert not list(second.root.rglob("*.fetched"))


def outputs(store: Store) -> tuple[Output, ...]:
    return read_manifest(store.folder(PLAN)).outputs


def test_a_damaged_blob_is_left_by_a_machine_that_reads(
    remote: Server, one: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = build(one)
    remote.corrupt(remote.names("blobs")[0])
    monkeypatch.setenv(MODE, "read")
    before = remote.content()
    assert other.find(PLAN)[0] is None
    assert build(other).digest == ref.digest
    assert remote.content() == before


def test_a_result_that_is_damaged_here_is_repaired_from_there(remote: Server, one: Store) -> None:
    ref = build(one)
    (one.root / ref.path / "b.txt").unlink()
    assert one.find(PLAN) == (ref, f"{FETCHED}, here output missing: `b.txt`")
    assert (one.root / ref.path / "b.txt").read_bytes() == b"b"


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: "none",
        lambda manifest: {**manifest, "key": "0" * 16},
        lambda manifest: {**manifest, "parts": {"settings": {"seed": 2}}},
        lambda manifest: {**manifest, "digest": "0" * 64},
        lambda manifest: with_path(manifest, "../../../escaped"),
        lambda manifest: with_path(manifest, "/tmp/escaped"),
        lambda manifest: with_path(manifest, "manifest.json"),
    ],
)
def test_a_manifest_that_is_not_what_it_should_be_is_refused(remote: Server, one: Store, other: Store, change) -> None:
    build(one)
    name = manifest_name(PLAN.stage, PLAN.key)
    there = json.loads(bytes(remote.objects.get(name).bytes()))
    remote.objects.put(name, json.dumps({**there, "manifest": change(there["manifest"])}).encode())
    found, reason = other.find(PLAN)
    assert found is None
    assert reason.startswith(f"damaged in the remote store: {name} ")
    assert build(other).digest == build(one).digest
    assert checked(name, bytes(remote.objects.get(name).bytes())).manifest.digest == build(one).digest


def with_path(manifest: dict, path: str) -> dict:
    changed = [{**manifest["outputs"][0], "path": path}, *manifest["outputs"][1:]]
    return {**manifest, "outputs": changed, "digest": digest_of([Output(**each) for each in changed])}


def test_a_run_goes_on_without_the_store_says_so_once_and_publishes_when_it_is_back(
    remote: Server, one: Store, other: Store, caplog: pytest.LogCaptureFixture
) -> None:
    plans = [plan("demo", "slot", "tasks.finetune.audit", {"seed": seed}) for seed in range(4)]
    first = build(one, FILES, plans[0])
    remote.stop()
    refs = [first, *(build(one, {"a.txt": bytes([seed])}, plans[seed]) for seed in (1, 2, 3))]
    assert [record.message.partition(" (")[0] for record in caplog.records] == [
        "The remote store cannot be reached, and the run goes on without it"
    ]
    assert shared(one).settle() == 3
    remote.start()
    assert shared(one).settle() == 0
    assert [other.find(each) for each in plans] == [(ref, FETCHED) for ref in refs]
    assert shared(one).taken_news()[1:] == [f"The remote store {URL} answers again"]


def test_what_a_killed_process_has_not_published_is_published_by_the_next(remote: Server, one: Store, other: Store) -> None:
    ref = build(one)
    for name in remote.names("stages"):
        remote.objects.delete(name)
    (one.root / "remote" / "owed").mkdir(exist_ok=True)
    (one.root / "remote" / "owed" / f"{PLAN.stage}-{PLAN.key}").touch()
    assert shared(Store(one.root)).settle() == 0
    assert other.find(PLAN) == (ref, FETCHED)


def test_a_result_that_is_damaged_here_is_owed_no_more(remote: Server, one: Store) -> None:
    remote.stop()
    ref = build(one)
    remote.start()
    file = one.root / ref.path / "deep" / "a.txt"
    file.chmod(0o644)
    file.write_bytes(b"x")
    assert shared(one).settle() == 0
    assert "is missing or not what was recorded" in shared(one).findings[0]
    assert remote.names("stages") == []


@pytest.mark.parametrize("same", [True, False], ids=["equal bytes", "different bytes"])
def test_of_two_writers_the_second_compares_its_bytes_with_the_first(
    remote: Server, one: Store, other: Store, same: bool, tmp_path: Path
) -> None:
    theirs = FILES if same else {**FILES, "deep/a.txt": b"other", "b.txt": b"x"}

    def compute(folder: Path) -> dict[str, object]:
        build(other, theirs, run="run-2")  # while this one computes
        return writing(FILES)(folder)

    mine = one.build(PLAN, "first run", "run-1", compute)
    assert shared(one).findings == (
        []
        if same
        else [
            f"The stage demo is not deterministic: for the key {PLAN.key} the run run-1 here and the run run-2 elsewhere gave "
            "different bytes (`b.txt` and 1 more). Each goes on with its own; the remote store keeps the first"
        ]
    )
    assert (one.root / mine.path / "deep" / "a.txt").read_bytes() == b"hello"
    third = Store(tmp_path / "third")
    third.find(PLAN)
    assert (third.folder(PLAN) / "deep" / "a.txt").read_bytes() == theirs["deep/a.txt"]


def test_of_many_that_create_one_object_exactly_one_does(remote: Server, one: Store) -> None:
    bucket = shared(one).bucket
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda number: bucket.create("stages/x", b"%d" % number), range(8)))
    assert created.count(True) == 1
    assert bucket.read("stages/x") == b"%d" % created.index(True)


def test_many_that_want_one_result_fetch_it_once(remote: Server, one: Store, other: Store) -> None:
    ref = build(one)
    with ThreadPoolExecutor(8) as pool:
        assert {pool.submit(other.fetch, ref).result() for _ in range(8)} == {other.root / ref.path}
    assert shared(other).transfer.moved == len(b"hello" + b"b")


def test_a_result_that_no_machine_has_is_missed_in_a_sentence(remote: Server, one: Store) -> None:
    with pytest.raises(PipelineError, match="is not on this machine, and no remote store has it"):
        one.fetch(Ref(stage="demo", key="0" * 16, digest="d", path=f"stages/demo/{'0' * 16}"))


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({ADDRESS: "results/team"}, "GARBAGE_REMOTE=results/team is no address of a result store; write s3://bucket/prefix"),
        ({ADDRESS: "s3:///team"}, "is no address of a result store"),
        ({ADDRESS: "file://relative"}, "is no address of a result store"),
        ({ADDRESS: "https://results/team"}, "is no address of a result store"),
        ({ADDRESS: "file:///nowhere/at/all", MODE: "read"}, "cannot be opened: .*nowhere/at/all"),
        ({ADDRESS: "az://container/team"}, "cannot be opened: .*Account must be specified"),
        ({MODE: "write"}, "GARBAGE_REMOTE_MODE=write is no mode; it is read or readwrite"),
        ({ADDRESS: "s3://nobody/team"}, "s3://nobody/team is not there: make the bucket, or correct GARBAGE_REMOTE"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "There are no credentials for s3://results/team"),
    ],
)
def test_what_the_environment_names_wrongly_is_said_before_anything_runs(
    remote: Server, one: Store, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: str
) -> None:
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    for name, value in environment.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    with pytest.raises(PipelineError, match=said):
        shared(one).check()


NAMES = st.text("abc", min_size=1, max_size=3)


@settings(max_examples=25)
@given(st.dictionaries(st.tuples(NAMES, NAMES).map("/".join), st.binary(max_size=40), min_size=1, max_size=6))
def test_any_result_arrives_as_it_was_sent(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as environment:
        environment.setenv(ADDRESS, f"file://{folder}/remote")
        environment.setenv(MODE, "readwrite")
        one, other = Store(Path(folder, "one")), Store(Path(folder, "other"))
        ref = build(one, files)
        assert other.find(PLAN) == (ref, FETCHED)
        assert folder_content(other.root / ref.path) == folder_content(one.root / ref.path)


@given(st.binary(min_size=1, max_size=20), st.binary(max_size=20))
def test_a_blob_is_what_its_name_says_or_is_refused(content: bytes, there: bytes) -> None:
    store = MemoryStore()
    digest = hashlib.sha256(content).hexdigest()
    store.put(blob_name(digest), there)
    with tempfile.TemporaryDirectory() as folder:
        bucket = Bucket(store, "memory")
        if there == content:
            assert bucket.fetch(digest, Path(folder, "file")) == len(content)
        else:
            with pytest.raises(DamagedError):
                bucket.fetch(digest, Path(folder, "file"))


def test_a_store_that_refuses_in_mid_run_is_one_that_cannot_be_reached(remote: Server, one: Store) -> None:
    bucket = shared(one).bucket
    remote.stop()
    for work in (bucket.read, bucket.look, bucket.remove, lambda name: list(bucket.list(name))):
        with pytest.raises(OutOfReachError, match=r"^s3://results/team: "):
            work("x")
