"""What a run is called, what its last state and its artifacts say, and what its log holds: all asked from the server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support import CommandLine, Finished

GOOD_END = "Finished in state"


@pytest.fixture
def api(garbage: CommandLine) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=garbage.environment["PREFECT_API_URL"], timeout=60) as client:
        yield client


def ask(api: httpx.Client, kind: str, **content: Any) -> list[dict[str, Any]]:
    return list(api.post(f"/{kind}/filter", json=content).raise_for_status().json())


def last_run(api: httpx.Client) -> dict[str, Any]:
    return ask(api, "flow_runs", sort="EXPECTED_START_TIME_DESC", limit=1)[0]


def tasks_of(api: httpx.Client, run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The task runs by name, once the server, which takes their states from a queue, knows how each ended."""
    pause = threading.Event()
    for _ in range(600):
        tasks = ask(api, "task_runs", flow_runs={"id": {"any_": [run["id"]]}})
        if tasks and all(task["state_type"] in ("COMPLETED", "FAILED") for task in tasks):
            return {task["name"]: task for task in tasks}
        pause.wait(0.1)
    raise AssertionError("the server never heard how the tasks ended")


def log_of(api: httpx.Client, run: dict[str, Any]) -> list[dict[str, Any]]:
    return ask(api, "logs", logs={"flow_run_id": {"any_": [run["id"]]}}, limit=200)


def failed(garbage: CommandLine, *options: str | Path, **settings: Any) -> Finished:
    finished = garbage("run", "--json", *options, **settings)
    assert finished.code == 1
    return finished


def test_a_failed_run_and_its_task_begin_with_the_cause_and_log_no_traceback(garbage: CommandLine, api: httpx.Client) -> None:
    finished = failed(garbage, "--dataset", "sampel")
    run, sentence = last_run(api), "There is no dataset 'sampel': did you mean sample?"
    assert run["state_type"] == "FAILED"
    assert run["state"]["message"] == finished.json["error"] == sentence
    assert tasks_of(api, run)["source"]["state"]["message"] == sentence
    log = log_of(api, run)
    assert not [line for line in log if "Traceback" in line["message"] or "NoneType" in line["message"]]
    assert [line["message"] for line in log if line["level"] >= 40] == [
        f"Finished in state Failed({run['state']['message']!r})"
    ]
    assert "Traceback" not in finished.err


def test_a_machine_that_fails_a_stage_logs_no_traceback_and_a_defect_does(
    garbage: CommandLine, api: httpx.Client, tiny_dataset: Path
) -> None:
    step = "from pipeline_lib.audit.audit import audit_dataset"
    garbage.edit("tasks/finetune/audit.py", step, "raise OSError(28, 'No space left on device', 'features.npy')")
    finished = failed(garbage, "--dataset", tiny_dataset)
    run = last_run(api)
    assert run["state"]["message"] == finished.json["error"]
    assert run["state"]["message"].startswith("Stage audit failed: No space left on ")
    assert not [line for line in log_of(api, run) if "Traceback" in line["message"]]

    garbage.edit("tasks/finetune/audit.py", "OSError(28, 'No space left on device', 'features.npy')", "ValueError('seven')")
    finished = failed(garbage, "--dataset", tiny_dataset)
    run = last_run(api)
    assert run["state"]["message"] == finished.json["error"]
    assert run["state"]["message"].startswith("Stage audit failed: ValueError: seven")
    assert [line for line in log_of(api, run) if "Traceback" in line["message"] and "ValueError: seven" in line["message"]]
    assert "ValueError: seven" in finished.err
    assert "│" in finished.err  # the traceback, where the command runs


def decided(finished: Finished) -> str:
    """What became of the model, as a run's last message says it."""
    (notice,) = finished.json["notices"]
    assert notice["text"] == finished.json["champion"]
    return f"{notice['text']} [{notice['id']}]"


def test_a_run_says_what_was_asked_for_and_what_came_of_it_and_its_log_is_short(
    garbage: CommandLine, api: httpx.Client, tiny_dataset: Path
) -> None:
    first = garbage.run(tiny_dataset)
    run = last_run(api)
    assert run["name"].startswith("pictures image_size=32")
    assert run["name"].endswith(" settings more")
    assert len(run["name"]) < 110
    metrics = first.json["metrics"]
    unseen, which = metrics["unseen"], "test as delivered" if metrics["leaked_images"] else "test"
    interval = f"({100 * unseen['top1_low']:.1f} to {100 * unseen['top1_high']:.1f})"
    beside = f"{100 * metrics['test']['top1']:.1f}% on {which}"
    figure = f"{100 * unseen['top1']:.1f}% {interval} on sources never seen; {beside}"
    assert run["state"]["message"] == f"top-1 {figure}; {decided(first)}; every stage computed; report {first.json['report']}"

    again = garbage.run(tiny_dataset, evaluate__mistakes=1)
    run = last_run(api)
    assert (
        run["state"]["message"]
        == f"top-1 {figure}; {decided(again)}; computed: evaluate, report; report {again.json['report']}"
    )
    artifacts = ask(api, "artifacts", artifacts={"flow_run_id": {"any_": [run["id"]]}})
    descriptions = {artifact["key"].removeprefix("garbage-finetune-"): artifact["description"] for artifact in artifacts}
    assert descriptions["dataset"] == "24 train and 9 test images in 3 classes, reused"
    assert descriptions["audit"] == "0 pictures occur more than once, reused"
    assert descriptions["data-new"] == "24 train images and 18 test images, reused"
    assert descriptions["evaluate"] == f"{figure}, computed"
    for stage, words in {"features": "views of images", "train": "epoch ", "report": " MB", "augment": " views, "}.items():
        assert words in descriptions[stage]

    names = set(tasks_of(api, run))
    assert {"augment train 1/2", "augment test 1/1", "features train 2/2 clean", "features test 1/1 aug1", "train"} <= names
    lines = [line["message"] for line in log_of(api, run)]
    assert [line for line in lines if line.startswith(GOOD_END)] == [f"{GOOD_END} Completed({run['state']['message']!r})"]
    assert len(lines) <= len(first.json["stages"]) + 6


def test_a_name_has_the_settings_it_has_room_for(garbage: CommandLine, api: httpx.Client, tiny_dataset: Path) -> None:
    garbage.settings = {}
    (tiny_dataset / "test").rename(tiny_dataset / "tset")  # the run fails at once, and has its name by then
    failed(garbage, "--dataset", str(tiny_dataset / "nothing"), train__epochs=50)
    assert last_run(api)["name"] == "nothing train.epochs=50"
