"""The files of stage ``promote``. Kept apart from what fills them, so that nothing that shows them depends on that code."""

DECISION = "decision.json"
"""The verdict without its classes, and how views of train were drawn."""

CLASSES = "classes.csv"
"""The classes, the greatest loss first: name, images, share that each model gets right, difference, p."""

CHANGED = "changed.csv"
"""Photographs about which one model alone is right: part, change (`FIXED`, `BROKEN`), image, class, what each one said."""

FIXED, BROKEN = "fixed", "newly_wrong"

DECISIONS = ("promoted", "kept", "needs a person")
"""What may become of a model."""
