"""What every stage of every flow is: a function that writes into a folder, run as a cached Prefect task.

``@stage`` makes a ``Stage`` of ``function(folder, **arguments) -> summary``. Calling it inside a flow computes the result or
reuses it and returns a reference; ``map`` does so for many shards at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from prefect import Task
from prefect.cache_policies import CachePolicy
from prefect.context import TaskRunContext
from prefect.transactions import IsolationLevel
from prefect.utilities.annotations import opaque

from pipeline_lib.run import Outcome, Run, current_run
from pipeline_lib.stages import Plan, Ref, Store, Summary, plan, references
from tasks.locks import StageLocks
from tasks.progress import progress_bar
from tasks.publish import publish

Compute = Callable[..., Summary]


class StageKey(CachePolicy):
    """Prefect's cache key of a stage is the stage's own key, worked out before the task starts."""

    def compute_key(
        self, task_ctx: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str:
        """Return ``<stage>-<key>`` of the call."""
        plan: Plan = inputs["call"].plan
        return f"{plan.stage}-{plan.key}"


KEY = StageKey().configure(isolation_level=IsolationLevel.SERIALIZABLE, lock_manager=StageLocks())


@dataclass(frozen=True)
class Call:
    """One shard of a stage about to run: its label, plan and arguments, its result if that is there, and the reason."""

    label: str
    plan: Plan
    arguments: Mapping[str, Any]
    found: Ref | None
    reason: str


class Stage:
    """A step of a flow whose result is kept.

    Args:
        function: Computes the result into the folder it is given and returns the summary.
        name: Name of the stage, also of its Prefect task.
        resume: Whether the function can go on from the folder that a killed run left.
    """

    def __init__(self, function: Compute, name: str, *, resume: bool = False) -> None:
        self.function = function
        self.name = name
        self.resume = resume
        self.__doc__ = function.__doc__

    def __call__(self, **arguments: Any) -> Ref:
        """Return the result for these arguments, computed or reused.

        References count as inputs, by content; all other arguments are settings, by value.
        """
        refs = self._run({self.name: arguments}, lambda task, call: task(call=call, run=current_run().id, return_state=True))
        return refs[self.name]

    def map(self, shards: Mapping[str, Mapping[str, Any]]) -> dict[str, Ref]:
        """Return the result of each shard, by label, for its arguments; the flow's task runner works on several at once."""
        return self._run(shards, lambda task, call: task.submit(call=call, run=current_run().id))

    def _run(self, shards: Mapping[str, Mapping[str, Any]], start: Callable[[Task[..., Any], opaque], Any]) -> dict[str, Ref]:
        run, started = current_run(), time.perf_counter()
        calls = [self._prepare(run, label, arguments) for label, arguments in shards.items()]
        if run.planning:
            run.record(self.name, [_planned(call) for call in calls], time.perf_counter() - started)
            return {call.label: call.found or _pending(call.plan) for call in calls}
        try:
            begun = [start(self._task(run.store.root, call.found is None), opaque(call)) for call in calls]
            refs = self._gather(begun)
        except Exception as error:
            run.record(self.name, [Outcome("failed", in_words(error), calls[0].plan.key)], time.perf_counter() - started)
            raise
        for call in calls:
            run.store.remember(call.plan)
        outcomes = [_outcome(run, call, ref) for call, ref in zip(calls, refs, strict=True)]
        publish(run.record(self.name, outcomes, time.perf_counter() - started), refs)
        return dict(zip(shards, refs, strict=True))

    def _gather(self, begun: Sequence[Any]) -> list[Ref]:
        """Wait for all shards, with a bar where there are several; a single stage may have a bar of its own."""
        if len(begun) == 1:
            return [Ref.model_validate(begun[0].result())]
        refs = []
        with progress_bar(self.name) as progress:
            for shard in begun:
                refs.append(Ref.model_validate(shard.result()))
                progress(len(refs), len(begun), "shards")
        return refs

    def _prepare(self, run: Run, label: str, arguments: Mapping[str, Any]) -> Call:
        planned = plan(self.name, f"{run.slot}/{label}", self.function.__module__, arguments)
        stale = next((ref.stage for value in arguments.values() for ref in references(value) if ref.pending), None)
        found, reason = (None, f"follows from `{stale}`") if stale else run.store.find(planned, run.verify)
        return Call(label, planned, arguments, found, reason)

    @lru_cache(maxsize=8)  # noqa: B019  # stages live as long as the program
    def _task(self, root: Path, refresh: bool) -> Task[..., Any]:
        """Return this stage's Prefect task; ``refresh`` distrusts the cached record, for its outputs are not there."""

        def compute(call: Call, run: str) -> dict[str, Any]:
            function = partial(self.function, **call.arguments)
            return Store().build(call.plan, call.reason, run, function, resume=self.resume).model_dump()

        return Task(
            compute,
            name=self.name,
            task_run_name="{call.label}",
            description=(self.__doc__ or "").strip(),
            cache_policy=KEY,
            refresh_cache=refresh,
            persist_result=True,
            result_storage=root / "prefect",
            result_serializer="json",
        )


def stage(name: str, *, resume: bool = False) -> Callable[[Compute], Stage]:
    """Make a ``Stage`` of the decorated function; see there."""
    return lambda function: Stage(function, name, resume=resume)


def in_words(error: BaseException) -> str:
    """Return an error as one line: its message alone when it was written for the user."""
    from pipeline_lib.errors import PipelineError

    return str(error) if isinstance(error, PipelineError) else f"{type(error).__name__}: {error}"


def _planned(call: Call) -> Outcome:
    return Outcome("reused" if call.found else "stale", call.reason, call.plan.key)


def _pending(plan: Plan) -> Ref:
    return Ref(stage=plan.stage, key=plan.key, digest="", path="")


def _outcome(run: Run, call: Call, ref: Ref) -> Outcome:
    if ref.manifest().run == run.id:
        return Outcome("computed", call.reason, ref.key)
    return Outcome("reused", call.reason if call.found else "computed by another run at the same time", ref.key)
