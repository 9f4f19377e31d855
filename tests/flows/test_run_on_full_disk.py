"""A disk that is full while a stage works."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from disk import left_on
from support import CommandLine, Finished, mounted

from pipeline_lib.stages.result import read_manifest

# Each writes by other means; from the end, so that one run computes them all again.
REMOVED = ("report", "train", "features", "augment", "backbone", "dataset")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for the results of one run."""
    yield from mounted(tmp_path / "disk", "128m")


def fill(disk: Path) -> Path:
    """Write a file that leaves no room, and return it."""
    ballast = disk / "ballast"
    with pytest.raises(OSError, match="No space left"), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))
    return ballast


def outputs(artifacts: Path) -> dict[str, str]:
    manifests = [read_manifest(path.parent) for path in artifacts.glob("stages/*/*/manifest.json")]
    return {f"{each.stage}/{each.key}": each.digest for each in manifests if each.stage not in ("report", "exhibit")}


@pytest.mark.acceptance
def test_every_stage_names_the_full_disk_and_leaves_the_store_whole_and_the_next_run_goes_on_from_there(
    garbage: CommandLine, tiny_dataset: Path, disk: Path, first: Finished
) -> None:
    garbage.artifacts = Path(shutil.move(garbage.artifacts, disk))
    whole = outputs(garbage.artifacts)
    for stage in REMOVED:
        for result in (garbage.artifacts / "stages" / stage).glob("[!.]*"):
            shutil.rmtree(result)
        ballast = fill(disk)
        failed = garbage("run", "--json", "--dataset", tiny_dataset)
        ballast.unlink()
        assert failed.code == 1
        assert failed.json["error"].endswith(
            f"No space left on {garbage.artifacts} - make room and run again; finished stages are kept"
        ), stage
        stopped = [row["name"] for row in failed.json["stages"] if row["status"] == "failed"]
        assert stopped == ([] if stage == "report" else [stage])  # the look that comes before the report finds no room either
        assert "Traceback" not in failed.err
        assert outputs(garbage.artifacts).items() <= whole.items()
        left = [path for path in left_on(disk) if ".partial" in path]
        assert not [path for path in left if "/train/" not in path]  # train alone goes on from what it left
    again = garbage.run(tiny_dataset)
    assert {name for name, status in again.statuses.items() if status == "computed"} == set(REMOVED)
    assert outputs(garbage.artifacts) == whole
