"""The trained classifier on cached features, read back."""

from __future__ import annotations

from pathlib import Path

from pipeline_lib.models.classifier import NAME, Classifier, HeadSpec
from pipeline_lib.models.trained import read_trained


def load_head(folder: Path) -> tuple[Classifier, HeadSpec]:
    """Return the classifier that ``train_head`` wrote into a folder, and what belongs to it.

    Raises:
        PipelineError: A file is missing or damaged, or the parameters don't fit the description.
    """
    return read_trained(folder, NAME, HeadSpec, _built)


def _built(spec: HeadSpec) -> Classifier:
    return Classifier(spec.in_features, len(spec.classes), spec.hidden, noise_aware=spec.noise_aware)
