"""The settings of the flow picture-sizes."""

from __future__ import annotations

from pydantic import Field

from pipeline_lib.settings.sections import Section, StageMinutes


class SizesSettings(Section):
    """Which pictures are small."""

    stage_minutes: StageMinutes = 10.0
    least: int = Field(64, ge=1, le=1024, description="A picture with a width below this many pixels is small.")
