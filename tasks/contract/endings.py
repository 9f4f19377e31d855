"""What a run of a flow is called, and what its last state says."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, cast

import prefect.runtime
from prefect.context import FlowRunContext
from prefect.states import Completed

from pipeline_lib.evaluation.decided import DECISIONS
from pipeline_lib.reporting.headline import top1_in_words
from pipeline_lib.settings.load import changed_settings
from pipeline_lib.stages.run import Row
from tasks.contract.engine import engine
from tasks.contract.failing import fails_in_words, keep_the_log_readable
from tasks.contract.notices import Noticed
from tasks.contract.stopping import stop_within

Arguments = ParamSpec("Arguments")
Results = dict[str, Any]

UNCHANGED = "nothing computed, every stage reused"
"""What the last message of a run says that has found everything as it was."""

NAME_LENGTH = 80
"""Characters of a run's name, settings included: what a list of runs has room for."""


def run_name() -> str:
    """Return the name of the run in progress: its dataset, else its flow, and the settings that are not the default."""
    parameters = prefect.runtime.flow_run.parameters
    dataset, flow = parameters["dataset"], str(prefect.runtime.flow_run.flow_name)
    name = flow if dataset is None else Path(dataset).expanduser().resolve().name.removesuffix(".zip")
    changes = [f"{setting}={value}" for setting, value in changed_settings(parameters["settings"]).items()]
    shown = changes
    while shown and len(" ".join([name, *shown])) > NAME_LENGTH:
        shown = shown[:-1]
    rest = len(changes) - len(shown)
    return " ".join([name, *shown, *([f"and {rest} settings more" if shown else f"with {rest} settings"] if rest else [])])


def ends_in_words(function: Callable[Arguments, Results]) -> Callable[Arguments, Results]:
    """Let a flow's function end with a message that says what came of the run, be it *Completed* or *Failed*, and in time.

    Callers within the process get the function's result or its exception, for Prefect hands on what a state holds.
    """

    @wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Results:
        if FlowRunContext.get() is None:
            return function(*args, **kwargs)
        keep_the_log_readable()
        stop_within()
        with engine():
            results = function(*args, **kwargs)
        return cast(Results, Completed(message=_completed(results), data=results))

    # Prefect would look for the names in annotations among those of this module.
    call.__signature__ = inspect.signature(function, eval_str=True)  # type: ignore[attr-defined]
    return fails_in_words(call)


def _completed(results: Mapping[str, Any]) -> str:
    """Return what came of a run: its headline, what became of its model, what was computed, and where its report is.

    What it gives notice of has its id behind it, see `notices_in`.
    """
    report = [f"report {results['report']}"] if "report" in results else []
    notices = [Noticed(**each) for each in results.get("notices", ())]
    champion = [results["champion"]] if "champion" in results and not _tell_of_champion(notices) else []
    remote = [results["remote"]] if "remote" in results else []
    parts = [*champion, *(notice.marked for notice in notices), *remote]
    return "; ".join([results["headline"], *parts, _computed(results["stages"]), *report])


def _tell_of_champion(notices: Sequence[Noticed]) -> bool:
    return any(notice.text.startswith(DECISIONS) for notice in notices)


def top1(metrics: Mapping[str, Any]) -> str:
    """Return the headline of a flow that evaluates a classifier: top-1 with its interval."""
    return f"top-1 {top1_in_words(metrics)}"


def _computed(stages: list[Row]) -> str:
    names = [row["name"] for row in stages if row["status"] == "computed"]
    if not names:
        return UNCHANGED
    return "every stage computed" if len(names) == len(stages) else f"computed: {', '.join(names)}"
