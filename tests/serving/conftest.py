"""Fixtures of this folder: a server on the results of a run on the tiny dataset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from served import serving
from support import CommandLine, Finished, command_line, link_results


@pytest.fixture(scope="session")
def line(
    tmp_path_factory: pytest.TempPathFactory, finished: tuple[Path, Finished], request: pytest.FixtureRequest
) -> CommandLine:
    """The command line on the results of a run on the tiny dataset."""
    made = command_line(tmp_path_factory.mktemp("serving"), request.getfixturevalue("prefect_api"))
    link_results(finished[0], made.artifacts)
    return made


@pytest.fixture(scope="session")
def server(line: CommandLine) -> Iterator[str]:
    with serving(line) as address:
        yield address


@pytest.fixture(scope="session")
def photographs(finished: tuple[Path, Finished]) -> list[Path]:
    return sorted((finished[0].parent / "pictures" / "test").glob("*/*.png"))
