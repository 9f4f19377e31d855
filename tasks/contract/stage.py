"""What every stage of every flow is: a function that writes into a folder, run as a cached Prefect task.

``@stage`` makes a ``Stage`` of ``function(folder, **arguments) -> summary``. Calling it inside a flow computes the result or
reuses it and returns a reference; ``map`` does so for many shards at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas import State, TaskRun
from prefect.context import FlowRunContext, TaskRunContext
from prefect.task_engine import TaskRunTimeoutError
from prefect.transactions import IsolationLevel
from prefect.utilities.annotations import opaque

from pipeline_lib.errors import OutOfReachError, StageError, in_words
from pipeline_lib.stages.kept import Kept
from pipeline_lib.stages.key import Code, Plan, plan, references
from pipeline_lib.stages.result import Ref, Summary, Verify
from pipeline_lib.stages.run import Named, Outcome, Run, current_run
from pipeline_lib.stages.store import Store
from tasks.contract.engine import has_workers, submit_to_workers
from tasks.contract.failing import fails_in_words
from tasks.contract.locks import StageLocks
from tasks.contract.progress import progress_bar
from tasks.contract.publish import Exhibit, find_exhibit, publish
from tasks.contract.worker import Order, work

Compute = Callable[..., Summary]

Shard = TypeVar("Shard", bound=Named)
"""What a stage is mapped over."""

RETRY_DELAYS: list[float] = [10, 60, 300]  # seconds


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
    """One shard of a stage about to run.

    Attributes:
        label: What the shard is called among those of the stage.
        name: What the task run is called: the stage, and which shard of it.
        plan: Its key, and what the key is made of.
        arguments: What its function is given.
        found: Its result, if that is there.
        reason: Why it is reused or computed.
        verify: How the result is judged that may be there by the time this one has its turn.
    """

    label: str
    name: str
    plan: Plan
    arguments: Mapping[str, Any]
    found: Ref | None
    reason: str
    verify: Verify


class Stage:
    """A step of a flow whose result is kept.

    Args:
        function: Computes the result into the folder it is given and returns the summary.
        name: Name of the stage, also of its Prefect task.
        resume: Whether the function can go on from the folder that a killed run left.
        network: Whether it fetches something: a deployed run then tries again when the network fails it.
        varies: Names of inputs that change by parts. The function is given the ``previous`` result, a ``Kept`` or None, if
            nothing but these inputs differs, and takes from there what it would compute again.
    """

    def __init__(
        self, function: Compute, name: str, *, resume: bool = False, network: bool = False, varies: Collection[str] = ()
    ) -> None:
        self.function = function
        self.name = name
        self.resume = resume
        self.network = network
        self.varies = varies
        self.__doc__ = function.__doc__

    def __call__(self, **arguments: Any) -> Ref:
        """Return the result for these arguments, computed or reused.

        References count as inputs, by content; all other arguments are settings, by value.
        """

        def start(call: Call, task: Task[..., Any], run: Run) -> Any:
            limited = task.with_options(timeout_seconds=None if call.found else 60 * run.stage_minutes)
            return limited(call=opaque(call), run=run.id, return_state=True)

        return self._run({self.name: arguments}, start, lambda begun, deadline: [begun[0].result()])[self.name]

    def map(self, shards: Mapping[Shard, Mapping[str, Any]]) -> dict[Shard, Ref]:
        """Return the result of each shard for its arguments; the run's engine works on several at once."""

        def start(call: Call, task: Task[..., Any], run: Run) -> Any:
            if has_workers() and not call.found:
                return submit_to_workers(self._task_elsewhere, {"order": self._order(call, run)})
            return task.submit(call=opaque(call), run=run.id)

        calls = {shard.name: arguments for shard, arguments in shards.items()}
        refs = self._run(calls, start, self._gather)
        return dict(zip(shards, refs.values(), strict=True))

    def _run(
        self,
        shards: Mapping[str, Mapping[str, Any]],
        start: Callable[[Call, Task[..., Any], Run], Any],
        gather: Callable[[Sequence[Any], float], list[Any]],
    ) -> dict[str, Ref]:
        run, started = current_run(), time.perf_counter()
        calls = [self._prepare(run, label, arguments) for label, arguments in shards.items()]
        inputs = [ref for call in calls for value in call.arguments.values() for ref in references(value)]
        if run.planning:
            results = {call.label: call.found or _pending(call.plan) for call in calls}
            exhibit = find_exhibit(run, self.name, results) if all(call.found for call in calls) else None
            run.record(self.name, [_planned(call, exhibit) for call in calls], time.perf_counter() - started, inputs)
            run.results |= {call.found.path for call in calls if call.found}
            run.show(self.name, (exhibit and exhibit.found) or _pending(calls[0].plan))
            return results
        try:
            begun = [start(call, self._task(run.store.root, call.found is None), run) for call in calls]
            refs = [Ref.model_validate(found) for found in gather(begun, started + 60 * run.stage_minutes)]
            for ref in refs:  # a worker may have computed it on another machine
                run.store.fetch(ref)
        except Exception as error:
            reason = _over_time(run) if isinstance(error, TaskRunTimeoutError) else in_words(error)
            run.record(self.name, [Outcome("failed", reason, calls[0].plan.key)], time.perf_counter() - started, inputs)
            raise StageError(f"Stage {run.called(self.name)} failed: {reason}") from error
        for call, ref in zip(calls, refs, strict=True):
            run.store.remember(call.plan)
            run.results.add(ref.path)
        results = dict(zip(shards, refs, strict=True))
        exhibit = find_exhibit(run, self.name, results)
        outcomes = [_outcome(run, call, ref, exhibit) for call, ref in zip(calls, refs, strict=True)]
        row = run.record(self.name, outcomes, time.perf_counter() - started, inputs)
        run.show(self.name, publish(run, row, exhibit, results, calls[0].arguments.get("dataset")))
        return results

    def _gather(self, begun: Sequence[Any], deadline: float) -> list[Any]:
        """Wait for all shards behind a progress bar.

        Prefect can stop a task in the main thread only. Shards are computed in others, so their time limit is kept here.
        """
        refs: list[Any] = []
        with progress_bar(self.name) as progress:
            for shard in begun:
                try:
                    refs.append(shard.result(max(deadline - time.perf_counter(), 0)))
                except TimeoutError as error:
                    if time.perf_counter() < deadline:
                        raise  # a file system's, for instance
                    raise TaskRunTimeoutError from error
                progress(len(refs), len(begun), "shards")
        return refs

    def _prepare(self, run: Run, label: str, arguments: Mapping[str, Any]) -> Call:
        planned = plan(self.name, f"{run.slot}/{label}", self.function.__module__, arguments)
        stale = next((ref.stage for value in arguments.values() for ref in references(value) if ref.pending), None)
        found, reason = (None, f"follows from `{stale}`") if stale else run.find(planned)
        if self.varies and not (found or run.planning):
            plans = (planned.model_copy(update={"slot": f"{slot}/{label}"}) for slot in run.slots)
            found_before = (run.store.predecessor(each, self.varies) for each in plans)
            arguments = {**arguments, "previous": next(filter(None, found_before), None)}
        name = run.called(self.name if label == self.name else f"{self.name} {label}")
        return Call(label, name, planned, arguments, found, reason, run.verify)

    def _order(self, call: Call, run: Run) -> Order:
        """Return a call as a worker is given it: without the paths of this process, and the function by its name."""
        arguments = dict(call.arguments)
        kept: Kept | None = arguments.pop("previous", None)
        previous = (kept.folder.relative_to(run.store.root).as_posix(), kept.digests) if kept else None
        code = Code(self.function.__module__, self.function.__qualname__)
        return Order(call.name, call.plan, code, arguments, previous, call.reason, run.id, call.verify)

    @cached_property
    def _task_elsewhere(self) -> Task[..., Any]:
        """Return this stage's Prefect task on a worker.

        It has neither Prefect's record nor its lock: the store of the worker has both.
        """
        about = (self.__doc__ or "").strip()
        return Task(
            work, name=self.name, task_run_name="{order.name}", description=about, cache_policy=NO_CACHE, persist_result=False
        )

    @lru_cache(maxsize=8)  # noqa: B019  # stages live as long as the program
    def _task(self, root: Path, refresh: bool) -> Task[..., Any]:
        """Return this stage's Prefect task; ``refresh`` distrusts the cached record, for its outputs are not there."""

        @fails_in_words
        def compute(call: Call, run: str) -> dict[str, Any]:
            function = partial(self.function, **call.arguments)
            store = Store()
            return store.build(call.plan, call.reason, run, function, resume=self.resume, verify=call.verify).model_dump()

        return Task(
            compute,
            name=self.name,
            task_run_name="{call.name}",
            description=(self.__doc__ or "").strip(),
            cache_policy=KEY,
            refresh_cache=refresh,
            persist_result=True,
            result_storage=root / "prefect",
            result_serializer="json",
            **(network_retries() if self.network and refresh else {}),
        )


