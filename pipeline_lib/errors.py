"""The one exception that a user is meant to read."""


class PipelineError(Exception):
    """Bad input or a bad environment, told in one sentence: what is wrong, where, and what to do.

    The command line prints the sentence alone, without a traceback, and exits with a code other than 0. Every other
    exception is a defect of the program and keeps its traceback.
    """
