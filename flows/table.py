"""The table of flows: all that the command line, deployments and lookups of results know of them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline_lib.settings.sections import LenetSettings, Section, Settings, SplitSettings, SweepSettings

if TYPE_CHECKING:
    from prefect import Flow


class Row(NamedTuple):
    """A flow, as those know it who start it, deploy it, or look for its results in ``latest/<name>/``.

    Attributes:
        name: Its name, also that of its Prefect flow and of its deployment.
        function: Its function, in the module ``flows.<function>``; it takes ``dataset`` and ``settings``, and it returns what
            ``conclude`` does: what a run has come to is summed up in the flow's own words.
        settings: The class of its settings.
        summary: What it does, in one sentence.
        datasets: What its dataset may be and is by default, in words.
        embedded: Its datasets that come with the project, to try it out; a model of any other one is preferred.
    """

    name: str
    function: str
    settings: type[Section]
    summary: str
    datasets: str
    embedded: tuple[str, ...] = ()

    @property
    def entrypoint(self) -> str:
        """The flow as Prefect's deployments name it."""
        return f"flows/{self.function}.py:{self.function}"

    def load(self) -> Flow[..., dict[str, Any]]:
        """Import the flow; Prefect, which takes a second, comes with it."""
        flow: Flow[..., dict[str, Any]] = getattr(import_module(f"flows.{self.function}"), self.function)
        return flow


ROWS = (
    Row(
        name="garbage-finetune",
        function="garbage_finetune",
        settings=Settings,
        summary="Fine-tune the head of a pretrained network on a dataset of photographs and report on it.",
        datasets="sample (the default), data_en, or the PATH of a folder or zip file",
        embedded=("sample",),
    ),
    Row(
        name="lenet-mnist",
        function="lenet_mnist",
        settings=LenetSettings,
        summary="Train LeNet-5 from scratch on small grey images, such as MNIST, and report on it.",
        datasets="mnist (the default, or digits where it cannot be downloaded), digits, or the PATH of a folder of IDX files, "
        "an image folder or a zip file",
        embedded=("digits",),
    ),
    Row(
        name="garbage-split",
        function="garbage_split",
        settings=SplitSettings,
        summary="Divide train and test of a dataset of photographs anew, so that no source is in both.",
        datasets="sample (the default), data_en, or the PATH of a folder or zip file",
        embedded=("sample",),
    ),
    Row(
        name="garbage-sweep",
        function="garbage_sweep",
        settings=SweepSettings,
        summary="Compare settings on a dataset of photographs by figures on sources never seen, without a look at test.",
        datasets="sample, data_en, or the PATH of a folder or zip file (the default is what the sweep names, else sample)",
        embedded=("sample",),
    ),
)

FLOWS = {row.name: row for row in ROWS}
DEFAULT = ROWS[0]
