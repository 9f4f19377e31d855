"""The model that is exported, read from its folder into the parts that exports are made of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pipeline_lib.data.chinese import BINS, chinese
from pipeline_lib.data.classes import bin_of
from pipeline_lib.errors import PipelineError
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.models.files import BACKBONE, ONNX, SPEC
from pipeline_lib.models.heads import ARRAYS, DESCRIPTION, Head, load_head
from pipeline_lib.models.spec import BackboneSpec
from pipeline_lib.prediction.model import HeadModel, open_model
from pipeline_lib.stages.publishing import MANIFEST
from pipeline_lib.stages.result import json_digest


@dataclass(frozen=True)
class Source:
    """A trained model and its parts.

    Attributes:
        folder: Where it is.
        dataset: What it was trained on; "" if its folder does not say.
        digest: What identifies its files: as its manifest has it, else of the files that answer.
        model: What answers, to be compared with.
        head: Its head.
        spec: What belongs to its backbone.
    """

    folder: Path
    dataset: str
    digest: str
    model: HeadModel
    head: Head
    spec: BackboneSpec

    @property
    def backbone(self) -> Path:
        """The folder of its backbone."""
        return self.folder / BACKBONE

    def described(self) -> dict[str, str]:
        """Return what belongs to the model beside its numbers, as text; lists and mappings are JSON."""
        spec, classes = self.head.spec, self.head.spec.classes
        bins = [bin_of(name) for name in classes]
        lists = {
            "classes": list(classes),
            "classes_zh": [chinese(name) for name in classes],
            "bins": bins,
            "bins_zh": [BINS[bin_] if bin_ else None for bin_ in bins],
            "preprocessing": self.spec.preprocessing.model_dump(mode="json"),
        }
        texts = {
            "dataset": self.dataset,
            "model_sha256": self.digest,
            "architecture": self.spec.architecture,
            "weights": self.spec.source,
            "temperature": repr(spec.temperature),
        }
        return texts | {name: json.dumps(value, ensure_ascii=False) for name, value in lists.items()}


def read_source(folder: Path, dataset: str) -> Source:
    """Return the model in a folder.

    Args:
        folder: The result of a stage ``train``, or a copy of it.
        dataset: Name of the dataset that it was trained on, as far as it is known.

    Raises:
        PipelineError: There is no model in the folder, it is damaged, or it is not a head on a backbone.
    """
    model = open_model(folder)
    if not isinstance(model, HeadModel):
        raise PipelineError(f"The model in {folder} is a network for grey images; only models of photographs can be exported")
    spec = BackboneSpec.model_validate_json((folder / BACKBONE / SPEC).read_bytes())
    return Source(folder.resolve(), dataset, _digest(folder), model, load_head(folder), spec)


def _digest(folder: Path) -> str:
    try:
        return str(json.loads((folder / MANIFEST).read_bytes())["digest"])
    except FileNotFoundError:
        files = (ARRAYS, DESCRIPTION, f"{BACKBONE}/{ONNX}", f"{BACKBONE}/{SPEC}")
        return json_digest({name: file_sha256(folder / name) for name in files})
