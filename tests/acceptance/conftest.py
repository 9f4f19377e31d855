"""What the acceptance tests share: their marker, the datasets they run on, and the file that each leaves its figures in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import photographs


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.acceptance)


@pytest.fixture(params=["sample", "photographs"])
def dataset(request: pytest.FixtureRequest) -> str:
    """The embedded sample, and the real photographs where there are any."""
    return "sample" if request.param == "sample" else str(photographs())


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Callable[[Any], None]:
    """Write the figures of a test, as JSON, to a file of its name in the folder of ``--figures``; each call replaces it."""
    folder = Path(request.config.getoption("--figures"))

    def write(figures: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = request.node.name.removeprefix("test_").replace("[", "-").removesuffix("]")
        (folder / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")

    return write
