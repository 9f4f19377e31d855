"""The exceptions that a user is meant to read, and how any exception is put into one line."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCANT = 2**16
"""Bytes: a file system with less room than this is full."""


class PipelineError(Exception):
    """Bad input or a bad environment, told in one sentence: what is wrong, where, and what to do.

    The command line prints the sentence alone, without a traceback, and exits with a code other than 0. Every other
    exception is a defect of the program and keeps its traceback.
    """


class OutOfReachError(PipelineError):
    """Something on the network does not answer now and may do so later: worth another try."""


class NoSpaceError(PipelineError):
    """A file system is full."""


class StageError(PipelineError):
    """A stage failed. The message names the stage, what failed and what to do; the reason is its cause."""


def in_words(error: BaseException) -> str:
    """Return an exception as one line: what failed and, where the program knows, what to do."""
    if isinstance(error, PipelineError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{where}"
    told = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {told} - the log has the traceback; finished stages are kept"


@contextmanager
def naming_a_full_disk(folder: Path) -> Iterator[None]:
    """Turn whatever fails within, because the file system of ``folder`` is full, into one sentence that says so.

    Libraries report a full disk in words of their own, and those who catch an OSError blame what they were reading. So the
    causes of an error are looked at, and the file system itself.

    Raises:
        NoSpaceError: It is full.
    """
    try:
        yield
    except Exception as error:
        causes = list(_causes(error))
        if any(isinstance(cause, NoSpaceError) for cause in causes):
            raise
        full = [cause for cause in causes if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)]
        if not full and not _is_full(folder):
            raise
        # A failed copy names what it read too, so a place counts only if it is full itself.
        files = [name for cause in full for name in (cause.filename2, cause.filename) if isinstance(name, str)]
        where = next((place for place in (folder, *(Path(file).parent for file in files)) if _is_full(place)), folder)
        raise NoSpaceError(f"No space left on {where} - make room there and run again; finished stages are kept") from error


def _is_full(folder: Path) -> bool:
    return folder.exists() and shutil.disk_usage(folder).free < SCANT


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and what led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def is_defect(error: BaseException | None) -> bool:
    """Whether an exception is neither the user's nor the machine's fault, so that its traceback is wanted."""
    if isinstance(error, StageError):
        return is_defect(error.__cause__)
    return isinstance(error, Exception) and not isinstance(error, PipelineError | OSError)
