"""What a stage shows that has no module of its own: its summary."""

from __future__ import annotations

from pipeline_lib.reporting.blocks import Results, Shown, facts, megabytes, scalars, settings_of


def show(results: Results) -> Shown:
    """Show the summary of each result."""
    refs = list(results.items())
    blocks = [
        block
        for label, ref in refs
        for block in facts(scalars(ref.manifest().summary), label if len(refs) > 1 else "", "detail" if len(refs) > 1 else "")
    ]
    title = refs[0][1].stage.replace("_", " ").capitalize()
    return Shown(title, megabytes(results), blocks=blocks, settings=settings_of(results))
