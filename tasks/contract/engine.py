"""Which engine computes the shards of mapped stages: threads of this process, or the workers of a Dask or Ray cluster.

``GARBAGE_ENGINE`` names it: ``threads`` (the default), ``dask://HOST:8786`` or ``ray://HOST:10001``. What is reused, and what
is no shard, never leaves the process of the run.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from prefect import Flow, Task, get_run_logger
from prefect.context import FlowRunContext
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.settings import get_current_settings
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from pipeline_lib.errors import OutOfReachError, PipelineError, in_words

ENGINE = "GARBAGE_ENGINE"
PATIENCE = 20
"""Seconds that a cluster has to answer when a run begins."""

# Threads: a shard is decoded while another one is computed, and the backbone is loaded once for all.
THREADS: Any = ThreadPoolTaskRunner(max_workers=os.cpu_count() or 1)
"""The task runner of every flow that has mapped stages."""

_cluster: ContextVar[TaskRunner[Any] | None] = ContextVar("cluster", default=None)


def has_workers() -> bool:
    """Whether the run has the workers of a cluster; where it has none, threads compute."""
    return _cluster.get() is not None


def submit_to_workers(task: Task[..., Any], parameters: dict[str, Any]) -> PrefectFuture[Any]:
    """Let the workers of the run's cluster run a task; raises LookupError if it has none.

    Prefect sends the flow along with each task. That of a deployed run is of a module that Prefect has loaded from a file,
    which no worker could import; so another flow of the same name goes in its place.
    """
    runner, context = _cluster.get(), FlowRunContext.get()
    if runner is None or context is None:
        raise LookupError("this run has no cluster")
    with context.model_copy(update={"flow": Flow(_elsewhere, name=str(flow_run.flow_name))}):
        future: PrefectFuture[Any] = runner.submit(task, parameters)
    return future


def _elsewhere() -> None:
    """Stand in for the function of a flow where only a task of it runs."""


@contextmanager
def engine() -> Iterator[None]:
    """Connect with the engine that ``GARBAGE_ENGINE`` names, for the mapped stages within.

    Raises:
        PipelineError: There is no such engine, its packages are not installed, it has no workers, or no Prefect server is
            configured that its workers could reach.
        OutOfReachError: The cluster does not answer.
    """
    wanted = os.environ.get(ENGINE) or "threads"
    if wanted == "threads":
        yield
        return
    kind, host, port = _parsed(wanted)
    if not get_current_settings().api.url:
        raise PipelineError(
            f"{ENGINE}={wanted} needs a Prefect server that its workers reach too: set PREFECT_API_URL; `make ui` starts one"
        )
    connect = _loaded(wanted, kind)
    _knock(host, port)
    with connect(f"{host}:{port}") as runner:
        get_run_logger().info("Shards are computed by the workers of %s", wanted)
        token = _cluster.set(runner)
        try:
            yield
        finally:
            _cluster.reset(token)


def _parsed(wanted: str) -> tuple[str, str, int]:
    """Return what kind of cluster an address names, its host and its port."""
    try:
        parts = urlsplit(wanted)
        if parts.scheme in _KINDS and parts.hostname and parts.port and parts.netloc == wanted.partition("://")[2]:
            return parts.scheme, parts.hostname, parts.port
    except ValueError:  # the port is no number, or too high
        pass
    raise PipelineError(f"{ENGINE}={wanted} is no engine; it is threads, dask://HOST:8786 or ray://HOST:10001")


def _loaded(wanted: str, kind: str) -> Callable[[str], AbstractContextManager[TaskRunner[Any]]]:
    """Return what connects with a kind of cluster, its packages imported."""
    connect, packages = _KINDS[kind]
    try:
        for package in packages:
            import_module(package)
    except ImportError as error:
        raise PipelineError(
            f"{ENGINE}={wanted} needs packages that are not installed ({error.name}): "
            f".venv/bin/uv pip install --constraint requirements-dev.lock --editable '.[{kind}]'"
        ) from error
    return connect


def _knock(host: str, port: int) -> None:
    """Raise OutOfReachError unless something listens there: Dask and Ray would try for minutes."""
    try:
        socket.create_connection((host, port), PATIENCE).close()
    except OSError as error:
        raise OutOfReachError(
            f"Nothing answers at {host}:{port} ({in_words(error)}); start the scheduler or head there, or correct {ENGINE}"
        ) from error


@contextmanager
def _dask(place: str) -> Iterator[TaskRunner[Any]]:
    from prefect_dask.task_runners import DaskTaskRunner

    with DaskTaskRunner(address=f"tcp://{place}", client_kwargs={"timeout": PATIENCE}) as runner:
        try:
            workers = runner.client.scheduler_info()["workers"]
        except OSError as error:
            raise OutOfReachError(f"What answers at {place} is no Dask scheduler; correct {ENGINE}") from error
        if not workers:
            raise PipelineError(f"The Dask scheduler at {place} has no workers; start some: dask worker tcp://{place}")
        yield runner


@contextmanager
def _ray(place: str) -> Iterator[TaskRunner[Any]]:
    import ray
    from prefect_ray import RayTaskRunner

    try:
        with RayTaskRunner(address=f"ray://{place}") as runner:
            yield runner
    finally:
        ray.shutdown()  # the runner leaves a client connected


_KINDS: Mapping[str, tuple[Callable[[str], AbstractContextManager[TaskRunner[Any]]], tuple[str, ...]]] = {
    "dask": (_dask, ("prefect_dask",)),
    "ray": (_ray, ("prefect_ray", "ray")),  # prefect_ray imports ray late
}
"""What connects with a kind of cluster, and the packages that it needs."""
