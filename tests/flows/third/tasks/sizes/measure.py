"""Stage ``measure``: the width of every picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.stages.result import Summary
from tasks.contract.stage import stage

if TYPE_CHECKING:
    from pipeline_lib.data.source import Source


@stage("measure")
def measure_stage(folder: Path, *, source: Source) -> Summary:
    """Write the width of every picture, a line each."""
    from pipeline_lib.data.imagefolder import scan
    from pipeline_lib.images.read import read_image

    widths = [read_image(path).width for path in scan(Path(source.location)).files]
    (folder / "widths.txt").write_text("\n".join(map(str, sorted(widths))))
    return {"pictures": len(widths)}
