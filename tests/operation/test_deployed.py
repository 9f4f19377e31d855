"""What is deployed, and runs of it: turns, bad parameters, cancelling, the artifacts root."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from operated import Operated
from support import PROJECT, write_tiny_dataset


def test_a_deployed_run_completes_and_the_next_reuses_every_stage(operated: Operated, tmp_path: Path) -> None:
    pictures = write_tiny_dataset(tmp_path / "pictures", train=9)  # of no other test, nor has one the seed
    for expected, computed in (({"Completed"}, "every stage computed"), ({"Cached"}, "nothing computed, every stage reused")):
        run = operated.ends(operated.ask(pictures, seed=77))
        assert run["state_name"] == "Completed"
        *figures, champion, what, report = run["state"]["message"].split("; ")
        unseen = r"top-1 [\d.]+% \([\d.]+ to [\d.]+\) on sources never seen"
        assert re.fullmatch(rf"{unseen}; [\d.]+% on test( as delivered)?", "; ".join(figures))
        assert champion.startswith(("promoted: ", "needs a person: ", "the champion since "))
        assert what == computed
        assert Path(report.removeprefix("report ")).is_file()
        assert run["name"].startswith("pictures seed=77 ")

        def states(run: str = run["id"]) -> set[str]:
            tasks = operated.api.tasks(run)
            return {task["state_name"] for task in tasks if task["name"] != "source"}  # it is asked anew in every run

        assert operated.eventually(states, lambda seen: not seen & {"Pending", "Running"}) == expected
        log = operated.log(run["id"])
        assert [line for line in log if "Finished in state" in line] == [
            f"Finished in state Completed({run['state']['message']!r})"
        ]
        assert len(log) < 26  # a line for each of fifteen stages, and few more
    assert (operated.artifacts / "latest" / "garbage-finetune" / pictures.name / "report" / "report.html").is_file()


def test_the_form_of_every_deployment_says_ranges(operated: Operated) -> None:
    deployments = {each["id"]: each for each in operated.post("/deployments/filter", {})}
    names = {"garbage-finetune", "garbage-split", "garbage-sweep", "nightly", "lenet-mnist"}
    assert {each["name"] for each in deployments.values()} == {*names, "promote"}
    for deployment in (each for each in deployments.values() if each["name"] in names):
        sections = deployment["parameter_openapi_schema"]["definitions"].values()
        (limit,) = (field for each in sections for name, field in each["properties"].items() if name == "stage_minutes")
        assert limit["description"].endswith("Allowed: above 0, at most 10,080.")


def decide(operated: Operated, **parameters: str) -> tuple[str, str]:
    """Fill in the form of the deployment ``promote``; how its run ended, and what it said."""
    deployment = operated.get("/deployments/name/garbage-champion/promote")["id"]
    run = operated.ends(operated.post(f"/deployments/{deployment}/create_flow_run", {"parameters": parameters})["id"])
    return run["state_name"], run["state"]["message"]


@pytest.mark.acceptance
def test_a_person_appoints_a_champion_in_a_form_and_takes_it_back(operated: Operated, tmp_path: Path) -> None:
    pictures = write_tiny_dataset(tmp_path / "decided")
    latest, keys = operated.artifacts / "latest/garbage-finetune/decided", []
    for seed in (1, 2):
        operated.ends(operated.ask(pictures, seed=seed))
        keys.append((latest / "model").resolve().name)
        ended, said = decide(operated, key=keys[-1], dataset="decided")
        assert (ended, said.partition(";")[0]) == ("Completed", f"{keys[-1]} is the champion of decided (garbage-finetune) now")
        assert (latest / "champion").resolve().name == keys[-1]
    ended, said = decide(operated, action="rollback", dataset="decided")
    assert (ended, said) == ("Completed", f"{keys[0]} is the champion of decided (garbage-finetune) now; it replaced {keys[1]}")
    ended, said = decide(operated, key="nothing", dataset="decided")
    assert ended == "Failed"
    assert said.startswith("There is no kept model of the flow garbage-finetune whose key begins with nothing")


def test_the_nightly_has_its_schedule_and_both_deployments_their_limits(operated: Operated) -> None:
    nightly = operated.deployment("nightly")
    (schedule,) = nightly["schedules"]
    assert schedule["active"]
    assert (schedule["schedule"]["cron"], schedule["schedule"]["timezone"]) == ("30 2 * * *", "Europe/Berlin")
    assert nightly["parameters"] == {"dataset": "data_en", "settings": {"retention": {"keep": 30}}}
    for deployment in (nightly, operated.deployment("garbage-finetune")):
        assert deployment["global_concurrency_limit"]["limit"] == 1
        assert deployment["concurrency_options"]["collision_strategy"] == "ENQUEUE"
        assert "garbage" in deployment["tags"]
        assert deployment["description"]
    assert operated.get("/work_pools/garbage")["concurrency_limit"] == 1


def test_two_runs_at_once_take_turns_whichever_deployment_they_are_of(operated: Operated, pictures: Path) -> None:
    asked = [operated.ask(pictures, deployment) for deployment in ("garbage-finetune", "nightly", "garbage-finetune")]
    runs = sorted((operated.ends(run) for run in asked), key=lambda run: str(run["start_time"]))
    assert [run["state_name"] for run in runs] == ["Completed"] * 3
    assert all(earlier["end_time"] <= later["start_time"] for earlier, later in pairwise(runs))


def runs_asked_for(operated: Operated) -> int:
    """How many runs of the ad-hoc deployment there are; the nightly's appear when the server schedules them."""
    return int(operated.post("/flow_runs/count", {"deployments": {"name": {"any_": ["garbage-finetune"]}}}))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"settings": {"train": {"epochs": 0}}}, "0 is less than the minimum of 1"),
        ({"settings": {"train": {"epoch": 3}}}, "'epoch' was unexpected"),
        ({"settings": {"seed": "one"}}, "'one' is not of type 'integer'"),
    ],
)
def test_a_wrong_value_is_refused_before_the_run_starts(operated: Operated, parameters: dict[str, object], words: str) -> None:
    before = runs_asked_for(operated)
    deployment = operated.deployment("garbage-finetune")["id"]
    refused = operated.api.send("POST", f"/deployments/{deployment}/create_flow_run", {"parameters": parameters})
    assert refused.status_code == 409
    assert words in refused.json()["detail"]
    assert runs_asked_for(operated) == before


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ('settings={"train": {"epochs": 0}}', "0 is less than the minimum of 1"),
        ("datasets=sample", "datasets"),
    ],
)
def test_the_command_line_refuses_a_wrong_parameter_too(operated: Operated, parameter: str, words: str) -> None:
    before = runs_asked_for(operated)
    command = ["prefect", "deployment", "run", "garbage-finetune/garbage-finetune", "-p", parameter]
    ended = operated.command(*command, PREFECT_API_URL=operated.address)
    assert ended.returncode == 1
    assert words in ended.stdout + ended.stderr
    assert runs_asked_for(operated) == before


