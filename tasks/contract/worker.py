"""What the worker of a cluster does with one shard of a mapped stage.

It has a store of its own, a shared folder or one that shares results through the remote store, and what it receives does not
depend on where that is. It looks there first: a task that runs again, because the worker that had finished it died, is
reused.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipeline_lib.errors import PipelineError
from pipeline_lib.stages.kept import Kept
from pipeline_lib.stages.key import Code, Plan, differences, plan
from pipeline_lib.stages.result import Ref, Verify
from pipeline_lib.stages.store import Store
from tasks.contract.failing import fails_in_words, keep_the_log_readable
from tasks.contract.locks import file_lock


@dataclass(frozen=True)
class Order:
    """One shard to be computed elsewhere.

    Attributes:
        name: What the task run is called.
        plan: The key of the shard, and what the key is made of.
        stage: The stage whose function computes it, by its module and name.
        arguments: What the function is given, but for ``previous``.
        previous: The result that was there before, if there was one to take files from: its path below the artifacts root,
            and the digests of its files.
        reason: Why it is computed.
        run: Id of the run.
        verify: How a result is judged that may be there already.
    """

    name: str
    plan: Plan
    stage: Code
    arguments: Mapping[str, Any]
    previous: tuple[str, Mapping[str, str]] | None
    reason: str
    run: str
    verify: Verify


@fails_in_words
def work(order: Order) -> dict[str, Any]:
    """Return the reference to a shard's result, computed or found.

    Raises:
        PipelineError: This worker would compute something else than the run has asked for, or lacks an input.
    """
    keep_the_log_readable()
    store, key = Store(), f"{order.plan.stage}-{order.plan.key}"
    function = order.stage.load().function
    _check_key(order, function.__module__)
    arguments = {name: _fetched(value, store) for name, value in order.arguments.items()}
    compute = partial(function, **arguments, **_previous(order, store))
    with file_lock(key):
        return store.build(order.plan, order.reason, order.run, compute, verify=order.verify).model_dump()


def _check_key(order: Order, module: str) -> None:
    """Raise PipelineError if this process has other code or libraries: its result would be kept under a key that is not its."""
    own = plan(order.plan.stage, order.plan.slot, module, order.arguments)
    if own.key != order.plan.key:
        raise PipelineError(
            f"The worker on {platform.node()} is not what the run has asked for: {differences(order.plan.parts, own.parts)}; "
            "start the workers again from the commit and with the packages of the run"
        )


def _fetched(value: Any, store: Store) -> Any:
    """Return an argument whose files are here: a shard's part of a result is fetched, unless the result is here.

    It is where the run's artifacts root is mounted.
    """
    if isinstance(value, list | tuple):
        return [_fetched(each, store) for each in value]
    try:
        return store.fetch_part(value) if isinstance(value, Ref) else value
    except PipelineError as error:
        raise PipelineError(
            f"The worker on {platform.node()} lacks an input: {error}; or mount the run's artifacts root there, and start "
            "the worker with GARBAGE_ARTIFACTS"
        ) from error


def _previous(order: Order, store: Store) -> dict[str, Kept]:
    """Return the argument ``previous``, if the worker has that result; without it all is computed, to the same bytes."""
    if order.previous is None:
        return {}
    path, digests = order.previous
    return {"previous": Kept(store.root / path, digests)} if Path(store.root, path).is_dir() else {}
