"""A forgotten photograph leaves no trace: the model is that of a dataset that never had it, and nothing kept depends on it."""

from __future__ import annotations

import shutil
from pathlib import Path

from support import CommandLine, Finished

from pipeline_lib.data.labels_file import read_decisions
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.stages.champion import champion_of, read_ledger
from pipeline_lib.stages.result import read_manifest

STAGES = ("features", "sources", "train", "cross_validate", "evaluate", "promote", "labels")


def keys(artifacts: Path, stage: str) -> set[str]:
    return {path.parent.name for path in (artifacts / "stages" / stage).glob("*/manifest.json")}


def traces(artifacts: Path, digest: str) -> list[Path]:
    """Files of results that are the photograph, or that name it."""
    files = [path for path in (artifacts / "stages").rglob("*") if path.is_file() and path.name != "manifest.json"]
    return [path for path in files if file_sha256(path) == digest or digest.encode() in path.read_bytes()]


def test_after_forgetting_all_is_as_if_the_photograph_had_never_been_there(
    garbage: CommandLine, tiny_dataset: Path, first: Finished, tmp_path: Path
) -> None:
    assert garbage("promote", first.stage("train")["key"]).code == 0
    photograph, copy = tiny_dataset / "train/Cans/001.png", tiny_dataset / "train/Cans/again.png"
    digest = file_sha256(photograph)
    shutil.copy(photograph, copy)
    garbage.run(tiny_dataset)
    assert traces(garbage.artifacts, digest)

    dry = garbage("forget", photograph, "--dataset", tiny_dataset, "--dry-run", "--json").json
    assert sorted(Path(path).name for each in dry["photographs"] for path in each["places"]) == ["001.png", "again.png"]
    assert photograph.exists()
    killed = garbage.start("forget", photograph, "--dataset", tiny_dataset, "--yes")
    assert killed.stderr is not None
    for line in killed.stderr:  # the files are gone, and the first stage is done
        if "dataset" in line and "computed" in line:
            break
    killed.kill()
    killed.communicate()
    assert not photograph.exists()

    done = garbage("forget", photograph, "--dataset", tiny_dataset, "--yes", "--json")
    assert done.code == 0, done.err
    assert done.json["holding"] == []
    assert not copy.exists()
    assert not traces(garbage.artifacts, digest)
    assert [each.sha256 for each in read_decisions(tiny_dataset / "labels.csv").rows] == [digest]
    ledger = read_ledger(garbage.artifacts, "garbage-finetune/pictures")
    assert [each.candidate.model.key for each in ledger] == [done.stage("train")["key"]]
    assert set(garbage.run(tiny_dataset, "--verify").statuses.values()) == {"reused"}
    assert garbage("verify").code == 0

    (tiny_dataset / "labels.csv").unlink()  # the same photographs, in a store that has never seen the other one
    kept, garbage.artifacts = garbage.artifacts, tmp_path / "never"
    fresh = garbage.run(tiny_dataset)
    for stage in STAGES:
        assert keys(kept, stage) == keys(garbage.artifacts, stage), stage
    datasets = [
        read_manifest(next(root.glob("stages/dataset/*/manifest.json")).parent).digest for root in (kept, garbage.artifacts)
    ]
    assert datasets[0] == datasets[1]
    assert fresh.json["metrics"] == done.json["metrics"]


def test_another_datasets_results_stay_and_an_archive_is_not_touched(
    garbage: CommandLine, tiny_dataset: Path, first: Finished, tmp_path: Path
) -> None:
    other = shutil.copytree(tiny_dataset, tmp_path / "others")
    changed = sorted((other / "train").rglob("*.png"))
    for path in changed:
        path.write_bytes(path.read_bytes() + b"\0")  # the same pictures under other digests
    for path in sorted((other / "test").rglob("*.png")):
        path.write_bytes(path.read_bytes() + b"\0")
    garbage.run(other)
    archive = Path(shutil.make_archive(str(tmp_path / "pictures"), "zip", tiny_dataset))
    before = file_sha256(archive)
    digest = file_sha256(tiny_dataset / "test/Paper/001.png")
    done = garbage("forget", digest, "--dataset", archive, "--yes", "--exact", "--json")
    assert done.code == 0, done.err
    assert done.json["holding"] == []
    assert file_sha256(archive) == before
    assert not traces(garbage.artifacts, digest)
    assert done.json["metrics"]["test"]["images"] == first.json["metrics"]["test"]["images"] - 1
    assert set(garbage.run(other).statuses.values()) == {"reused"}
    assert champion_of(garbage.artifacts, "garbage-finetune/others") is None
