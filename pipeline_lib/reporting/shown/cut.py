"""What stage ``cut`` shows: the part of the backbone that stays frozen."""

from __future__ import annotations

from pipeline_lib.reporting.blocks import Results, Shown, facts, settings_of


def show(results: Results) -> Shown:
    """Show up to where the backbone is frozen, and what that part gives for an image."""
    (ref,) = results.values()
    cut = ref.manifest().summary
    whole = cut["frozen"] == "none" or cut["frozen"].startswith("after:")
    frozen = "nothing" if whole else f"all up to {cut['frozen']}"
    rows = {
        "before the cut": frozen,
        "values per image": cut["values_per_image"],
        "size per image": f"{cut['bytes_per_image'] / 1e3:.0f} KB",
    }
    return Shown(
        "Cut",
        f"{frozen} before the cut",
        "What is before the cut is computed once; what is trained is behind it.",
        blocks=facts(rows),
        settings=settings_of(results),
    )