def stage(name: str, **options: Any) -> Callable[[Compute], Stage]:
    """Make a ``Stage`` of the decorated function; see there."""
    return lambda function: Stage(function, name, **options)


def network_retries() -> dict[str, Any]:
    """Return how a Prefect task tries again when the network fails it.

    A deployed run has time: it waits 10 s, 1 min and 5 min. Whoever sits at a terminal gets the error at once and decides.
    """
    context = FlowRunContext.get()  # prefect.runtime.deployment would ask the server
    deployed = context is not None and context.flow_run is not None and context.flow_run.deployment_id is not None
    delays = RETRY_DELAYS if deployed else []
    return {"retries": len(delays), "retry_delay_seconds": delays or None, "retry_condition_fn": _is_out_of_reach}


def _is_out_of_reach(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), OutOfReachError)


def _over_time(run: Run) -> str:
    return f"it took longer than {run.stage_minutes:g} minutes; raise the setting stage_minutes, or fix what holds it up"


def _pending(plan: Plan) -> Ref:
    return Ref(stage=plan.stage, key=plan.key, digest="", path="")


def _planned(call: Call, exhibit: Exhibit | None) -> Outcome:
    if call.found is None or exhibit is None:
        return Outcome("reused" if call.found else "stale", call.reason, call.plan.key)
    return Outcome("reused", _reused(call, exhibit), call.plan.key)


def _outcome(run: Run, call: Call, ref: Ref, exhibit: Exhibit) -> Outcome:
    if ref.manifest().run == run.id:
        return Outcome("computed", call.reason, ref.key)
    return Outcome("reused", _reused(call, exhibit) if call.found else "computed by another run at the same time", ref.key)


def _reused(call: Call, exhibit: Exhibit) -> str:
    """Say why a result is reused, and why it is shown anew where it is: the report follows from what is shown."""
    return call.reason if exhibit.found else f"{call.reason}, shown anew: {exhibit.reason}"
