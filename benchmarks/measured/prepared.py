"""What the driver has prepared for the measured processes: results of a run of the flow, and what is drawn from them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from places import RECORD

from pipeline_lib.features.table import FeatureSet
from pipeline_lib.models.architecture import Architecture
from pipeline_lib.models.architectures import find_architecture
from pipeline_lib.settings.sections import Settings
from pipeline_lib.stages.result import Ref, read_manifest
from pipeline_lib.stages.store import Store


class Prepared(NamedTuple):
    """The folder of a benchmark and what is in it.

    Attributes:
        folder: The folder; the artifacts of the run lie in it.
        keys: Key of each stage's result that is a single one.
        settings: The settings of the run.
    """

    folder: Path
    keys: dict[str, str]
    settings: Settings

    def result(self, stage: str) -> Ref:
        """Return the result of a stage."""
        path = f"stages/{stage}/{self.keys[stage]}"
        manifest = read_manifest(Store().root / path)
        return Ref(stage=stage, key=manifest.key, digest=manifest.digest, path=path)

    @property
    def classes(self) -> list[str]:
        """Names of the classes by label."""
        return list(self.result("dataset").manifest().summary["classes"])

    @property
    def architecture(self) -> Architecture:
        """The architecture of the backbone."""
        return find_architecture(self.settings.backbone.architecture).load()

    def features(self, split: str) -> FeatureSet:
        """Return the cached features of a split's clean view."""
        return FeatureSet([self.folder / "features" / split], self.classes)

    @property
    def maps(self) -> Path:
        """Folder of the feature maps of train, a file a batch."""
        return self.folder / "maps"


def prepared(folder: Path) -> Prepared:
    """Return what the driver has prepared in a folder."""
    os.environ["GARBAGE_ARTIFACTS"] = str((folder / "artifacts").absolute())
    record: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return Prepared(folder, record["keys"], Settings.model_validate(record["settings"]))
