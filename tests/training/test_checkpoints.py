from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from pipeline_lib.training.checkpoints import Checkpoints

ARRAYS = {
    "step.weight": np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3),
    "step.global_step": np.array([7], np.int32),
    "history": np.array([[1.0, 0.1, 1 / 3]]),
}


def checkpoints(folder: Path, fingerprint: str = "this one", keep: int = 3) -> Checkpoints:
    return Checkpoints(folder / "checkpoints", fingerprint, every=2, keep=keep)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def overwrite(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def test_arrays_come_back_bit_for_bit(tmp_path: Path) -> None:
    checkpoints(tmp_path).save(2, ARRAYS)
    arrays = checkpoints(tmp_path).newest()
    assert arrays is not None
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert np.array_equal(arrays[name], array)


def test_equal_arrays_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        checkpoints(tmp_path / name).save(2, ARRAYS)
    first, second = (tmp_path / name / "checkpoints" / "epoch-002.ckpt" for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def test_one_is_due_every_so_many_epochs(tmp_path: Path) -> None:
    assert [epoch for epoch in range(1, 8) if checkpoints(tmp_path).is_due(epoch)] == [2, 4, 6]


def test_the_newest_ones_are_kept_by_number_and_not_by_name(tmp_path: Path) -> None:
    for epoch in (2, 998, 1000, 1002):
        checkpoints(tmp_path).save(epoch, ARRAYS | {"epoch": np.array([epoch])})
    assert names(tmp_path) == ["epoch-1000.ckpt", "epoch-1002.ckpt", "epoch-998.ckpt"]
    arrays = checkpoints(tmp_path).newest()
    assert arrays is not None
    assert arrays["epoch"] == [1002]


def test_without_a_checkpoint_there_is_none(tmp_path: Path) -> None:
    assert checkpoints(tmp_path).newest() is None


@pytest.mark.parametrize("damage", ["cut", "cut to nothing", "cut between entries", "flipped", "other file"])
def test_a_damaged_checkpoint_is_named_removed_and_the_one_before_it_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    for epoch in (2, 4):
        checkpoints(tmp_path).save(epoch, ARRAYS | {"epoch": np.array([epoch])})
    path = tmp_path / "checkpoints" / "epoch-004.ckpt"
    content = path.read_bytes()
    middle = len(content) // 2
    between_entries = content.rindex(b"\n", 0, content.rindex(b"fingerprint") - 2)  # a line feed is the tag of an entry
    overwrite(
        path,
        {
            "cut": content[:middle],
            "cut to nothing": b"",
            "cut between entries": content[:between_entries],
            "flipped": content[:40] + bytes([content[40] ^ 1]) + content[41:],
            "other file": b"no checkpoint at all",
        }[damage],
    )
    with caplog.at_level(logging.WARNING, logger="pipeline_lib"):
        arrays = checkpoints(tmp_path).newest()
    assert arrays is not None
    assert arrays["epoch"] == [2]
    assert "epoch-004.ckpt" in caplog.text
    assert names(tmp_path) == ["epoch-002.ckpt"]


def test_a_checkpoint_of_another_training_is_named_and_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    checkpoints(tmp_path, "another one").save(2, ARRAYS)
    with caplog.at_level(logging.WARNING, logger="pipeline_lib"):
        assert checkpoints(tmp_path).newest() is None
    assert "another training" in caplog.text
    assert names(tmp_path) == []


def test_what_a_kill_left_half_written_is_removed(tmp_path: Path) -> None:
    checkpoints(tmp_path).save(2, ARRAYS)
    (tmp_path / "checkpoints" / "epoch-004.tmp").write_bytes(b"half")
    assert checkpoints(tmp_path).newest() is not None
    assert names(tmp_path) == ["epoch-002.ckpt"]
