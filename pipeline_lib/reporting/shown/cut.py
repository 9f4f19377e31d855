"""What stage ``cut`` shows: the part of the backbone that stays frozen, or that all of it is computed anew."""

from __future__ import annotations

from pipeline_lib.reporting.blocks import Results, Shown, facts, settings_of


def show(results: Results) -> Shown:
    """Show what of the backbone is trained, and what is kept of an image for that."""
    (ref,) = results.values()
    cut = ref.manifest().summary
    before, sentence = _in_words(cut["frozen"])
    rows = {
        "before the cut": before,
        "values per image": cut["values_per_image"],
        "size per image": f"{cut['bytes_per_image'] / 1e3:.0f} KB",
    }
    return Shown("Cut", f"{before} before the cut", sentence, blocks=facts(rows), settings=settings_of(results))


def _in_words(frozen: str) -> tuple[str, str]:
    """Return what is computed once, and a sentence about what is trained, of a value of ``tune.freeze``."""
    if frozen == "none":
        return "nothing", "The whole network is trained with the head."
    if frozen.startswith("after:"):
        last = frozen.removeprefix("after:")
        return (
            "nothing",
            f"Up to {last} the network first learns, without labels, to give noisy views the features of clean ones.",
        )
    return f"all up to {frozen}", f"What is behind {frozen} is trained with the head."
