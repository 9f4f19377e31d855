"""A flow is a file, its tasks and a row of the table: all else treats a third one as it treats the two that are there."""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import PROJECT, CommandLine
from waiting import PATIENCE, Api

from flows.table import ROWS

THIRD = Path(__file__).parent / "third"
ROW = """    Row(
        name="picture-sizes",
        function="picture_sizes",
        settings=SizesSettings,
        summary="Measure the pictures of a dataset.",
        datasets="sample (the default), or the PATH of a folder",
        embedded=("sample",),
    ),
)

FLOWS ="""


@pytest.fixture
def third(garbage: CommandLine) -> CommandLine:
    """The command line on sources to which a third flow was added."""
    shutil.copytree(THIRD, garbage.source, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    garbage.edit("flows/table.py", ")\n\nFLOWS =", ROW)
    garbage.edit(
        "flows/table.py", "\n\nif TYPE_CHECKING", "\nfrom tasks.sizes.settings import SizesSettings\n\nif TYPE_CHECKING"
    )
    garbage.settings = {}
    return garbage


def test_it_runs_is_reused_and_is_found_like_the_others(third: CommandLine, tiny_dataset: Path) -> None:
    flow = ("--flow", "picture-sizes", "--json", "--dataset", str(tiny_dataset))
    first = third("run", *flow)
    assert first.statuses == {"measure": "computed", "count": "computed"}, first.err
    assert first.json["metrics"] == {"small": 33}
    assert first.json["headline"] == "33 small pictures"
    assert "33 small pictures" in first.err
    latest = third.artifacts / "latest" / "picture-sizes" / "pictures"
    assert {path.name: str(path.resolve()) for path in latest.iterdir()} == {
        name: first.json[name] for name in ("sizes", "counted")
    }

    assert third("run", *flow).statuses == {"measure": "reused", "count": "reused"}
    planned = third("status", *flow, "--set", "least=8")
    assert planned.statuses == {"measure": "reused", "count": "stale"}
    assert planned.stage("count")["reason"] == "setting `least` 64 -> 8"
    assert third("run", *flow, "--set", "least=8").json["metrics"] == {"small": 0}

    listed = third("settings", "--flow", "picture-sizes")
    assert "least" in listed.out
    assert "train.epochs" not in listed.out
    refused = third("run", *flow, "--set", "least=0")
    assert (refused.code, "least=0 is not allowed" in refused.err) == (1, True)
    unanswered = third("predict", "--flow", "picture-sizes", str(tiny_dataset))
    assert "There is no model at" in unanswered.err
    assert "garbage run --flow picture-sizes" in unanswered.err


@pytest.fixture
def api(prefect_api: str) -> Iterator[Api]:
    """The server's API; what was deployed is gone afterwards, and with it the runs that a schedule has planned."""
    api = Api(prefect_api)
    yield api
    for each in api.post("/deployments/filter", {}):
        api.send("DELETE", f"/deployments/{each['id']}").raise_for_status()


def test_it_is_deployed_like_the_others(third: CommandLine, tiny_dataset: Path, api: Api) -> None:
    shutil.copytree(PROJECT / "operation", third.source / "operation", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "prefect.yaml", third.source)
    deployed = python(third, "operation.deploy")
    assert {f"deployment {name}" for name in [*(row.name for row in ROWS), "picture-sizes", "nightly"]} <= set(deployed)

    found = api.get("/deployments/name/picture-sizes/picture-sizes")
    assert found["description"] == "Measure the pictures of a dataset."
    assert "Allowed: at least 1, at most 1,024." in json.dumps(found["parameter_openapi_schema"])
    parameters = {"parameters": {"dataset": str(tiny_dataset), "settings": {"least": 8}}}
    run = api.post(f"/deployments/{found['id']}/create_flow_run", parameters)["id"]
    python(third, "prefect", "flow-run", "execute", run)
    state: dict[str, Any] = api.get(f"/flow_runs/{run}")["state"]
    assert (state["type"], state["message"]) == ("COMPLETED", "0 small pictures; every stage computed")


def python(third: CommandLine, *module: str) -> list[str]:
    environment = {**third.environment, "GARBAGE_ARTIFACTS": str(third.artifacts)}
    command = [sys.executable, "-m", *module]
    ended = subprocess.run(
        command, cwd=third.source, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout.splitlines()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_says_of_its_flow_what_the_flow_says_of_itself(row: Any) -> None:
    flow = row.load()
    assert flow.name == row.name
    assert isinstance(inspect.signature(flow.fn).parameters["settings"].default, row.settings)
