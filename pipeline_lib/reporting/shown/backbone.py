"""What stage ``backbone`` shows: which weights, and how they were converted."""

from __future__ import annotations

from pipeline_lib.reporting.blocks import Results, Shown, facts, megabytes, scalars, settings_of


def show(results: Results) -> Shown:
    """Show the summary of the conversion."""
    (ref,) = results.values()
    summary = ref.manifest().summary
    return Shown(
        "Backbone",
        f"{summary['parameters']:,} parameters, {megabytes(results)}",
        f"A pretrained {summary['architecture']}, on whose features a head is trained.",
        blocks=facts(scalars(summary)),
        settings=settings_of(results),
    )
