"""The exceptions that are written for users, and how any exception becomes one line."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_IN_WORDS = re.compile(r"\b(ENOSPC|EDQUOT|no space left on device|disk quota exceeded)\b", re.IGNORECASE)

SCANT = 2**16
"""Bytes: a disk with less room than this is full."""

LONGEST = 200
"""Characters of a word (a path, an address, a value) that a message quotes in full."""

_ADVICE = {
    errno.ENOSPC: "make room and run again; finished stages are kept",
    errno.EACCES: "fix its permissions",
    errno.EPERM: "fix its permissions",
    errno.ELOOP: "remove the link, which leads back to itself",
    errno.ENAMETOOLONG: "give it a shorter name, or fewer folders above it",
}


class PipelineError(Exception):
    """Bad input or a bad environment, in one sentence: what is wrong, where, and what to do.

    The command line prints the sentence alone, without a traceback, and exits with a code other than 0. Every other
    exception is a defect of the program and keeps its traceback. Whatever the message quotes is shortened.
    """

    def __init__(self, message: str) -> None:
        super().__init__(_words_shortened(message))


class OutOfReachError(PipelineError):
    """Something on the network does not answer now and may answer later: worth another try."""


class DiskFullError(PipelineError):
    """A disk is full, or the user's quota on it is used up.

    Attributes:
        folder: The folder that was written into.
    """

    folder: Path

    @classmethod
    def of(cls, folder: Path) -> DiskFullError:
        """Return the error for the disk that holds a folder."""
        error = cls(f"No space left on {folder} - make room and run again; finished stages are kept")
        error.folder = folder
        return error


class StageError(PipelineError):
    """A stage failed. The message names the stage, what failed and what to do; the reason is its cause."""


def in_words(error: BaseException) -> str:
    """Return an exception as one line: what failed and, if the program knows, what to do."""
    if isinstance(error, PipelineError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        advice = f" - {advice_on(error)}" if advice_on(error) else ""
        return _words_shortened(f"{error.strerror}{where}{advice}")
    message = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {message} - the log has the traceback; finished stages are kept"


def advice_on(error: OSError) -> str:
    """Return what to do about an error of the file system; empty if nothing is known beyond the reason."""
    return _ADVICE.get(error.errno or 0, "")


def shortened(text: str) -> str:
    """Return a text for a message: as it is, or its beginning and its end when it is longer than ``LONGEST``."""
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]}...{text[-LONGEST // 2 :]}"


def _words_shortened(message: str) -> str:
    return re.sub(r"\S+", lambda word: shortened(word.group()), message)


def is_defect(error: BaseException | None) -> bool:
    """Whether an exception is neither the user's nor the machine's fault, so that its traceback is needed."""
    if isinstance(error, StageError):
        return is_defect(error.__cause__)
    return isinstance(error, Exception) and not isinstance(error, PipelineError | OSError)


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the name that an unknown word probably means, ignoring case; None if no name is near."""
    return next(iter(get_close_matches(word.casefold(), list(names), n=1)), None)


def says_disk_full(text: str) -> bool:
    """Whether a program's error output says that a disk is full."""
    return bool(_FULL_IN_WORDS.search(text))


@contextmanager
def writing_into(folder: Path) -> Iterator[None]:
    """Turn the error of a full disk, wherever it occurred and however it was wrapped, into a ``DiskFullError``.

    Args:
        folder: The folder that the message names, unless the error names a file elsewhere.

    Raises:
        DiskFullError: The disk that was written to is full. All other exceptions pass.
    """
    try:
        yield
    except DiskFullError as error:
        if error.folder.exists():
            raise
        raise DiskFullError.of(folder) from error  # it was a temporary folder, which means nothing to the user
    except StageError:
        raise  # its message names stage and disk already
    except Exception as error:
        cause = _cause_in_full_disk(error)
        if cause is None and not _is_full(folder):
            raise
        raise DiskFullError.of(_folder_written(cause, folder)) from error


def _is_full(folder: Path) -> bool:
    """Whether the disk of a folder is full: some libraries fail there without saying so."""
    return folder.exists() and shutil.disk_usage(folder).free < SCANT


def _cause_in_full_disk(error: BaseException | None) -> BaseException | None:
    """Return the exception in a chain of causes that says that a disk is full, the operating system's own first."""
    chain = []
    while error is not None:
        chain.append(error)
        error = error.__cause__
    codes = (each for each in chain if isinstance(each, OSError) and each.errno in _FULL)
    # Libraries in C and C++ report a full disk in words alone.
    return next(codes, next((each for each in chain if says_disk_full(str(each))), None))


def _folder_written(error: BaseException | None, folder: Path) -> Path:
    """Return the folder of the file that an error names, if that is elsewhere than in ``folder``."""
    name = (error.filename2 or error.filename) if isinstance(error, OSError) else None
    if not isinstance(name, str) or Path(name).absolute().is_relative_to(folder.absolute()):
        return folder
    return Path(name).parent