def test_a_cancelled_run_stops_within_seconds_and_leaves_nothing_half_written(operated: Operated, pictures: Path) -> None:
    settings = {"train__lr_max": 0.021, "train__epochs": 9_000, "train__patience": 9_000}
    before = operated.unfinished("train")
    run = operated.ask(pictures, **settings)
    operated.trains(run)
    operated.cancel(run)
    operated.gone(run)
    assert operated.ends(run)["state_name"] == "Cancelled"
    assert set(operated.slots()) == {0}
    (unfinished,) = operated.unfinished("train") - before
    assert not (unfinished / "manifest.json").exists()

    following = operated.ends(operated.ask(pictures, **{**settings, "train__epochs": 5}))
    assert following["state_name"] == "Completed"


def test_a_failed_run_says_why_first_and_completes_when_it_is_retried_after_its_cause_is_gone(
    operated: Operated, tmp_path: Path
) -> None:
    run = operated.ask(dataset := tmp_path / "later")
    failed = operated.ends(run)
    sentence = failed["state"]["message"]
    assert failed["state_name"] == "Failed"
    assert sentence.startswith(f"There is no dataset '{dataset}'")
    log = operated.log(run)
    assert {sentence, f"Finished in state Failed({sentence!r})"} <= set(log)
    assert not [line for line in log if "Traceback" in line or "NoneType" in line]

    write_tiny_dataset(dataset)
    retry = {"type": "SCHEDULED", "name": "AwaitingRetry", "message": "Retry from the UI"}  # what the button sends
    operated.post(f"/flow_runs/{run}/set_state", {"state": retry})
    retried = operated.eventually(lambda: operated.run(run), lambda seen: seen["state_name"] == "Completed")
    assert retried["run_count"] == 2


def test_a_run_on_another_artifacts_root_says_so_in_one_line(operated: Operated, pictures: Path, tmp_path: Path) -> None:
    env = {**operated.deployment("garbage-finetune")["job_variables"]["env"], "GARBAGE_ARTIFACTS": str(tmp_path / "elsewhere")}
    run = operated.ends(operated.ask(pictures, job={"env": env}))
    assert run["state_name"] == "Failed"
    assert run["state"]["message"].startswith(f"The artifacts root {tmp_path / 'elsewhere'} on ")
    assert "mount the shared folder at that path" in run["state"]["message"]
    assert not (tmp_path / "elsewhere").exists()


def test_plain_prefect_deploy_works_from_the_projects_folder(operated: Operated) -> None:
    before = operated.deployment("nightly")
    ended = operated.command("prefect", "--no-prompt", "deploy", "--all", PREFECT_API_URL=operated.address)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    after = operated.deployment("nightly")
    assert {name: after[name] for name in ("id", "job_variables", "parameters", "pull_steps")} == {
        name: before[name] for name in ("id", "job_variables", "parameters", "pull_steps")
    }
    assert after["pull_steps"] == [{"prefect.deployments.steps.set_working_directory": {"directory": str(PROJECT)}}]
