"""The exceptions that a user is meant to read, and how any exception is put into one line."""

from __future__ import annotations

import errno


class PipelineError(Exception):
    """Bad input or a bad environment, told in one sentence: what is wrong, where, and what to do.

    The command line prints the sentence alone, without a traceback, and exits with a code other than 0. Every other
    exception is a defect of the program and keeps its traceback.
    """


class OutOfReachError(PipelineError):
    """Something on the network does not answer now and may do so later: worth another try."""


class StageError(PipelineError):
    """A stage failed. The message names the stage, what failed and what to do; the reason is its cause."""


def in_words(error: BaseException) -> str:
    """Return an exception as one line: what failed and, where the program knows, what to do."""
    if isinstance(error, PipelineError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        room = " - make room and run again; finished stages are kept" if error.errno == errno.ENOSPC else ""
        return f"{error.strerror}{where}{room}"
    told = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {told} - the log has the traceback; finished stages are kept"


def is_defect(error: BaseException | None) -> bool:
    """Whether an exception is neither the user's nor the machine's fault, so that its traceback is wanted."""
    if isinstance(error, StageError):
        return is_defect(error.__cause__)
    return isinstance(error, Exception) and not isinstance(error, PipelineError | OSError)
