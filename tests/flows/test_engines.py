"""Shards that are computed elsewhere: `GARBAGE_ENGINE`, and a real Dask cluster."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from clusters import dask
from operated import nested
from prefect.settings import PREFECT_API_URL, temporary_settings
from support import CommandLine, Finished, free_port
from waiting import PATIENCE

from pipeline_lib.errors import PipelineError
from pipeline_lib.stages.result import read_manifest
from tasks.contract.engine import ENGINE, engine

MAPPED = ("augment", "features")


def refusal(monkeypatch: pytest.MonkeyPatch, wanted: str) -> str:
    """The sentence with which an engine is refused."""
    monkeypatch.setenv(ENGINE, wanted)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:4200/api"}), pytest.raises(PipelineError) as refused, engine():
        pass
    return str(refused.value)


@pytest.mark.parametrize(
    "wanted",
    ["dusk", "dask", "dask://", "dask://host", "dask://host:port", "ray://host:99999", "tcp://host:8786", "ray://host:1/x"],
)
def test_an_engine_that_does_not_exist_is_refused_with_those_that_do(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    known = "threads, dask://HOST:8786 or ray://HOST:10001"
    assert refusal(monkeypatch, wanted) == f"GARBAGE_ENGINE={wanted} is no engine; it is {known}"


@pytest.mark.parametrize("kind", ["dask", "ray"])
def test_a_cluster_that_does_not_answer_and_packages_that_are_missing_are_named(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    place = f"127.0.0.1:{free_port()}"
    assert f"Nothing answers at {place} (Connection refused)" in refusal(monkeypatch, f"{kind}://{place}")
    monkeypatch.setitem(sys.modules, f"prefect_{kind}", None)
    assert f"(prefect_{kind}): .venv/bin/uv pip install" in refusal(monkeypatch, f"{kind}://{place}")


def test_a_cluster_needs_a_server_that_its_workers_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENGINE, "dask://host:8786")
    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        pytest.raises(PipelineError, match="set PREFECT_API_URL"),
        engine(),
    ):
        pass


def mapped(artifacts: Path) -> dict[str, str]:
    """The digests of the results of mapped stages by their path."""
    folders = [path.parent for stage in MAPPED for path in artifacts.glob(f"stages/{stage}/*/manifest.json")]
    return {folder.relative_to(artifacts).as_posix(): read_manifest(folder).digest for folder in folders}


AS_DEPLOYED = """
import json, sys
from prefect.flows import load_flow_from_entrypoint
run = load_flow_from_entrypoint("flows/garbage_finetune.py:garbage_finetune")
print(json.dumps(run(dataset=sys.argv[1], settings=json.loads(sys.argv[2]))))
"""


def computed_as_deployed(garbage: CommandLine, dataset: Path) -> list[str]:
    """Run the flow as a deployment does, whose flow is of a module that no worker can import; return what was computed."""
    environment = {**garbage.environment, "GARBAGE_ARTIFACTS": str(garbage.artifacts), "PYTHONPATH": str(garbage.source)}
    command = [sys.executable, "-c", AS_DEPLOYED, str(dataset), json.dumps(nested(garbage.settings))]
    ended = subprocess.run(command, cwd=garbage.source, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == 0, ended.stderr
    stages = json.loads(ended.stdout.splitlines()[-1])["stages"]
    return [row["name"] for row in stages if row["status"] == "computed"]


def test_dask_workers_compute_what_threads_compute_and_refuse_when_their_code_differs(
    garbage: CommandLine, tiny_dataset: Path, tmp_path: Path, first: Finished
) -> None:
    expected = mapped(garbage.artifacts)
    for stage in MAPPED:
        shutil.rmtree(garbage.artifacts / "stages" / stage)
    with dask(tmp_path, {**garbage.environment, "PYTHONPATH": str(garbage.source)}, garbage.artifacts, workers=0) as empty:
        garbage.environment["GARBAGE_ENGINE"] = empty.engine
        assert "has no workers; start some" in garbage("run", "--dataset", tiny_dataset).err
    with dask(tmp_path, {**garbage.environment, "PYTHONPATH": str(garbage.source)}, garbage.artifacts) as cluster:
        garbage.environment["GARBAGE_ENGINE"] = cluster.engine
        assert computed_as_deployed(garbage, tiny_dataset) == list(MAPPED)
        assert mapped(garbage.artifacts) == expected

        garbage.edit("pipeline_lib/views/augment.py", '"quality": 95', '"quality": 90')
        edited = garbage("run", "--dataset", tiny_dataset)
        assert edited.code == 1
        assert (
            "is not what the run has asked for: code changed: `pipeline_lib/views/augment.py`; start the workers" in edited.err
        )
    assert mapped(garbage.artifacts) == expected
