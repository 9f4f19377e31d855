"""The stage store without Prefect: keys, verified reuse, reasons, atomic publishing."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import PROJECT, mounted

from pipeline_lib.data.sources import resolve
from pipeline_lib.errors import PipelineError, writing_into
from pipeline_lib.settings.sections import ShardSettings, TrainSettings
from pipeline_lib.stages import result
from pipeline_lib.stages.key import Plan, differences, plan
from pipeline_lib.stages.result import Output, Ref, digest_of
from pipeline_lib.stages.store import Store

MODULE = "tasks.finetune.audit"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("GARBAGE_ARTIFACTS", str(tmp_path / "artifacts"))
    return Store()


class External(NamedTuple):
    """Something outside the store: where it is, and what identifies its content."""

    location: str
    fingerprint: str


def planned(**arguments: object) -> Plan:
    return plan("demo", "slot", MODULE, arguments)


def write(text: str):
    def compute(folder: Path) -> dict[str, object]:
        (folder / "deep").mkdir()
        (folder / "deep" / "a.txt").write_text(text)
        (folder / "b.txt").write_text("b")
        return {"said": text}

    return compute


def build(store: Store, plan: Plan, text: str = "hello") -> Ref:
    ref = store.build(plan, "first run", "run-1", write(text))
    store.remember(plan)
    return ref


def test_a_result_is_found_again_with_its_summary(store: Store) -> None:
    ref = build(store, planned(seed=1))
    found, reason = store.find(planned(seed=1))
    assert found == ref
    assert reason == "nothing changed"
    assert ref.manifest().summary == {"said": "hello"}
    assert [output.path for output in ref.outputs()] == ["b.txt", "deep/a.txt"]


def test_the_first_run_says_so(store: Store) -> None:
    assert store.find(planned(seed=1)) == (None, "first run")


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ({"train": TrainSettings()}, {"train": TrainSettings(epochs=50)}, "setting `train.epochs` 20 -> 50"),
        ({"seed": 1}, {"seed": 2}, "setting `seed` 1 -> 2"),
        ({"source": External("x", "a")}, {"source": External("x", "b")}, "input `source` changed"),
        (
            {"seed": 1, "shards": ShardSettings()},
            {"seed": 1},
            "setting `shards.test` 2 -> none; setting `shards.train` 8 -> none",
        ),
    ],
)
def test_a_miss_names_what_changed(store: Store, before: dict, after: dict, reason: str) -> None:
    build(store, planned(**before))
    assert store.find(planned(**after)) == (None, reason)


def test_an_input_counts_by_the_code_that_reads_it_and_by_no_other_kinds(tmp_path: Path) -> None:
    (tmp_path / "photos" / "train" / "Cans").mkdir(parents=True)
    (tmp_path / "photos" / "train" / "Paper").mkdir()
    for name in ("Cans", "Paper"):
        (tmp_path / "photos" / "train" / name / "1.png").touch()
    source = resolve(str(tmp_path / "photos"), downloads=tmp_path)
    added = planned(source=source).parts["code"].keys() - planned().parts["code"].keys()
    assert {Path(file).stem for file in added if "/kinds/" in file} == {"folder"}
    assert planned(source=source).parts["inputs"].keys() == {"source"}


def test_an_input_counts_by_content_and_not_by_place(tmp_path: Path) -> None:
    assert planned(source=External("here", "same")).key == planned(source=External("there", "same")).key


def test_the_key_ignores_other_sections_and_the_slot() -> None:
    assert plan("demo", "a", MODULE, {"seed": 1}).key == plan("demo", "b", MODULE, {"seed": 1}).key
    assert plan("demo", "a", MODULE, {"seed": 1}).key != plan("other", "a", MODULE, {"seed": 1}).key


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder: (folder / "deep/a.txt").unlink(), "output missing: `deep/a.txt`"),
        (lambda folder: rewrite(folder / "b.txt", ""), "output changed: `b.txt` has 0 bytes, recorded 1"),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest missing or unreadable: `manifest.json`"),
        (lambda folder: rewrite(folder / "manifest.json", "{"), "manifest missing or unreadable: `manifest.json`"),
    ],
)
def test_a_damaged_result_is_a_miss_that_says_why_and_is_repaired(store: Store, damage, reason: str) -> None:
    ref = build(store, planned())
    damage(ref.folder)
    assert store.find(planned()) == (None, reason)
    assert build(store, planned()).digest == ref.digest
    assert store.find(planned())[1] == "nothing changed"
    assert sorted(path.name for path in ref.folder.parent.iterdir()) == [".last", ref.key]


def test_a_changed_byte_is_seen_when_asked_to_verify_fully(store: Store) -> None:
    ref = build(store, planned())
    rewrite(ref.folder / "b.txt", "c")
    assert store.find(planned())[0] == ref
    assert store.find(planned(), "digests") == (None, "output changed: `b.txt` is not what was recorded")


def rewrite(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


def test_a_failing_stage_publishes_nothing_and_the_next_try_starts_empty(store: Store) -> None:
    def fail(folder: Path) -> dict[str, object]:
        (folder / "half.txt").write_text("half")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        store.build(planned(), "first run", "run-1", fail)
    assert store.find(planned())[0] is None
    assert [output.path for output in build(store, planned()).outputs()] == ["b.txt", "deep/a.txt"]


def test_a_resumable_stage_gets_its_unfinished_folder_back(store: Store) -> None:
    def first(folder: Path) -> dict[str, object]:
        (folder / "checkpoint").write_text("3")
        raise KeyboardInterrupt

    def second(folder: Path) -> dict[str, object]:
        return {"resumed from": (folder / "checkpoint").read_text()}

    with pytest.raises(KeyboardInterrupt):
        store.build(planned(), "first run", "run-1", first, resume=True)
    assert store.build(planned(), "first run", "run-2", second, resume=True).manifest().summary == {"resumed from": "3"}


def kill_before_the_rename(ref: Ref) -> None:
    """Leave a result as a run leaves it that is killed when all is written and read-only, and only the rename is missing."""
    ref.folder.rename(ref.folder.with_name(f"{ref.key}.partial"))


def write_again(folder: Path) -> dict[str, object]:
    (folder / "deep").mkdir(exist_ok=True)
    for name, text in {"deep/a.txt": "hello", "b.txt": "b"}.items():
        with (folder / name).open("w") as file:
            file.write(text)
    return {}


def test_a_resumed_stage_does_not_count_the_manifest_of_the_killed_run(store: Store) -> None:
    before = build(store, planned())
    outputs = before.outputs()
    kill_before_the_rename(before)
    after = store.build(planned(), "first run", "run-2", write_again, resume=True)
    assert (after.digest, after.outputs()) == (before.digest, outputs)


RESUMED_BY_ANOTHER = """
import os, sys
from pipeline_lib.stages.key import Plan  # first: where Python is may be closed to others
from pipeline_lib.stages.store import Store  # first: where Python is may be closed to others
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1])); os.umask(0o002)
def write(folder):
    left = (folder / "history.csv").exists()
    (folder / "history.csv").open("w").write("1")
    return {"went on": left}
