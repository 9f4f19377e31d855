"""A disk that is soon full, for tests of what happens then."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The folder of a file system of its own with 256 KB."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")  # now, for tests change PATH
    if not (mount and umount):
        pytest.skip("there is no `mount` to make a small file system with")
    command = [mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run([umount, "--lazy", str(folder)], check=True)


def fill(disk: Path) -> None:
    """Leave no room on a small disk."""
    with pytest.raises(OSError, match="No space left"), (disk / "filler").open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))


def left_on(disk: Path) -> list[str]:
    """The files on a disk but locks, which are empty."""
    return sorted(path.relative_to(disk).as_posix() for path in disk.rglob("*") if path.is_file() and path.suffix != ".lock")
