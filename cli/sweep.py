"""The command ``garbage sweep``: settings compared by figures on sources never seen."""

from __future__ import annotations

from typing import Any

import click

from cli.command import preset_option
from cli.running import execute, run_options


@click.command("sweep")
@click.argument("sweep", metavar="FILE.yaml|NAME")
@click.option(
    "--dataset", help="sample, data_en, or the PATH of a folder or zip file.  [default: what FILE names, else sample]"
)
@preset_option
@run_options
def sweep_command(sweep: str, assignments: tuple[str, ...], **options: Any) -> None:
    """Compare the settings of a sweep by figures on sources never seen; no trial looks at the test set.

    \b
    FILE.yaml lists trials in one of three ways, and may have a base for all of them:
      dataset: ~/pictures
      base: {augment_train.views: 2}
      grid: {train.optimizer: [momentum, adam], train.lr_max: [0.01, 0.001]}
      seeds: [1, 2, 3]
      rank_by: clean            # or noisy, or mean
    Instead of grid:
      random: {draws: 8, train.lr_max: {low: 0.001, high: 0.1, scale: log}, train.hidden: [0, 128]}
      trials: {plain: {train.label_smoothing: 0}, smooth: {train.label_smoothing: 0.1}}

    NAME is a sweep that comes with the package: optimizers, noise, freeze, ladder. --preset, --config and --set say what all
    trials have in common; what the file says comes on top. The best trial's settings are in best.yaml, for garbage run
    --config.
    """  # noqa: D301  # \b is click's own mark
    execute(flow="garbage-sweep", assignments=(*assignments, f"sweep={sweep}"), **options)
