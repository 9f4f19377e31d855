"""The embedded sample on threads, on Dask and on Ray: the same digests, and what each costs; a worker is killed meanwhile."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from clusters import dask, ray
from remote_store import Server
from support import CommandLine, Finished, command_line, photographs
from waiting import PATIENCE, eventually

from pipeline_lib.stages.result import read_manifest

MAPPED = ("augment", "features")


def mapped(artifacts: Path) -> dict[str, str]:
    """The digests of the results of mapped stages by their path."""
    folders = [path.parent for stage in MAPPED for path in artifacts.glob(f"stages/{stage}/*/manifest.json")]
    return {folder.relative_to(artifacts).as_posix(): read_manifest(folder).digest for folder in folders}


def every(artifacts: Path) -> dict[str, str]:
    """The digests of all results by their path, but of those that say when a night was."""
    folders = [path.parent for path in artifacts.glob("stages/*/*/manifest.json")]
    return {
        folder.relative_to(artifacts).as_posix(): read_manifest(folder).digest
        for folder in folders
        if folder.parent.name not in ("nights", "report", "exhibit")
    }


def again(garbage: CommandLine, engine: str) -> None:
    """Let the mapped stages be computed again, on an engine."""
    for stage in MAPPED:
        shutil.rmtree(garbage.artifacts / "stages" / stage, ignore_errors=True)
    garbage.environment["GARBAGE_ENGINE"] = engine


def seconds(run: Finished) -> dict[str, float]:
    return {stage: run.stage(stage)["seconds"] for stage in MAPPED}


def features(artifacts: Path) -> dict[str, int]:
    """When each result of `features` was published."""
    return {path.parent.name: path.stat().st_mtime_ns for path in artifacts.glob("stages/features/*/manifest.json")}


def test_every_engine_has_the_digests_of_threads_and_a_killed_worker_costs_nothing(
    garbage: CommandLine, tmp_path: Path, record: Callable[[Any], None]
) -> None:
    garbage.settings = {"image_size": 96}
    garbage.run("sample")
    expected, figures = mapped(garbage.artifacts), {}
    garbage.environment["PYTHONPATH"] = str(garbage.source)
    again(garbage, "threads")
    figures["threads"] = seconds(garbage.run("sample"))
    with ray(tmp_path / "r", garbage.environment, garbage.artifacts) as cluster:
        again(garbage, cluster.engine)
        figures["ray"] = seconds(garbage.run("sample"))
        assert mapped(garbage.artifacts) == expected
    with dask(tmp_path / "d", garbage.environment, garbage.artifacts) as cluster:
        for state in ("started", "used before"):
            again(garbage, cluster.engine)
            figures[f"dask, workers {state}"] = seconds(garbage.run("sample"))
            assert mapped(garbage.artifacts) == expected

        again(garbage, cluster.engine)
        process = garbage.start("run", "--json", "--dataset", "sample")
        before = eventually(lambda: features(garbage.artifacts), lambda published: len(published) >= 5)
        cluster.workers[0].kill()
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        assert mapped(garbage.artifacts) == expected
        assert before.items() <= features(garbage.artifacts).items()
        figures["dask, a worker killed"] = seconds(Finished(0, out, err))
    record({"cores": os.cpu_count(), "shards": len(expected), "seconds": figures})


@pytest.mark.parametrize("cluster_of", [dask, ray], ids=["dask", "ray"])
def test_workers_that_share_nothing_but_the_remote_store_have_the_same_digests(
    garbage: CommandLine, tiny_dataset: Path, s3: Server, tmp_path: Path, prefect_api: str, cluster_of: Any
) -> None:
    garbage.run(tiny_dataset)
    expected = mapped(garbage.artifacts)
    machine = command_line(tmp_path / "elsewhere", prefect_api)
    machine.environment |= {**s3.environment, "PYTHONPATH": str(machine.source)}
    with cluster_of(tmp_path / "cluster", machine.environment, None) as cluster:
        machine.environment["GARBAGE_ENGINE"] = cluster.engine
        run = machine.run(tiny_dataset)
    assert {run.stage(stage)["status"] for stage in MAPPED} == {"computed"}
    assert mapped(machine.artifacts) == expected
    assert list((tmp_path / "cluster").rglob("stages/features/*/manifest.json")), "the workers have folders of their own"


def test_the_photographs_have_the_same_digests_on_clusters_that_share_nothing_but_the_remote_store(
    s3: Server, tmp_path: Path, prefect_api: str, record: Callable[[Any], None]
) -> None:
    archive, figures, digests = photographs(), {}, {}
    for engine, cluster_of in (("threads", None), ("dask", dask), ("ray", ray)):
        machine = command_line(tmp_path / engine, prefect_api)
        machine.settings = {}
        machine.environment |= {"PYTHONPATH": str(machine.source)}
        with ExitStack() as stack:
            if cluster_of:
                store = {**s3.environment, "GARBAGE_REMOTE": f"{s3.environment['GARBAGE_REMOTE']}/{engine}"}
                machine.environment |= store  # of its own: nothing that another engine has computed
                cluster = stack.enter_context(cluster_of(tmp_path / engine / "cluster", machine.environment, None))
                machine.environment["GARBAGE_ENGINE"] = cluster.engine
            started = time.monotonic()
            run = machine.run(archive)
        figures[engine] = {"all": round(time.monotonic() - started, 1), **seconds(run)}
        assert {run.stage(stage)["status"] for stage in MAPPED} == {"computed"}
        digests[engine] = every(machine.artifacts)
    record({"cores": os.cpu_count(), "results": len(digests["threads"]), "seconds": figures})
    assert digests["dask"] == digests["ray"] == digests["threads"]
