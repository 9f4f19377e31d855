"""Sweeps from files: what each way of listing trials means, and what is refused in one sentence with the line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.errors import PipelineError
from pipeline_lib.settings.load import changed_settings, load_settings
from pipeline_lib.settings.sections import Settings, SweepSettings
from pipeline_lib.settings.sweep import MOST_RUNS, Sweep, read_sweep, shipped


def sweep(folder: Path, text: str, common: Settings | None = None) -> Sweep:
    file = folder / "sweep.yaml"
    file.write_text(text, encoding="utf-8")
    return read_sweep(str(file), common or SweepSettings())


def test_a_grid_is_every_combination(tmp_path: Path) -> None:
    read = sweep(tmp_path, "grid: {train.optimizer: [momentum, adam], train: {epochs: [10, 20, 30]}}")
    assert [dict(trial.changes) for trial in read.trials] == [
        {"train.optimizer": optimizer, "train.epochs": epochs} for optimizer in ("momentum", "adam") for epochs in (10, 20, 30)
    ]
    assert [trial.name for trial in read.trials] == [f"trial {number}" for number in range(1, 7)]
    assert (read.name, read.dataset, read.seeds, read.rank_by) == ("sweep", None, (1,), "clean")


def test_a_trial_goes_before_the_base_and_the_base_before_the_settings_of_the_run(tmp_path: Path) -> None:
    common = load_settings(None, ["train.epochs=7", "train.batch=8", "image_size=64"], SweepSettings)
    about = "about: two\n  words\ndataset: ~/p\n"
    text = f"{about}base: {{train.epochs: 50, train.batch: 16}}\ntrials:\n  a: {{train.epochs: 60}}\n  b: {{}}\nseeds: [4, 5]"
    read = sweep(tmp_path, text, common)
    first, second = (changed_settings(trial.seeded(4)) for trial in read.trials)
    assert first == {"train.epochs": 60, "train.batch": 16, "image_size": 64, "seed": 4}
    assert second == {"train.epochs": 50, "train.batch": 16, "image_size": 64, "seed": 4}
    assert (read.about, read.dataset, read.seeds) == ("two words", "~/p", (4, 5))


@given(seed=st.integers(0, 99), draws=st.integers(2, 40))
def test_random_draws_stay_in_range_differ_and_are_the_same_ones_every_time(
    tmp_path_factory: pytest.TempPathFactory, seed: int, draws: int
) -> None:
    text = f"""
random:
  draws: {draws}
  seed: {seed}
  train.lr_max: {{low: 0.0001, high: 0.1, scale: log}}
  train.hidden: {{low: 0, high: 64}}
  train.optimizer: [momentum, adam]
"""
    folder = tmp_path_factory.getbasetemp()
    read = sweep(folder, text)
    assert len({trial.settings for trial in read.trials}) == len(read.trials) <= draws
    for trial in read.trials:
        assert 0.0001 <= trial.settings.train.lr_max <= 0.1
        assert 0 <= trial.settings.train.hidden <= 64
    assert read == sweep(folder, text)


@pytest.mark.parametrize("name", shipped())
def test_a_sweep_of_the_package_can_be_used_by_its_name(name: str) -> None:
    read = read_sweep(name, SweepSettings())
    assert read.name == name
    assert read.about
    assert len(read.seeds) >= 3 or name == "freeze"  # a seed of that takes hours


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "it has no trials; a sweep has one of grid, random, trials"),
        ("seeds: [1]\ngrid: {}", "line 2: grid makes fewer than two trials; there is nothing to compare"),
        ("grid: {train.epochs: []}", "line 1: grid: train.epochs needs a list of values, such as [a, b]"),
        ("grid:\n  train.epochs: 5", "line 2: grid: train.epochs needs a list of values, such as [a, b]"),
        (
            "grid:\n  train.epochs: [5, 6]\n  train.epoch: [5]",
            "line 3: trial 1: There is no setting train.epoch; did you mean train.epochs?",
        ),
        (
            "trials:\n  a: {train.epochs: 6}\n  b:\n    train.epochs: 0",
            "line 4: b: train.epochs=0 is not allowed: a whole number of at least 1 and at most 10,000",
        ),
        (
            "base:\n  train.epochs: 2\ngrid: {train.batch: [8, 9]}",
            "line 2: trial 1: train: warmup_epochs 2 must be below epochs 2",
        ),
        ("grid: {train.batch: [8, 8]}", "line 1: the trials trial 1 and trial 2 have the same settings"),
        ("trials: {a: {train.batch: 128}, b: {}}", "line 1: the trials a and b have the same settings"),
        ("trials: {A: {}, b: {}}", "line 1: A cannot name a trial; use at most 40 small letters, digits, spaces, - and _"),
        (
            "trials: {a: {}, rate 0.1: {train.lr_max: 0.1}}",
            "line 1: rate 0.1 cannot name a trial; use at most 40 small letters, digits, spaces, - and _",
        ),
        ("trials: {a: 5, b: {}}", "line 1: the trial a needs settings, such as a: {train.epochs: 50}"),
        ("grid: {train.batch: [8, 9]}\nbase: best", "line 2: base needs names with values, not best"),
        ("grid: {seed: [1, 2]}", "line 1: seed is the same for all trials; list seeds: [1, 2, 3] instead"),
        (
            "grid: {train.batch: [8, 9]}\nseeds: [1, 1]",
            "line 2: seeds must be different whole numbers from 0, such as [1, 2, 3]",
        ),
        ("grid: {train.batch: [8, 9]}\nrank_by: test", "line 2: rank_by is test; choose clean or noisy or mean"),
        ("grid: {train.batch: [8, 9]}\ngird: 5", "line 2: a sweep has no gird; did you mean grid?"),
        (
            "grid: {train.batch: [8]}\ntrials: {a: {}}",
            "line 2: it has grid and trials; a sweep has one of grid, random, trials",
        ),
        ("random: {train.batch: [8, 9]}", "line 1: random needs draws, a whole number of 2 to 200, and may have a seed"),
        (
            "random: {draws: 5, train.lr_max: {low: 0, high: 1, scale: log}}",
            "line 1: random: train.lr_max needs numbers low and high, low the smaller one; with scale log, low is above 0",
        ),
        (
            f"seeds: [1, 2]\ngrid: {{train.batch: {[*range(8, 8 + MOST_RUNS)]}}}",
            "line 2: 200 trials with 2 seeds are 400 runs, more than 200; leave out values, or draw some at random",
        ),
        ("grid: [", "it is not supported YAML: line 1: expected the node content, but found '<stream end>'"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_file_and_the_line(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(PipelineError) as caught:
        sweep(tmp_path, text)
    assert str(caught.value) == f"The sweep {tmp_path / 'sweep.yaml'} cannot be used: {sentence}"


def test_a_grid_of_millions_is_refused_at_once(tmp_path: Path) -> None:
    names = ("train.batch", "train.epochs", "train.patience", "train.hidden")
    text = yaml.safe_dump({"grid": {name: [*range(10, 110)] for name in names}})
    with pytest.raises(PipelineError, match="100,000,000 trials"):
        sweep(tmp_path, text)


def test_a_sweep_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="There is no sweep optimiser; name a file, or one of freeze, ladder, "):
        read_sweep("optimiser", SweepSettings())
    with pytest.raises(PipelineError, match="cannot be read: No such file"):
        read_sweep(str(tmp_path / "none.yaml"), SweepSettings())
