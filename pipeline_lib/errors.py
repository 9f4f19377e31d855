"""The exceptions that a user is meant to read, and how any exception is put into one line."""

from __future__ import annotations

import errno
import re

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
    """Bad input or a bad environment, told in one sentence: what is wrong, where, and what to do.

    The command line prints the sentence alone, without a traceback, and exits with a code other than 0. Every other
    exception is a defect of the program and keeps its traceback. Whatever the message quotes is shortened.
    """

    def __init__(self, message: str) -> None:
        super().__init__(_words_shortened(message))


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
        advice = f" - {advice_on(error)}" if advice_on(error) else ""
        return _words_shortened(f"{error.strerror}{where}{advice}")
    told = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {told} - the log has the traceback; finished stages are kept"


def advice_on(error: OSError) -> str:
    """Return what to do about an error of the file system; empty where only the reason itself can tell."""
    return _ADVICE.get(error.errno or 0, "")


def shortened(text: str) -> str:
    """Return a text for a message: as it is, or its beginning and its end when it is longer than ``LONGEST``."""
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]}...{text[-LONGEST // 2 :]}"


def _words_shortened(message: str) -> str:
    return re.sub(r"\S+", lambda word: shortened(word.group()), message)


def is_defect(error: BaseException | None) -> bool:
    """Whether an exception is neither the user's nor the machine's fault, so that its traceback is wanted."""
    if isinstance(error, StageError):
        return is_defect(error.__cause__)
    return isinstance(error, Exception) and not isinstance(error, PipelineError | OSError)
