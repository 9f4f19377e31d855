"""What stage ``audit`` shows: copies and oddities."""

from __future__ import annotations

from pipeline_lib.reporting.blocks import Results, Shown, facts, settings_of


def show(results: Results) -> Shown:
    """Show how much the audit found of everything."""
    (ref,) = results.values()
    audit = ref.manifest().summary
    exact = sum(sum(audit["pairs"][kind].values()) for kind in ("bytes", "pixels"))
    near = sum(audit["pairs"]["near"].values())
    rows = {
        "pictures that occur more than once": f"{audit['groups']['repeated']} ({exact} exact and {near} near copies)",
        "tiny images": audit["tiny"]["count"],
        "near-blank images": audit["blank"]["count"],
        **{f"images per class, {split}": f"{each['min']} to {each['max']}" for split, each in audit["balance"].items()},
    }
    repeated = audit["groups"]["repeated"]
    figure = f"{repeated:,} picture{'s occur' if repeated != 1 else ' occurs'} more than once"
    return Shown("Audit", figure, blocks=facts(rows), settings=settings_of(results))
