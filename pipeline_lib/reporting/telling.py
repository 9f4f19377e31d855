"""What a stage or a run has come to, in a few words: for lists, where there is no room for more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline_lib.stages.store import Manifest

Summaries = Sequence[Mapping[str, Any]]


def telling_figure(stage: str, results: Sequence[Manifest]) -> str:
    """Return the figure that tells most about a stage's results, of which there is one, or one a shard."""
    size = sum(output.bytes for result in results for output in result.outputs)
    words = [_FIGURES[stage]([result.summary for result in results])] if stage in _FIGURES else []
    return ", ".join([*words, *([f"{size / 1e6:,.1f} MB"] if stage in _SIZED or not words else [])])


def top1_in_words(metrics: Mapping[str, Any]) -> str:
    """Return top-1 on test with its interval, such as ``80.8 % (73.9 to 86.2)``.

    It is that of the images that are not in train, where the audit has found some that are. Without test images it is that
    of their augmented views; without either, ``no test images``.
    """
    leaks = bool(metrics["leaked_images"])
    for key, where in (("test", ""), ("data_new_test", " on data_new/test")):
        score = metrics[f"{key}_without_leaks"] if leaks else metrics[key]
        if score:
            low, high = 100 * score["top1_low"], 100 * score["top1_high"]
            return f"{100 * score['top1']:.1f} % ({low:.1f} to {high:.1f}){where}{' without leaks' if leaks else ''}"
    return "no test images outside of train" if leaks else "no test images"


def _dataset(summaries: Summaries) -> str:
    (summary,) = summaries
    counts = " and ".join(f"{sum(counts.values()):,} {split}" for split, counts in summary["counts"].items())
    return f"{counts} images in {len(summary['classes'])} classes"


def _audit(summaries: Summaries) -> str:
    count = summaries[0]["leaked"]["count"]
    return f"{count:,} test images also in train" if count != 1 else "1 test image also in train"


def _engine(summaries: Summaries) -> str:
    (summary,) = summaries
    rate = summary.get(f"{summary['engine']}_images_per_second")
    return f"{summary['engine']}, {rate:,.0f} images per second" if rate else str(summary["engine"])


def _augment(summaries: Summaries) -> str:
    return f"{sum(shard['images'] * shard['views'] for shard in summaries):,} views"


def _data_new(summaries: Summaries) -> str:
    train_first = sorted(summaries[0].items(), reverse=True)
    return " and ".join(f"{count:,} {which}" for which, count in train_first)


def _features(summaries: Summaries) -> str:
    return f"{sum(shard['images'] for shard in summaries):,} views of images"


def _train(summaries: Summaries) -> str:
    (summary,) = summaries
    return f"epoch {summary['best_epoch']} of {summary['epochs']}, {100 * summary['val_top1']:.1f} % on validation"


_FIGURES: dict[str, Callable[[Summaries], str]] = {
    "dataset": _dataset,
    "audit": _audit,
    "backbone": lambda summaries: f"{summaries[0]['parameters']:,} parameters",
    "engine": _engine,
    "augment": _augment,
    "data_new": _data_new,
    "features": _features,
    "train": _train,
    "evaluate": lambda summaries: top1_in_words(summaries[0]),
}

_SIZED = {"backbone", "augment", "features"}
"""Stages of which the size is told too; it is told of all that have no figure."""
