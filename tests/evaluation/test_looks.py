"""Looks at a test set: what counts as one, what so many are worth, and a ledger that no killed process damages."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import norm

from pipeline_lib.errors import PipelineError
from pipeline_lib.evaluation.looks import (
    Entry,
    add_to_ledger,
    expected_maximum,
    looks_of,
    optimism_of_best,
    read_ledger,
    standard_error,
)

FIGURES: dict[str, Any] = {"top1": 0.9, "top1_low": 0.82, "top1_high": 0.95, "images": 98, "n_effective": 96.5}


def row(settings: str, evaluation: str, predictions: str = "", run: int = 0, **changed: Any) -> Entry:
    """A row of a ledger: what these settings gave on one test set."""
    place = {"flow": "garbage-finetune", "dataset": "pictures", "test": "t", "run": str(run)}
    seen = {"settings": settings, "evaluation": evaluation, "predictions": predictions or evaluation}
    return Entry(**{"when": datetime(2026, 1, 1, tzinfo=UTC), **place, **seen, **FIGURES} | changed)


def counted(*entries: Entry) -> tuple[int, int, int]:
    looks = looks_of(entries[-1], entries)
    return looks.times, looks.settings, looks.models


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from("wxyz")), min_size=1))
def test_looks_are_the_different_evaluations_and_compare_at_most_as_many_settings_and_models(
    shown: list[tuple[str, str]],
) -> None:
    entries = [row(settings, evaluation, evaluation.replace("x", "w"), run) for run, (settings, evaluation) in enumerate(shown)]
    times, settings, models = counted(*entries)
    assert times == len({evaluation for _, evaluation in shown})
    assert 1 <= settings <= min(times, len({settings for settings, _ in shown}))
    assert models == len({evaluation.replace("x", "w") for _, evaluation in shown})
    assert counted(*entries, *entries) == (times, settings, models)
    assert counted(*entries, row("D", "new")) == (times + 1, settings + 1, models + 1)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (["Aww"], (1, 1, 1)),
        (["Aww", "Aww"], (1, 1, 1)),  # reused
        (["Aww", "Bxx"], (2, 2, 2)),
        (["Aww", "Bxx", "Aww"], (2, 2, 2)),  # reverted
        (["Aww", "Axx"], (2, 1, 2)),  # other training images, or another version of the code
        (["Aww", "Bxw"], (2, 2, 1)),  # a setting that changes no prediction
        (["Aww", "Bww"], (1, 1, 1)),  # a setting that reuses the evaluation, such as a time limit
        (["Aww", "Bww", "Bxx"], (2, 2, 2)),  # the same, and then another look with it
    ],
)
def test_what_counts_as_a_look(shown: list[str], expected: tuple[int, int, int]) -> None:
    assert counted(*(row(*each) for each in shown)) == expected


def test_other_test_sets_do_not_count_and_the_same_one_under_another_name_does() -> None:
    assert counted(row("A", "w", test="other"), row("A", "x")) == (1, 1, 1)
    assert counted(row("A", "w", dataset="copy"), row("B", "x")) == (2, 2, 2)
    assert counted(row("A", "w", flow="lenet-mnist"), row("A", "x")) == (2, 2, 2)


def test_the_highest_of_several_figures_is_corrected_and_no_other() -> None:
    high, low, unknown = row("A", "w", top1=0.95), row("B", "x", top1=0.9), row("C", "y", top1=None, n_effective=None)
    entries = [high, low, unknown]
    assert looks_of(high, entries).optimism == pytest.approx(optimism_of_best([0.95, 0.9], 96.5), abs=1e-6)
    assert looks_of(low, entries).optimism is None
    assert looks_of(unknown, entries).optimism is None
    assert looks_of(high, [high, unknown]).optimism is None  # there is nothing that it could be higher than
    assert looks_of(high, [high, row("A", "w", top1=0.95, run=2)]).optimism is None
    assert looks_of(high, [high, row("B", "x", "w", top1=0.95)]).optimism is None  # the same model in another evaluation
    assert looks_of(low, [low, row("B", "z", top1=0.9)]).optimism is not None  # as high as any


def test_the_expected_maximum_is_exact() -> None:
    known = {1: 0.0, 2: 1 / math.sqrt(math.pi), 3: 1.5 / math.sqrt(math.pi)}
    assert {count: expected_maximum(count) for count in known} == pytest.approx(known, abs=1e-12)
    for count in (4, 30, 1_000, 1_000_000):
        peak = [math.sqrt(2 * math.log(count))]
        exact, _ = quad(
            lambda x, m=count: m * x * norm.pdf(x) * math.exp((m - 1) * norm.logcdf(x)), -9, 9, points=peak, limit=500
        )
        assert expected_maximum(count) == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("accuracy", [0.7, 0.92])
@pytest.mark.parametrize("count", [2, 10, 50])
def test_the_correction_is_what_simulated_test_sets_show_and_an_upper_bound_where_models_err_together(
    accuracy: float, count: int
) -> None:
    images, rng = 100, np.random.default_rng(0)
    independent = rng.binomial(images, accuracy, (5_000, count)) / images
    assert 0.8 < excess(independent, accuracy) / stated(independent, images) < 1.02

    # Each image is easy or hard for all models alike, and for each of them to some extent of its own.
    alike, own = rng.normal(size=(400, 1, images)), rng.normal(size=(400, count, images))
    together = (math.sqrt(0.8) * alike + math.sqrt(0.2) * own < norm.ppf(accuracy)).mean(axis=2)
    assert 0.4 < excess(together, accuracy) / stated(together, images) < 0.8


def excess(shares: NDArray[np.float64], accuracy: float) -> float:
    """By how much the highest figure of a trial exceeds the accuracy on average."""
    return float(shares.max(axis=1).mean() - accuracy)


def stated(shares: NDArray[np.float64], images: int) -> float:
    return float(np.mean([optimism_of_best(trial, images) for trial in shares[:400].tolist()]))


def test_a_share_without_a_single_miss_has_a_standard_error_too() -> None:
    assert standard_error(0.9, 1e4) == pytest.approx(0.003, rel=0.01)
    assert 0 < standard_error(1.0, 100) < standard_error(1.0, 25)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1), max_size=5))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("ledger") / "looks.csv"
    entries = [row(text, text, dataset=text) for text in texts]
    for entry in entries:
        add_to_ledger(path, entry)
    assert read_ledger(path) == entries


def test_a_ledger_from_before_a_column_was_added_is_read_and_continued(tmp_path: Path) -> None:
    path = tmp_path / "looks.csv"
    add_to_ledger(path, row("A", "w"))
    path.write_text(
        "".join(f"{line.removesuffix(',unseen_top1_high').removesuffix(',')}\n" for line in path.read_text().split())
    )
    assert "unseen_top1_high" not in path.read_text()
    assert add_to_ledger(path, row("B", "x")) == read_ledger(path) == [row("A", "w"), row("B", "x")]


def test_unknown_figures_are_empty_cells(tmp_path: Path) -> None:
    unknown = row("{}", "w", **dict.fromkeys(FIGURES))
    assert add_to_ledger(tmp_path / "looks.csv", unknown) == read_ledger(tmp_path / "looks.csv") == [unknown]
    assert (tmp_path / "looks.csv").read_text().endswith(",{},,,,,,,,\n")


@pytest.mark.parametrize("damage", [("0.9,", "much,"), ("98,", "98,1,2,3,"), (",pictures,", ",,")])
def test_a_damaged_row_is_named(tmp_path: Path, damage: tuple[str, str]) -> None:
    path = tmp_path / "looks.csv"
    for run in range(2):
        add_to_ledger(path, row("{}", "w", run=run))
    first, second = path.read_text().rstrip().rsplit("\n", 1)
    path.write_text(f"{first}\n{second.replace(*damage)}\n")
    with pytest.raises(PipelineError, match=r"Line 3 of the ledger .*looks\.csv is damaged .*correct or remove it"):
        read_ledger(path)


KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline_lib.evaluation.looks import add_to_ledger, read_ledger

path = Path(sys.argv[1])
Path.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)
add_to_ledger(path, read_ledger(path)[-1])
"""


def test_a_process_that_is_killed_while_it_adds_a_row_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "looks.csv"
    add_to_ledger(path, row("A", "w", run=1))
    before = path.read_bytes()
    assert subprocess.run([sys.executable, "-c", KILLED, path], check=False).returncode == -signal.SIGKILL
    assert path.read_bytes() == before
    assert [entry.run for entry in add_to_ledger(path, row("A", "w", run=2))] == ["1", "2"]