plan = Plan(stage="demo", slot="s", key="abc", parts={})
print(Store().build(plan, "first run", "run", write, resume=True).manifest().summary["went on"])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become two other users")
@pytest.mark.parametrize("second", [12345, 12346], ids=["the same user", "another user of the group"])
def test_a_stage_is_resumed_by_who_is_not_root(store: Store, second: int) -> None:
    with tempfile.TemporaryDirectory() as root:  # pytest's own folders are closed to others
        Path(root).chmod(0o777)
        environment = {**os.environ, "GARBAGE_ARTIFACTS": f"{root}/artifacts", "PYTHONPATH": str(PROJECT)}

        def build_as(user: int) -> str:
            command = [sys.executable, "-c", RESUMED_BY_ANOTHER, str(user)]
            done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

        assert build_as(12345) == "False"
        folder = Path(root, "artifacts", "stages", "demo", "abc")
        folder.rename(folder.with_name("abc.partial"))
        for path in Path(root).rglob("*"):
            if path.is_dir():
                path.chmod(0o777)  # a store that users share
        assert build_as(second) == "True"
        assert sorted(path.name for path in folder.iterdir()) == ["history.csv", "manifest.json"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    yield from mounted(tmp_path / "disk", "1m")


def fill(folder: Path) -> dict[str, object]:
    (folder / "large.bin").write_bytes(bytes(2**21))
    return {}


def fill_by_copying(folder: Path) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as elsewhere:
        fill(Path(elsewhere))
        shutil.copyfile(Path(elsewhere, "large.bin"), folder / "large.bin")  # its error names the file it reads
    return {}


def fill_by_rows(folder: Path) -> dict[str, object]:
    import numpy as np

    from pipeline_lib.features.shards import _table

    _table(folder / "features.npy", 1000, 1000, np.dtype(np.float32))[:] = 1
    return {}


def fill_and_blame_another(folder: Path) -> dict[str, object]:
    try:
        fill(folder)
    except OSError as error:
        raise PipelineError("the wheel holds no weights") from error
    return {}


def fill_and_say_something_else(folder: Path) -> dict[str, object]:
    with contextlib.suppress(OSError):
        fill(folder)
    raise RuntimeError("Failed to save the checkpoint")  # as MindSpore does


@pytest.mark.parametrize("compute", [fill, fill_by_copying, fill_by_rows, fill_and_blame_another, fill_and_say_something_else])
def test_a_full_disk_is_named_and_leaves_the_store_whole(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, compute: Callable[[Path], dict[str, object]]
) -> None:
    monkeypatch.setenv("GARBAGE_ARTIFACTS", str(small_disk / "artifacts"))
    store = Store()
    before = build(store, planned(seed=1))
    with pytest.raises(PipelineError, match=f"^No space left on {store.root} - make room and run again; finished"):
        store.build(planned(seed=2), "first run", "run-2", compute)
    assert store.find(planned(seed=1), "digests")[0] == before
    assert store.find(planned(seed=2))[0] is None
    assert build(store, planned(seed=2)).digest == before.digest  # the room was given back


def test_a_manifest_that_has_no_room_publishes_nothing(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GARBAGE_ARTIFACTS", str(small_disk / "artifacts"))
    store, ballast = Store(), small_disk / "ballast"
    before = build(store, planned(seed=1))

    def leave_no_room(folder: Path) -> dict[str, object]:
        (folder / "b.txt").write_text("b")
        with contextlib.suppress(OSError), ballast.open("wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
        return {}

    with pytest.raises(PipelineError, match=f"^No space left on {store.root} "):
        store.build(planned(seed=2), "first run", "run-2", leave_no_room, resume=True)
    with pytest.raises(PipelineError, match=f"^No space left on {store.root} "), writing_into(store.root):
        store.remember(planned(seed=3))
    ballast.unlink()
    assert store.find(planned(seed=1), "digests")[0] == before
    assert store.find(planned(seed=2))[0] is None
    store.remember(planned(seed=3))


def test_an_error_on_a_disk_with_room_is_left_as_it_is(store: Store) -> None:
    def fail(folder: Path) -> dict[str, object]:
        raise PipelineError("the archive is damaged")

    with pytest.raises(PipelineError, match=r"^the archive is damaged$"):
        store.build(planned(), "first run", "run-1", fail)


def test_a_result_that_appeared_meanwhile_is_not_computed_again(store: Store) -> None:
    ref = build(store, planned())

    def never(folder: Path) -> dict[str, object]:
        raise AssertionError

    assert store.build(planned(), "first run", "run-2", never) == ref
    assert ref.manifest().run == "run-1"


def test_published_files_are_read_only(store: Store) -> None:
    assert build(store, planned()).folder.joinpath("b.txt").stat().st_mode & 0o222 == 0


def test_equal_content_gives_an_equal_digest_whatever_the_key(store: Store) -> None:
    assert build(store, planned(seed=1)).digest == build(store, planned(seed=2)).digest


def test_latest_leads_to_the_result_that_was_pointed_at_last(store: Store) -> None:
    store.point("flow/data/model", build(store, planned(seed=1), "one"))
    link = store.point("flow/data/model", build(store, planned(seed=2), "two"))
    assert link == store.root / "latest" / "flow" / "data" / "model"
    assert (link / "deep" / "a.txt").read_text() == "two"


def test_a_result_without_a_part_is_the_same_whatever_the_part_holds(store: Store) -> None:
    one, other = (build(store, planned(seed=seed), text).without("deep/") for seed, text in enumerate(("a", "b")))
    assert [output.path for output in one.outputs()] == ["b.txt"]
    assert one.digest == other.digest
    assert one.part("deep/").digest != other.part("deep/").digest


def test_parts_cut_a_result_into_buckets_by_content(store: Store) -> None:
    ref = build(store, planned())
    buckets = [ref.part("", bucket, 4) for bucket in range(4)]
    assert sorted(output.path for part in buckets for output in part.outputs()) == ["b.txt", "deep/a.txt"]
    assert ref.part("deep/").digest == digest_of([output for output in ref.outputs() if output.path == "deep/a.txt"])


def test_outputs_are_gone_through_once_however_many_shards_there_are(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted(tuple):
        passes = 0

        def __iter__(self) -> Iterator[Output]:
            Counted.passes += 1
            return super().__iter__()

    ref = build(store, planned())
    counted = ref.manifest().model_copy(update={"outputs": Counted(ref.manifest().outputs)})
    monkeypatch.setattr(result, "_parsed_manifest", lambda path, mtime_ns: counted)
    shards = [ref.part("", bucket, 64) for bucket in range(64)]
    assert sum(len(shard.outputs()) for shard in shards) == 2
    assert Counted.passes == 1


OUTPUTS = st.lists(
    st.builds(
        lambda name: Output(path=name, bytes=len(name), sha256=hashlib.sha256(name.encode()).hexdigest()),
        st.text("abc/", min_size=1),
    ),
    unique_by=lambda output: output.path,
)


@given(OUTPUTS, st.randoms())
def test_the_digest_does_not_depend_on_order(outputs: list[Output], random) -> None:
    shuffled = list(outputs)
    random.shuffle(shuffled)
    assert digest_of(shuffled) == digest_of(outputs)


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers()), st.dictionaries(st.sampled_from("abcdef"), st.integers()))
def test_settings_that_differ_give_different_keys_and_a_reason(one: dict, other: dict) -> None:
    first, second = plan("demo", "", MODULE, one), plan("demo", "", MODULE, other)
    assert (first.key == second.key) == (one == other)
    if one != other:
        assert differences(first.parts, second.parts).startswith("setting `")


def test_a_long_list_of_reasons_is_cut() -> None:
    assert differences({"settings": dict.fromkeys("abcde", 1)}, {"settings": dict.fromkeys("abcde", 2)}).endswith(
        "; and 2 more"
    )


def test_a_manifest_is_plain_json(store: Store) -> None:
    manifest = json.loads((build(store, planned(seed=3)).folder / "manifest.json").read_text())
    assert manifest["parts"]["settings"] == {"seed": 3}
    assert manifest["outputs"][0] == {"path": "b.txt", "bytes": 1, "sha256": hashlib.sha256(b"b").hexdigest()}
