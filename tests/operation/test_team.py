"""`make team`: PostgreSQL, a server with a password, and two workers that share nothing but the remote store."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from operated import FINAL, Operated, alive, operating, read_record
from support import PROJECT
from test_postgres import PROGRAMS
from waiting import PATIENCE

from pipeline_lib.data.labels_file import read_decisions
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.stages.champion import read_ledger
from pipeline_lib.stages.result import read_manifest

pytestmark = pytest.mark.acceptance

LONG = {"train__epochs": 1_000, "train__patience": 9_000}
DECIDED = {"changes", "promote", "nights", "report"}  # depend on the champion and the nights, which each root has of its own


@pytest.fixture(scope="module")
def team() -> Iterator[Operated]:
    """A team in operation; where root runs the tests, its database belongs to another user, who must reach the folder."""
    if not PROGRAMS:
        pytest.skip("PostgreSQL is not installed")
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o755)
        with operating(Path(scratch), profile="team", PREFECT_SERVER_DATABASE_CONNECTION_URL="") as operated:
            yield operated


def root_of(process: psutil.Process) -> Path:
    return Path(process.environ()["GARBAGE_ARTIFACTS"])


def results(root: Path) -> dict[str, str]:
    """The digest of each result in a root, by its path."""
    folders = [path.parent for path in root.glob("stages/*/*/manifest.json")]
    return {folder.relative_to(root).as_posix(): read_manifest(folder).digest for folder in folders}


def computed(operated: Operated, run: str) -> set[str]:
    """The stages that a run has computed, as its last message names them."""
    message = str(operated.run(run)["state"]["message"])
    names = message.partition("computed: ")[2].partition(";")[0]
    return set(names.split(", ")) - {""}


def test_two_runs_at_once_share_results_and_the_first_worker_keeps_the_champions(team: Operated, pictures: Path) -> None:
    assert httpx.post(f"{team.address}/flow_runs/count", json={}, timeout=PATIENCE).status_code == 401
    runs = [team.ask(pictures, **LONG, train__lr_max=rate) for rate in (0.021, 0.022)]
    working = [team.trains(run) for run in runs]
    assert all(map(alive, working)), "both are in training at the same time"
    ran = dict(zip(map(root_of, working), runs, strict=True))
    keeper, other = team.artifacts, team.artifacts / "worker-2"
    assert ran.keys() == {keeper, other}
    assert [team.ends(run)["state_name"] for run in runs] == ["Completed", "Completed"]

    rate = 0.021 if ran[other] == runs[0] else 0.022
    equal = team.ask(pictures, queue="keeper", **LONG, train__lr_max=rate)
    assert team.ends(equal)["state_name"] == "Completed"
    assert computed(team, equal) <= DECIDED
    here, there = results(keeper), results(other)
    both = here.keys() & there.keys()
    assert {path.split("/")[1] for path in both} >= {"dataset", "features", "train", "cross_validate", "evaluate"}
    assert {path for path in both if here[path] != there[path]} == set()

    slot = "garbage-finetune/pictures"
    appointed = len(read_ledger(keeper, slot))
    before = read_ledger(other, slot)
    keys = [Path(path).name for path in here if path.startswith("stages/train/")]
    assert len(keys) == 2
    deployment = team.get("/deployments/name/garbage-champion/promote")["id"]
    asked = [
        team.post(f"/deployments/{deployment}/create_flow_run", {"parameters": {"key": key, "dataset": str(pictures)}})["id"]
        for key in keys
    ]
    assert {team.ends(run)["state_type"] for run in asked} == {"COMPLETED"}
    ledger = read_ledger(keeper, slot)[appointed:]
    assert {appointment.candidate.model.key for appointment in ledger} == set(keys), "no appointment is lost"
    assert read_ledger(other, slot) == before


def test_people_with_folders_of_their_own_label_one_dataset_at_once_and_no_decision_is_lost(
    team: Operated, pictures: Path
) -> None:
    photographs = sorted((pictures / "train" / "Cans").glob("*.png"))[:6]
    labels = pictures / "labels.csv"
    roots = [str(team.artifacts), str(team.artifacts / "worker-2")]
    people = [
        subprocess.Popen(
            [sys.executable, "-m", "cli.main", "label", str(photograph), "--as", "keep", "--dataset", str(pictures)],
            cwd=PROJECT,
            env={**team.environment, "GARBAGE_ARTIFACTS": roots[number % 2]},
            stdout=subprocess.DEVNULL,
        )
        for number, photograph in enumerate(photographs)
    ]
    try:
        assert [person.wait(PATIENCE) for person in people] == [0] * len(people)
        assert read_decisions(labels).labels == {file_sha256(photograph): "keep" for photograph in photographs}
    finally:
        labels.unlink(missing_ok=True)


def test_what_was_killed_comes_back_and_the_other_profile_is_refused(team: Operated) -> None:
    killed = [read_record(team.home / f"{name}.json") for name in ("database", "worker-2")]
    stays = [team.server, team.worker]
    for process in killed:
        process.kill()
    psutil.wait_procs(killed, PATIENCE)
    team.up()
    (team.home / "server.log").write_text("", encoding="utf-8")  # what it said while its database was gone is no defect
    assert [read_record(team.home / f"{name}.json").is_running() for name in ("database", "worker-2")] == [True, True]
    assert [team.server, team.worker] == stays
    assert team.post("/flow_runs/count", {}) >= 1, "the runs are in the database still"

    alone = team.command("operation.ui", "up", "--port", str(team.port))
    assert alone.returncode == 1
    (sentence,) = alone.stderr.splitlines()
    assert f"{team.home} is operated by `make team`, not by `make ui`" in sentence


def test_down_cancels_the_runs_and_stops_all_of_it_the_database_last(team: Operated, pictures: Path) -> None:
    runs = [team.ask(pictures, **LONG | {"train__epochs": 10_000}, train__lr_max=rate) for rate in (0.023, 0.024)]
    names = ("watch", "worker", "worker-2", "server", "database")
    processes = [*map(team.trains, runs), *(read_record(team.home / f"{name}.json") for name in names)]
    told = team.down().splitlines()
    assert told[0] == "watchman stopped"
    assert sum(line.startswith("run ") and line.endswith(" cancelled") for line in told) == 2
    assert {"worker stopped", "worker-2 stopped"} <= set(told)
    assert told[-2:] == ["server stopped", "database stopped"]
    assert not any(map(alive, processes))
    team.up()
    assert {team.run(run)["state_type"] for run in runs} == {"CANCELLED"} <= FINAL
