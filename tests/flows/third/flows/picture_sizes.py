"""The flow ``picture-sizes``: how large the pictures of a folder are."""

from __future__ import annotations

from functools import partial
from typing import Any

from prefect import flow
from tasks.sizes.count import count_stage
from tasks.sizes.measure import measure_stage
from tasks.sizes.settings import SizesSettings

from pipeline_lib.data.sources import resolve
from pipeline_lib.stages.latest import conclude
from pipeline_lib.stages.run import running
from tasks.contract.endings import ends_in_words, run_name
from tasks.contract.source import find_source


@flow(name="picture-sizes", flow_run_name=run_name)
@ends_in_words
def picture_sizes(dataset: str = "sample", settings: SizesSettings = SizesSettings()) -> dict[str, Any]:  # noqa: B008  # immutable
    """Measure the pictures of a dataset."""
    with running(picture_sizes.name, partial(find_source, resolve, dataset), settings.stage_minutes) as (run, source):
        sizes = measure_stage(source=source)
        counted = count_stage(sizes=sizes, least=settings.least)
        return conclude(run, lambda summary: f"{summary['small']} small pictures", counted, sizes=sizes, counted=counted)
