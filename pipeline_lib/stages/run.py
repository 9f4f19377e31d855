"""One run of a flow as its stages see it: where results live, what is verified, and what came of each stage."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

from pipeline_lib.errors import writing_into
from pipeline_lib.stages.history import in_use
from pipeline_lib.stages.key import Plan
from pipeline_lib.stages.result import Ref, Verify
from pipeline_lib.stages.root import check_root
from pipeline_lib.stages.store import Store

Status = Literal["failed", "stale", "computed", "reused"]
Row = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What came of one stage, or of one shard of it."""

    status: Status
    reason: str
    key: str


@dataclass
class Run:
    """A run in progress.

    Attributes:
        flow: Name of the flow.
        dataset: Name of the dataset.
        planning: Only say what would be reused; compute nothing.
        verify: Compare outputs with their recorded ``sizes``, or with their ``digests`` too.
        stage_minutes: Time limit of each stage, in minutes.
        listener: Called with the row of each stage as it ends.
        say: Called with what a stage says while it works, a line at a time.
        at_end: What is done or waited for when the flow has called its last stage, be it in success or failure.
        aside: What the stages in progress work on, where that is something else than the run's dataset; see `working_on`.
        asides: What stages before them have worked on.
        shown: What each stage shows, in order. While planning, some are still to be made.
        results: Paths of the results that were used, computed or not, below the artifacts root.
        stages: One row a stage, in order: name, status, reason, seconds (wall time), key; a stage of several shards also
            has the count of each status, and one that has ended the figure that says what it has come to; ``inputs`` names the
            stages whose results it was given.
    """

    flow: str = ""
    dataset: str = ""
    planning: bool = False
    verify: Verify = "sizes"
    stage_minutes: float = 240.0
    listener: Callable[[Row], None] = lambda row: None
    say: Callable[[str], None] = lambda line: None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    store: Store = field(default_factory=Store)
    at_end: ExitStack = field(default_factory=ExitStack)
    aside: str = ""
    asides: list[str] = field(default_factory=list)
    shown: dict[str, Ref] = field(default_factory=dict)
    results: set[str] = field(default_factory=set)
    stages: list[Row] = field(default_factory=list)
    _made_by: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def slot(self) -> str:
        """The flow on the dataset: two datasets are two histories."""
        return self.slots[0]

    @property
    def slots(self) -> list[str]:
        """The slot of the dataset that is worked on, then those of others that this run has worked on before."""
        return [f"{self.flow}/{self.dataset} {what}".rstrip() for what in (self.aside, *self.asides)]

    def called(self, stage: str) -> str:
        """Return what a stage is called in this run, such as ``audit``, or ``delivered audit``."""
        return f"{self.aside} {stage}".lstrip()

    def find(self, plan: Plan) -> tuple[Ref | None, str]:
        """Return a result if there is one that counts, here or in the remote store, else None; and the reason in words."""
        return self.store.find(plan, self.verify, fetch=not self.planning)

    @contextmanager
    def working_on(self, what: str) -> Iterator[None]:
        """Let the stages within work on something else than all others of the run: another dataset, other settings.

        They have names and slots of their own, ``delivered audit`` beside ``audit``, and the report does not show them. What
        comes after them may take over what they have computed for the same images. Within another such block the names add
        up.
        """
        outer, inner = self.aside, f"{self.aside} {what}".lstrip()
        self.aside = inner
        try:
            yield
        finally:
            self.aside, self.asides = outer, [*self.asides, inner]

    def show(self, stage: str, shown: Ref) -> None:
        """Keep what a stage shows for the report, unless it works on another dataset."""
        self.results.add(shown.path)
        self._made_by[shown.stage, shown.key] = self.called(stage)
        if not self.aside:
            self.shown[stage] = shown

    def record(self, stage: str, outcomes: Sequence[Outcome], seconds: float, inputs: Iterable[Ref] = ()) -> Row:
        """Keep what came of a stage, its shards summed up, and return the row; ``inputs`` is what all of them were given."""
        counts = {
            status: sum(each.status == status for each in outcomes) for status in ("failed", "stale", "computed", "reused")
        }
        status = next(name for name, count in counts.items() if count)
        telling = next(each for each in outcomes if each.status == status)
        row: Row = {"name": self.called(stage), "status": status, "reason": telling.reason}
        row |= {"seconds": round(seconds, 3), "key": telling.key}
        row["inputs"] = sorted({self._made_by[ref.stage, ref.key] for ref in inputs if (ref.stage, ref.key) in self._made_by})
        self._made_by |= {(stage, each.key): row["name"] for each in outcomes}
        if len(outcomes) > 1:
            row |= {name: count for name, count in counts.items() if count}
        self.stages.append(row)
        self.listener(row)
        return row


class Named(Protocol):
    """A dataset, a shard, a view of one: a value with a name that people see and nothing reads back."""

    @property
    def name(self) -> str:
        """What people see."""
        ...


Found = TypeVar("Found", bound=Named)

_current: ContextVar[Run] = ContextVar("run")


def current_run() -> Run:
    """Return the run in progress; raises LookupError outside of one."""
    return _current.get()


@contextmanager
def watching(run: Run) -> Iterator[Run]:
    """Make ``run`` the run in progress for the flow that is called within."""
    token = _current.set(run)
    try:
        yield run
    finally:
        _current.reset(token)


@contextmanager
def running(flow: str, find: Callable[[Run], Found], stage_minutes: float) -> Iterator[tuple[Run, Found]]:
    """Begin to work on a dataset, in the run that somebody watches or in a new one; yield the run and the dataset.

    Args:
        flow: Name of the flow.
        find: Returns the dataset.
        stage_minutes: Time limit of each stage, in minutes.

    Raises:
        PipelineError: The artifacts root is not the one that was deployed, or its file system is full; or the remote store
            refuses what the run will ask of it.
    """
    check_root()
    run = _current.get(None) or Run()
    if run.store.shared:
        run.store.shared.check()
    with watching(run), writing_into(run.store.root), _held(run), run.at_end:
        found = find(run)
        run.flow, run.dataset, run.stage_minutes = flow, found.name, stage_minutes
        yield run, found


def _held(run: Run) -> AbstractContextManager[None]:
    """Keep results from being removed while a run uses them; a plan only says what is there."""
    return nullcontext() if run.planning else in_use(run.store.root)
