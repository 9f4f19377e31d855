"""The project in operation, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from operated import Operated, operating
from support import Finished, link_results, write_tiny_dataset


@pytest.fixture(scope="session")
def operation(tmp_path_factory: pytest.TempPathFactory, finished: tuple[Path, Finished]) -> Iterator[Operated]:
    """A server, a worker, a watchman and the deployments, as long as the tests last; results of ``pictures`` are there."""
    folder = tmp_path_factory.mktemp("operated")
    link_results(finished[0], folder / "artifacts")
    with operating(folder) as running:
        yield running


@pytest.fixture
def operated(operation: Operated) -> Operated:
    """The project in operation, all of it running and no run in progress, whatever became of the test before."""
    operation.settle()
    return operation


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny dataset that all tests of this folder share, so that most of their stages are reused."""
    return write_tiny_dataset(tmp_path_factory.mktemp("operated-pictures") / "pictures")
