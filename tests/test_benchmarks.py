"""The benchmark's two files say the same; measured for real, but little, and without the peers."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import PROJECT, TINY, write_tiny_dataset

measured = pytest.mark.acceptance  # the benchmark runs for minutes


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which ``bench.py --quick`` has written on a tiny dataset."""
    root = tmp_path_factory.mktemp("bench")
    dataset = write_tiny_dataset(root / "pictures")
    command = [sys.executable, "benchmarks/bench.py", "--quick", "--no-peers", "--only", "features", "training", "rerun"]
    command += ["--dataset", dataset, "--work", root / "work", "--output", root / "out"]
    command += [f"--set={name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in TINY.items()]
    done = subprocess.run(
        command, cwd=PROJECT, env={**os.environ, "HOME": str(root), "PYTHONPATH": str(PROJECT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return root / "out"


@pytest.fixture(scope="module")
def result(written: Path) -> dict[str, Any]:
    return json.loads((written / "benchmarks.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(written: Path) -> str:
    return (written / "benchmarks.md").read_text(encoding="utf-8")


@pytest.fixture
def throughput(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(PROJECT / "benchmarks")
    return importlib.import_module("throughput")


def test_simulated_workers_are_bound_by_their_work_the_tasks_or_the_store(throughput: Any) -> None:
    todo = [throughput.Task(1_000, f"part {number}", 1_000) for number in range(8)]
    folder, slow = throughput.STORES[0], throughput.Store("slow", 50, 1e12, 0.0)
    rates = {workers: throughput.simulated(todo, workers, 0.01, 20_000, folder) for workers in (1, 2, 8, 16)}
    assert rates[1] == pytest.approx(1_000 / (10 + throughput.TASK_SECONDS))
    assert rates[2] == pytest.approx(2 * rates[1], rel=0.01)
    assert rates[16] == rates[8] < 8 * rates[1]
    assert throughput.simulated(todo, 8, 0.01, 20_000, slow) == pytest.approx(50, rel=0.1)


@measured
def test_every_row_has_a_median_a_spread_and_a_command(result: dict[str, Any]) -> None:
    assert {row["section"] for row in result["rows"]} == {section["name"] for section in result["sections"]}
    for row in result["rows"]:
        assert row["min"] <= row["median"] <= row["max"]
        assert len(row["values"]) == row["repetitions"] >= 1
        assert "benchmarks/measured/" in row["command"] or "-m cli.main" in row["command"]


@measured
def test_the_page_says_what_the_json_says(result: dict[str, Any], page: str) -> None:
    lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in page.splitlines() if line.startswith("|")]
    for row in result["rows"]:
        figures, repetitions = next((cells[2:5], cells[5]) for cells in lines if cells[:2] == [row["name"], row["unit"]])
        assert [float(figure.replace(",", "")) for figure in figures] == pytest.approx(
            [row["median"], row["min"], row["max"]], rel=0.02
        )
        assert int(repetitions) == row["repetitions"]
        assert f"- {row['name']}: `{row['command']}`" in page
    for target in result["targets"]:
        cells = next(cells for cells in lines if cells[:2] == [target["text"], target["wanted"]])
        assert cells[3] == target["verdict"]
    assert all(value in page for value in result["machine"].values())


@measured
def test_no_path_of_this_machine_is_shown(result: dict[str, Any], page: str, written: Path) -> None:
    commands = " ".join(row["command"] for row in result["rows"])
    assert not {str(PROJECT), str(written.parent), sys.executable} & set(commands.split())
    assert f"{PROJECT}/" not in commands


@measured
def test_a_target_is_judged_by_medians(result: dict[str, Any]) -> None:
    medians = {(row["name"], row["figure"]): row["median"] for row in result["rows"]}
    target = next(target for target in result["targets"] if target["text"].startswith("this project / the empty flow"))
    ratio = medians["this project", "wall"] / medians["an empty Prefect flow", "wall"]
    assert target["measured"] == pytest.approx(ratio)
    assert (target["verdict"] == "met") == (ratio <= 1.2)


@measured
def test_what_was_not_measured_has_no_verdict(result: dict[str, Any]) -> None:
    target = next(target for target in result["targets"] if target["text"] == "this project / dvc repro")
    assert (target["measured"], target["verdict"]) == (None, "not measured")
