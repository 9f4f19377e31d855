"""Three people whose runs are in progress at the same time, with folders of their own and one remote store."""

from __future__ import annotations

import subprocess
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from remote_store import Server
from support import CommandLine, Finished, command_line
from waiting import PATIENCE, eventually

from pipeline_lib.stages.history import read_history
from pipeline_lib.stages.result import Manifest, read_manifest

RATES = {"ann": (0.01, 0.02, 0.03, 0.04), "ben": (0.01, 0.02, 0.05), "cleo": (0.01, 0.03, 0.06)}
OUTAGE = 30  # seconds


@pytest.fixture
def people(s3: Server, tmp_path: Path, prefect_api: str) -> dict[str, CommandLine]:
    """Each with sources, results and a home of their own, and the remote store that all write to."""
    lines = {name: command_line(tmp_path / name, prefect_api) for name in RATES}
    for line in lines.values():
        # As deployments do: ten runs keep the SQLite of the tests' Prefect server busy for longer than its clients ask else.
        line.environment |= {**s3.environment, "PREFECT_CLIENT_MAX_RETRIES": "7"}
    return lines


def results(line: CommandLine) -> dict[str, Manifest]:
    """The results that somebody has, by their path."""
    folders = [path.parent for path in line.artifacts.glob("stages/*/*/manifest.json")]
    return {folder.relative_to(line.artifacts).as_posix(): read_manifest(folder) for folder in folders}


def start(
    people: Mapping[str, CommandLine], dataset: Path, rates: Mapping[str, Iterable[float]]
) -> list[subprocess.Popen[str]]:
    return [
        people[name].start("run", "--json", "--dataset", dataset, train__lr_max=rate) for name in rates for rate in rates[name]
    ]


def ended(processes: Iterable[subprocess.Popen[str]]) -> list[Finished]:
    """What the runs have printed, all of which have succeeded."""
    told = [(process, *process.communicate(timeout=3 * PATIENCE)) for process in processes]
    assert [err for process, _, err in told if process.returncode] == []
    return [Finished(0, out, err) for _, out, err in told]


def check_agreement(people: Mapping[str, CommandLine]) -> None:
    """Whoever has a result has the same bytes, whether they computed or fetched it."""
    digests = defaultdict(set)
    for line in people.values():
        for path, manifest in results(line).items():
            digests[path].add(manifest.digest)
    assert {path: each for path, each in digests.items() if len(each) > 1} == {}


def check_published(s3: Server, people: Mapping[str, CommandLine]) -> None:
    """Everything that anybody has computed is in the store, and nothing is owed."""
    there = {name.removesuffix("/manifest.json") for name in s3.names("stages")}
    for name, line in people.items():
        assert results(line).keys() <= there, name
        assert list((line.artifacts / "remote" / "owed").rglob("*/*")) == []


def counted(people: Mapping[str, CommandLine]) -> dict[str, Any]:
    """How often results were computed, fetched, and computed by several people because nobody had published them yet."""
    computed, fetched, twice, seconds = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    by_path = defaultdict(list)
    for line in people.values():
        own = {used.run for used in read_history(line.artifacts)}
        for path, manifest in results(line).items():
            if manifest.run in own:
                by_path[path].append(manifest)
            else:
                fetched[manifest.stage] += 1
    for manifests in by_path.values():
        stage = manifests[0].stage
        computed[stage] += len(manifests)
        twice[stage] += len(manifests) - 1
        seconds["in all"] += sum(each.seconds for each in manifests)
        seconds["again"] += sum(each.seconds for each in manifests[1:])
    rows = {stage: [computed[stage], fetched[stage], twice[stage]] for stage in sorted(computed | fetched)}
    sums = {"computed": computed.total(), "fetched": fetched.total(), "computed again": twice.total()}
    return {
        "computed, fetched, computed again": rows,
        **sums,
        "seconds": {name: round(each, 1) for name, each in seconds.items()},
    }


def test_ten_runs_at_once_of_three_people_lose_nothing_and_agree(
    people: dict[str, CommandLine], s3: Server, tiny_dataset: Path, record: Callable[[Any], None]
) -> None:
    runs = ended(start(people, tiny_dataset, RATES))
    assert len(runs) == 10
    assert [run.json["remote"] for run in runs if "remote" in run.json] == [], "no run has lost the store, or differs"
    check_agreement(people)
    check_published(s3, people)
    trained = [Path(path).name for line in people.values() for path in results(line) if path.startswith("stages/train/")]
    assert len(trained) == 10
    assert len(set(trained)) == 6
    record({"at once": counted(people)})

    again = ended(start(people, tiny_dataset, {"ben": (0.04,), "cleo": (0.02,)}))
    assert [run.stage("train")["status"] for run in again] == ["reused", "reused"]
    check_agreement(people)


def test_a_store_that_is_gone_for_half_a_minute_while_three_people_run_loses_nothing(
    people: dict[str, CommandLine], s3: Server, tiny_dataset: Path
) -> None:
    processes = start(people, tiny_dataset, {name: rates[-1:] for name, rates in RATES.items()})
    eventually(lambda: s3.names("stages"), bool)
    s3.stop()
    threading.Event().wait(OUTAGE)
    assert any(process.poll() is None for process in processes), "the store comes back in mid-run"
    s3.start()
    ended(processes)
    check_agreement(people)
    for name, line in people.items():  # publishes what is owed
        run = line.run(tiny_dataset, train__lr_max=RATES[name][-1])
        assert set(run.statuses.values()) == {"reused"}
    check_published(s3, people)
