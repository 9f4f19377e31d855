"""Which images come from one source, on generated pictures whose sources are known."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps
from scenes import cropped, jpeg, scene, turned

from pipeline_lib.audit.audit import audit_dataset
from pipeline_lib.audit.findings import read_groups, read_leaked
from pipeline_lib.audit.leak_sheet import SHEET_LEAKS, Leak, draw_leaks
from pipeline_lib.audit.sources import Pair, find_sources, group
from pipeline_lib.files.digest import file_sha256
from pipeline_lib.settings.sections import AuditSettings
from pipeline_lib.stages.kept import Kept

FILES = ("images.csv", "pairs.csv", "verdicts.npy", "leaks.jpg")


def write_dataset(root: Path, files: Mapping[str, Image.Image]) -> Path:
    for key, image in files.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(jpeg(image))
    with (root / "images.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("split", "class", "name"), *(key.split("/") for key in files)])
    return root


def features_of(dataset: Path) -> Iterator[dict[str, np.ndarray]]:
    """Colours of a small copy, in place of what a backbone makes of a picture; those of test first."""
    for split in ("test", "train"):
        paths = {path.relative_to(dataset).as_posix(): path for path in sorted(dataset.glob(f"{split}/*/*.jpg"))}
        yield {key: np.asarray(Image.open(path).resize((4, 4)), np.float32).ravel() for key, path in paths.items()}


def sources_of(root: Path, files: Mapping[str, Image.Image], previous: Kept | None = None) -> tuple[Path, dict]:
    dataset = write_dataset(root / "dataset", files)
    audit_dataset(root / "audit", dataset, AuditSettings())
    return root / "sources", find_sources(root / "sources", dataset, root / "audit", features_of(dataset), previous)


def kept(folder: Path) -> Kept:
    return Kept(folder, {path.name: file_sha256(path) for path in folder.iterdir()})


BASE = [scene(seed) for seed in range(13)]
PICTURES = {f"train/Can/{seed:02}.jpg": BASE[seed] for seed in range(10)} | {
    "test/Can/cropped.jpg": cropped(BASE[0], 0.4, 0.2, 0.7),
    "test/Can/turned.jpg": cropped(turned(BASE[1], 40), 0.5),
    "test/Can/mirrored.jpg": cropped(ImageOps.mirror(BASE[2]), 0.6),
    "test/Can/brighter.jpg": cropped(ImageEnhance.Brightness(BASE[3]).enhance(1.2), 0.6, 0.9, 0.1),
    "test/Can/copy.jpg": BASE[4],
    "test/Can/copy again.jpg": BASE[4],
    "test/Can/new.jpg": BASE[10],
    "test/Can/new again.jpg": turned(BASE[10], 90),
    "train/Hat/a can.jpg": cropped(BASE[5], 0.5),
    "train/Hat/hat.jpg": BASE[11],
    "train/Hat/white.jpg": Image.new("RGB", (200, 200), "white"),
}
LEAKED = {"cropped": 0, "turned": 1, "mirrored": 2, "brighter": 3, "copy": 4, "copy again": 4}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    return sources_of(tmp_path_factory.mktemp("found"), PICTURES)


def test_test_images_that_are_cropped_turned_or_mirrored_training_images_leak_and_no_others(found):
    folder, summary = found
    assert read_leaked(folder) == {f"test/Can/{name}.jpg" for name in LEAKED}
    groups = read_groups(folder)
    assert all(groups[f"test/Can/{name}.jpg"] == groups[f"train/Can/{seed:02}.jpg"] for name, seed in LEAKED.items())
    assert summary["leaked"]["count"] == len(LEAKED)
    assert summary["leaked"]["kinds"] == {"bytes": 2, "pixels": 0, "near": 0, "registered": 4, "indirect": 0}


def test_a_leak_says_beside_which_training_image_and_how_it_differs(found):
    leaks = {leak["image"]: (leak["train"], leak["how"]) for leak in found[1]["leaked"]["first"]}
    assert leaks["test/Can/copy.jpg"] == ("train/Can/04.jpg", "same bytes")
    assert leaks["test/Can/turned.jpg"] == ("train/Can/01.jpg", "1.4 times as large, turned by 40°")
    assert leaks["test/Can/mirrored.jpg"] == ("train/Can/02.jpg", "1.3 times as large, mirrored")
    assert leaks["test/Can/cropped.jpg"] == ("train/Can/00.jpg", "1.6 times as large")


def test_one_source_under_two_classes_is_a_label_conflict(found):
    assert found[1]["label_conflicts"] == {"count": 1, "first": [["train/Can/05.jpg", "train/Hat/a can.jpg"]]}


def test_every_image_has_a_source_and_sources_are_numbered_from_0(found):
    groups = read_groups(found[0])
    assert set(groups) == set(PICTURES)
    assert sorted(set(groups.values())) == list(range(found[1]["sources"]["count"])) == list(range(13))
    assert found[1]["sources"]["largest"] == {"size": 3, "image": "train/Can/04.jpg"}


def test_nothing_but_the_result_is_left_in_the_folder(found):
    assert sorted(path.name for path in found[0].iterdir()) == sorted(FILES)


def test_an_added_picture_is_compared_with_its_neighbours_alone_and_nothing_shows_it(found, tmp_path):
    added = PICTURES | {"train/Hat/new.jpg": cropped(BASE[12], 0.9)}
    scratch, at_once = sources_of(tmp_path / "scratch", added)
    folder, step_by_step = sources_of(tmp_path / "added", added, kept(found[0]))
    assert all((folder / name).read_bytes() == (scratch / name).read_bytes() for name in FILES)
    verdicts = np.load(folder / "verdicts.npy")
    before = set(np.load(found[0] / "verdicts.npy")[["first", "second"]].tolist())
    new = [pair for pair in verdicts[["first", "second"]].tolist() if pair not in before]
    assert step_by_step["computed"] == len({picture for pair in new for picture in pair}) < at_once["computed"]


def test_with_nothing_new_no_picture_is_opened(found, tmp_path):
    folder, summary = sources_of(tmp_path, PICTURES, kept(found[0]))
    assert summary == found[1] | {"computed": 0}
    assert all((folder / name).read_bytes() == (found[0] / name).read_bytes() for name in FILES)


def test_verdicts_that_are_damaged_are_not_taken_over(found, tmp_path):
    before = Kept(found[0], {"verdicts.npy": "0" * 64})
    assert sources_of(tmp_path, PICTURES, before)[1] == found[1]


def test_sources_do_not_depend_on_names_and_order(found, tmp_path):
    renamed = {f"train/Any/{number:02}.jpg": key for number, key in enumerate(reversed(PICTURES))}
    folder, _ = sources_of(tmp_path, {key: PICTURES[old] for key, old in renamed.items()})

    def partition(groups: Mapping[str, int], names: Mapping[str, str]) -> set[frozenset[str]]:
        members = defaultdict(set)
        for key, number in groups.items():
            members[number].add(names[key])
        return set(map(frozenset, members.values()))

    assert partition(read_groups(folder), renamed) == partition(read_groups(found[0]), {key: key for key in PICTURES})


def test_without_leaks_there_is_no_sheet(tmp_path):
    folder, summary = sources_of(tmp_path, {"train/Can/a.jpg": BASE[0], "test/Can/b.jpg": BASE[1]})
    assert summary["leaked"] == {"count": 0, "kinds": dict.fromkeys(summary["leaked"]["kinds"], 0), "first": []}
    assert not (folder / "leaks.jpg").exists()


def test_a_dataset_of_one_blank_image_has_one_source(tmp_path):
    folder, summary = sources_of(tmp_path, {"train/Can/a.jpg": Image.new("RGB", (40, 40), "white")})
    assert (read_groups(folder), summary["candidates"]) == ({"train/Can/a.jpg": 0}, 0)


@given(count=st.integers(1, 12), data=st.data())
def test_sources_are_the_connected_components_in_the_order_of_their_first_image(count, data):
    ends = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    pairs = data.draw(st.lists(ends, max_size=15))
    expected = list(range(count))
    for _ in range(count):
        for first, second in pairs:
            expected[first] = expected[second] = min(expected[first], expected[second])
    numbers = {first: number for number, first in enumerate(sorted(set(expected)))}
    assert group(count, [Pair(*pair, "near") for pair in pairs]) == [numbers[first] for first in expected]


def test_sheet_shows_a_test_image_left_and_the_training_image_right(tmp_path):
    colours = {"train/Can/a.jpg": "blue", "test/Can/b.jpg": "red"}
    write_dataset(tmp_path, {key: Image.new("RGB", (50, 50), colour) for key, colour in colours.items()})
    draw_leaks(tmp_path / "leaks.jpg", tmp_path, [Leak("test/Can/b.jpg", "train/Can/a.jpg", "near", "mirrored")])
    pixels = np.asarray(Image.open(tmp_path / "leaks.jpg")).astype(int)
    red = np.argwhere((pixels[..., 0] > 200) & (pixels[..., 2] < 60))
    blue = np.argwhere((pixels[..., 2] > 200) & (pixels[..., 0] < 60))
    assert red[:, 1].max() < blue[:, 1].min()
    assert abs(len(red) - len(blue)) < 600
    assert len(red) > 10_000


def test_sheet_stays_small_however_many_leaks_and_however_long_the_names(tmp_path):
    keys = [f"{split}/{'long name ' * 18}/{'x' * 180}.jpg" for split in ("test", "train")]
    write_dataset(tmp_path, dict.fromkeys(keys, BASE[0]))
    leaks = [Leak(*keys, "registered", "1.5 times as large, turned by 30°, mirrored")] * 300
    draw_leaks(tmp_path / "many.jpg", tmp_path, leaks)
    draw_leaks(tmp_path / "full.jpg", tmp_path, leaks[:SHEET_LEAKS])
    many, full = (np.asarray(Image.open(tmp_path / name)) for name in ("many.jpg", "full.jpg"))
    assert many.shape == full.shape
    assert max(many.shape) < 1400
    assert full[:, -12:].min() > 240
