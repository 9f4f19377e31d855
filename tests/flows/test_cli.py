"""The command line as its user meets it."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from support import CommandLine


def test_a_folder_without_test_split_runs_and_its_model_predicts(
    garbage: CommandLine, tiny_dataset: Path, tmp_path: Path
) -> None:
    (tiny_dataset / "test").rename(tmp_path / "kept")
    finished = garbage.run(tiny_dataset)
    assert finished.json["metrics"]["test"]["n"] == 3 * 2  # a fifth of eight images, of three classes
    assert "Stages" in finished.err
    assert len(finished.out.splitlines()) == 1

    (tmp_path / "kept" / "note.txt").write_text("no image")
    table = tmp_path / "predictions.csv"
    predicted = garbage("predict", "--json", "--top", "2", "--csv", table, tmp_path / "kept", tmp_path / "none.jpg")
    assert predicted.code == 0, predicted.err
    rows = {Path(row["image"]).name if "error" in row else row["image"]: row for row in predicted.json}
    assert rows["note.txt"]["error"] == "not an image"
    assert "No such file" in rows["none.jpg"]["error"]
    classified = [row for row in predicted.json if "error" not in row]
    assert len(classified) == 9
    assert all(0 <= row["probability"] <= 1 and len(row["top"]) == 2 for row in classified)
    assert {row["class"]: row["bin"] for row in classified}.items() <= {
        "Battery": "hazardous",
        "Cans": "recyclable",
        "Paper": "recyclable",
    }.items()
    with table.open() as file:
        assert len(list(csv.DictReader(file))) == 11


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "--dataset", "/nowhere"], "There is no dataset '/nowhere'"),
        (["run", "--dataset", "sampel"], "did you mean"),
        (["run", "--set", "train.epoch=3"], "There is no setting train.epoch; did you mean train.epochs?"),
        (
            ["status", "--set", "train.epochs=0"],
            "train.epochs=0 is not allowed: a whole number of at least 1 and at most 10,000",
        ),
        (["predict", "picture.jpg"], "There is no model at"),
        (["run", "--set", "backbone.weights=labdgo"], "did you mean"),
    ],
)
def test_bad_input_gets_one_sentence_and_an_exit_code(garbage: CommandLine, arguments: list[str], sentence: str) -> None:
    garbage.settings = {}
    finished = garbage(*arguments)
    assert finished.code == 1
    assert sentence in finished.err
    assert "Traceback" not in finished.err
    assert finished.err.count("error ") == 1


def test_a_temporary_server_that_does_not_start_is_one_sentence(garbage: CommandLine, tiny_dataset: Path) -> None:
    del garbage.environment["PREFECT_API_URL"]
    garbage.environment["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "0"
    finished = garbage("run", "--json", "--dataset", tiny_dataset)
    assert finished.code == 1
    assert finished.json["error"].startswith("The temporary Prefect server did not answer within 0 s")
    assert "set PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS to wait longer" in finished.json["error"]
    assert len(finished.err.splitlines()) == 1, finished.err
    assert not (garbage.artifacts / "stages").exists()


def test_the_temporary_server_has_minutes_to_start(garbage: CommandLine, tiny_dataset: Path) -> None:
    del garbage.environment["PREFECT_API_URL"]
    program = (
        "from flows import cli\n"
        "@cli.main.command('told')\n"
        "def told():\n"
        "    from prefect.settings import get_current_settings\n"
        "    print(get_current_settings().server.ephemeral.startup_timeout_seconds)\n"
        "cli.main(['told'])"
    )
    environment = {**garbage.environment, "PYTHONPATH": str(garbage.source)}
    told = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert int(told.stdout) >= 120


def test_a_failed_run_says_so_in_its_json_too(garbage: CommandLine, tiny_dataset: Path) -> None:
    weights = tiny_dataset.parent / "weights.h5"
    weights.write_bytes(b"\x89HDF\r\n\x1a\n broken")
    finished = garbage("run", "--json", "--dataset", tiny_dataset, backbone__weights=str(weights))
    assert finished.code == 1
    assert finished.statuses == {"dataset": "computed", "audit": "computed", "backbone": "failed"}
    assert str(weights) in finished.json["error"]
    assert finished.json["error"] == f"Stage backbone failed: {finished.stage('backbone')['reason']}"


def test_settings_are_listed_with_their_values(garbage: CommandLine) -> None:
    finished = garbage("settings", "--set", "train.epochs=77")
    assert finished.code == 0
    assert "train.epochs" in finished.out
    assert "77" in finished.out
