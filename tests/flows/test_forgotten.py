"""A photograph is forgotten on the running product: the model is trained without it, and no kept result knows it."""

from __future__ import annotations

from pathlib import Path

from support import CommandLine, Finished

from pipeline_lib.data.labels_file import read_decisions
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.stages.champion import read_ledger


def test_a_forgotten_photograph_is_gone_with_all_that_was_made_of_it(
    garbage: CommandLine, tiny_dataset: Path, first: Finished
) -> None:
    assert garbage("promote", first.stage("train")["key"]).code == 0
    photograph = tiny_dataset / "train/Cans/001.png"
    digest = file_sha256(photograph)
    done = garbage("forget", photograph, "--dataset", tiny_dataset, "--exact", "--yes", "--json")
    assert done.code == 0, done.err
    assert done.json["holding"] == []
    assert not photograph.exists()
    assert [each.sha256 for each in read_decisions(tiny_dataset / "labels.csv").rows] == [digest]
    files = [path for path in (garbage.artifacts / "stages").rglob("*") if path.is_file()]
    assert not [path for path in files if file_sha256(path) == digest or digest.encode() in path.read_bytes()]
    assert done.stage("features")["reused"] >= 6  # of 8: those of the shards that never had it
    (champion,) = read_ledger(garbage.artifacts, "garbage-finetune/pictures")
    assert champion.candidate.model.key == done.stage("train")["key"] != first.stage("train")["key"]
    assert garbage("verify").code == 0
