"""Every run that shows figures on a test set has looked at it, whether they were computed or reused: here that is counted."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from pipeline_lib.evaluation.looks import LEDGER, Entry, Looks, add_to_ledger, looks_of, read_ledger
from pipeline_lib.evaluation.selection import WITHOUT_LEAKS
from pipeline_lib.reporting.looks import looks_in_words, optimism_in_words
from pipeline_lib.settings.load import changed_settings
from pipeline_lib.settings.sections import Section
from pipeline_lib.stages.result import Ref
from pipeline_lib.stages.run import Run
from tasks.contract.locks import file_lock

_TOP1 = ("top1", "top1_low", "top1_high")


def count_look(run: Run, test: Ref, evaluation: Ref, settings: Section) -> Looks | None:
    """Add what a run shows to the ledger of looks, and return how often its test set was looked at by now.

    While planning nothing is added, and the count is what it would be; None if the evaluation is still to be computed.

    Args:
        run: The run in progress.
        test: The images of the test set.
        evaluation: The evaluation on it, which has ``predictions.csv`` and the figures as its summary.
        settings: All settings of the run.

    Raises:
        PipelineError: The ledger is damaged.
    """
    if evaluation.pending:
        return None
    entry = _entry(run, test, evaluation, settings)
    ledger = run.store.root / LEDGER
    if run.planning:
        return looks_of(entry, [*read_ledger(ledger), entry])
    with file_lock("looks"):
        entries = add_to_ledger(ledger, entry)
    return looks_of(entry, entries)


def models_judged_on(run: Run, test: Ref) -> int:
    """Return how many models a test set has judged in all runs so far, at least 1; those that say the same are one."""
    entries = read_ledger(run.store.root / LEDGER)
    return max(1, len({entry.predictions for entry in entries if entry.test == test.digest}))


def _entry(run: Run, test: Ref, evaluation: Ref, settings: Section) -> Entry:
    manifest = evaluation.manifest()
    changed = {name: value for name, value in changed_settings(settings).items() if not name.startswith("retention.")}
    figures = manifest.summary[f"test{WITHOUT_LEAKS}"] or {}
    unseen = manifest.summary.get("unseen") or {}  # a flow without cross-validation has none
    return Entry(
        when=datetime.now(UTC).replace(microsecond=0),
        run=run.id,
        flow=run.flow,
        dataset=" ".join(run.dataset.split()),  # a carriage return would end a row of the table
        test=test.digest,
        evaluation=evaluation.key,
        predictions=next(output.sha256 for output in manifest.outputs if output.path == "predictions.csv"),
        settings=json.dumps(changed, sort_keys=True, ensure_ascii=False, separators=(",", ":")),
        **{name: figures.get(name) for name in (*_TOP1, "images", "n_effective")},
        **{f"unseen_{name}": unseen.get(name) for name in _TOP1},
    )


def looked_at(looks: Looks | None) -> str:
    """Return the sentences on the looks at a test set that a run ends with; empty while it is still to be evaluated."""
    return " ".join(filter(None, [looks_in_words(looks), optimism_in_words(looks)])) if looks else ""
