"""How tasks and flows end when something is wrong that their user can put right, and what the log of a run says of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from prefect.context import FlowRunContext
from prefect.states import Failed
from prefect.task_engine import TaskRunTimeoutError

from pipeline_lib.errors import PipelineError, in_words, is_defect

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def fails_in_words(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let the function of a task or flow end *Failed* with its error's own sentence as the message.

    Prefect would put words before the sentence and log a traceback. Callers within the process get the exception all the
    same: Prefect raises what a failed state holds. Defects are raised, and so keep their traceback; outside of a run every
    exception is raised.
    """

    @wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except TaskRunTimeoutError:
            raise  # this is how Prefect stops a task
        except (PipelineError, OSError) as error:
            if FlowRunContext.get() is None:
                raise
            return cast(Result, Failed(message=in_words(error), data=error))

    return call


def keep_the_log_readable() -> None:
    """Leave out of the run's log what nobody reads: each task's good end, and tracebacks of expected errors."""
    logging.getLogger("prefect.task_runs").addFilter(_is_news)
    logging.getLogger("prefect.flow_runs").addFilter(_in_a_sentence)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a task's record says what no other does; its failure is said by its last line, `Finished in state Failed`."""
    if record.exc_info:
        return is_defect(record.exc_info[1])
    return record.levelno > logging.INFO or not str(record.msg).startswith("Finished in state")


def _in_a_sentence(record: logging.LogRecord) -> bool:
    """Turn a flow's record of an expected error into the error's sentence."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, Exception) and not is_defect(error):
        changes: dict[str, Any] = {"msg": in_words(error), "args": (), "exc_info": None}
        vars(record).update(changes)
    return True
