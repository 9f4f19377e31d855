"""Augmented views: deterministic, independent of neighbours, and as strong as they say."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support import kept

from pipeline_lib.errors import PipelineError
from pipeline_lib.images.read import read_image
from pipeline_lib.settings.sections import TestViewSettings, TrainViewSettings
from pipeline_lib.views.augment import augment, generator, write_views
from pipeline_lib.views.data_new import draw_contact_sheet, link_views
from pipeline_lib.views.folder import Original, ViewFolder
from pipeline_lib.views.view import CLEAN, View, augmented_views, grid_views, views_of

GREY = Image.new("RGB", (96, 96), (128, 128, 128))


def picture(seed: int, side: int = 40) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8))


def write_originals(folder: Path, count: int) -> list[Original]:
    sources = []
    for number in range(count):
        path = folder / "train" / "Cans" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(path)
        sources.append(Original(f"train/Cans/{number}.png", path, hashlib.sha256(path.read_bytes()).hexdigest()))
    return sources


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_image_does_not_depend_on_its_neighbours_or_their_order(tmp_path: Path) -> None:
    sources = write_originals(tmp_path / "originals", 3)
    views = views_of(TrainViewSettings(views=2))
    write_views(tmp_path / "all", sources, views, seed=1, size=32)
    write_views(tmp_path / "reversed", sources[::-1], views, seed=1, size=32)
    write_views(tmp_path / "alone", sources[1:2], views, seed=1, size=32)
    assert contents(tmp_path / "all") == contents(tmp_path / "reversed")
    alone = contents(tmp_path / "alone")
    assert alone["aug1/Cans/1.jpg"] == contents(tmp_path / "all")["aug1/Cans/1.jpg"]


def test_seed_image_and_view_each_change_what_is_drawn() -> None:
    draws = [
        generator(*arguments).uniform()
        for arguments in [(1, "a", "aug1"), (2, "a", "aug1"), (1, "b", "aug1"), (1, "a", "aug2")]
    ]
    assert len(set(draws)) == 4
    assert generator(1, "a", "aug1").uniform() == draws[0]


@pytest.mark.parametrize("sigma", [10.0, 25.0, 40.0])
def test_noise_has_the_standard_deviation_it_says(sigma: float) -> None:
    noisy, drawn = augment(GREY, View(sigma=(sigma, sigma), angle_max=0), np.random.default_rng(3), 96)
    assert drawn["sigma"] == sigma
    assert np.std(np.asarray(noisy, float)) == pytest.approx(sigma, rel=0.03)
    assert np.mean(np.asarray(noisy, float)) == pytest.approx(128, abs=1.5)


def test_noise_is_as_strong_on_a_large_original_as_on_a_small_one() -> None:
    view = View(sigma=(25, 25), angle_max=0)
    large, _ = augment(GREY.resize((900, 900)), view, np.random.default_rng(3), 96)
    assert np.std(np.asarray(large, float)) == pytest.approx(25, rel=0.03)


def test_rotation_turns_the_picture_by_the_angle_it_says() -> None:
    image = picture(5, 64)
    turned, drawn = augment(image, View(sigma=(0, 0), angle_max=30), np.random.default_rng(8), 64)
    assert abs(drawn["angle"]) > 1
    assert np.array_equal(np.asarray(turned), np.asarray(image.rotate(drawn["angle"], Image.Resampling.BILINEAR)))


def test_a_view_without_noise_and_rotation_is_the_image_itself() -> None:
    image = picture(6)
    same, _ = augment(image, View(sigma=(0, 0), angle_max=0), np.random.default_rng(1), 40)
    assert np.array_equal(np.asarray(same), np.asarray(image))


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 2**32),
    st.floats(0, 60),
    st.floats(0, 90),
    st.floats(0.05, 1),
    st.floats(0, 0.9),
    st.integers(1, 90),
    st.integers(1, 90),
)
def test_any_view_of_any_image_has_the_size_asked_for_and_draws_within_its_ranges(
    seed, sigma, angle, crop, light, width, height
) -> None:
    view = View(sigma=(0, sigma), angle_max=angle, flip=0.5, crop_min=crop, brightness=light)
    result, drawn = augment(Image.new("RGB", (width, height), "red"), view, np.random.default_rng(seed), 32)
    assert result.size == (32, 32)
    assert 0 <= drawn["sigma"] <= sigma
    assert -angle <= drawn["angle"] <= angle
    assert crop <= drawn["crop"] <= 1
    assert drawn["flip"] in (0, 1)


def test_the_index_says_what_was_drawn_for_each_image(tmp_path: Path) -> None:
    sources = write_originals(tmp_path / "originals", 2)
    write_views(tmp_path / "shard", sources, views_of(TestViewSettings(views=1)), seed=1, size=32)
    with (tmp_path / "shard" / "aug1" / "index.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == ["train/Cans/0.png", "train/Cans/1.png"]
    assert rows[0]["sha256"] == sources[0].sha256
    assert {row["sigma"] for row in rows} == {"25.0"}
    assert len({row["angle"] for row in rows}) == 2


def test_no_two_views_of_a_split_have_one_name() -> None:
    settings = TestViewSettings(views=12, grid_sigmas=(0, 12.5, 1e-3, 50), grid_angles=(0, 7.25, 180))
    names = [view.name for view in [CLEAN, *views_of(settings)]]
    assert len(set(names)) == len(names) == 1 + 12 + 4 * 3 - 1


def test_the_grid_pairs_every_noise_with_every_angle_but_for_the_clean_view() -> None:
    assert [view.name for view in grid_views(TestViewSettings(grid_sigmas=(0, 25), grid_angles=(0, 15)))] == [
        "sigma0-angle15",
        "sigma25-angle0",
        "sigma25-angle15",
    ]


def test_data_new_is_one_image_folder_without_the_grid(tmp_path: Path) -> None:
    sources = write_originals(tmp_path / "originals", 3)
    views = augmented_views(TestViewSettings(views=2))
    shards = [tmp_path / "shard1", tmp_path / "shard2"]
    for shard, images in zip(shards, (sources[:2], sources[2:]), strict=True):
        write_views(shard, images, [*views, *grid_views(TestViewSettings())], seed=1, size=32)
    folder = tmp_path / "data_new"
    folder.mkdir()
    assert link_views(folder, [(kept(shard), views) for shard in shards]) == {"train": 6}
    assert sorted(path.name for path in (folder / "train" / "Cans").iterdir()) == [
        f"{n}-aug{v}.jpg" for n in range(3) for v in (1, 2)
    ]
    with (folder / "index.csv").open() as file:
        assert next(csv.DictReader(file))["file"] == "train/Cans/0-aug1.jpg"
    draw_contact_sheet(folder / "sheet.jpg", tmp_path / "originals", folder, {"train": views})
    with Image.open(folder / "sheet.jpg") as sheet:
        assert sheet.width > 3 * 100


@settings(max_examples=15, deadline=None)
@given(before=st.sets(st.integers(0, 4)), after=st.sets(st.integers(0, 4)))
def test_copies_taken_from_a_previous_shard_are_those_that_would_be_drawn(tmp_path_factory, before, after) -> None:
    root = tmp_path_factory.mktemp("views")
    sources = write_originals(root / "originals", 5)
    views = views_of(TestViewSettings(views=2, grid_sigmas=(0, 25), grid_angles=(0,)))
    write_views(root / "previous", [sources[number] for number in before], views, seed=1, size=32)
    renamed = [replace(sources[number], image=f"train/Paper/moved-{number}.png") for number in after]
    computed = write_views(root / "shard", renamed, views, seed=1, size=32, previous=kept(root / "previous"))
    write_views(root / "anew", renamed, views, seed=1, size=32)
    assert computed == len(after - before)
    assert contents(root / "shard") == contents(root / "anew")


@pytest.mark.parametrize(
    ("damaged", "drawn"),
    [("aug1/Cans/1.jpg", 1), ("aug1/index.csv", 3), ("sigma25-angle0/images.zip", 3), ("sigma25-angle0/index.csv", 3)],
)
@pytest.mark.parametrize("damage", [lambda file: file.write_bytes(flipped(file.read_bytes())), Path.unlink])
def test_a_damaged_copy_is_drawn_anew_and_not_taken(tmp_path: Path, damaged: str, drawn: int, damage) -> None:
    sources = write_originals(tmp_path / "originals", 3)
    views = views_of(TestViewSettings(views=1, grid_sigmas=(0, 25), grid_angles=(0,)))
    write_views(tmp_path / "previous", sources, views, seed=1, size=32)
    expected, previous = contents(tmp_path / "previous"), kept(tmp_path / "previous")
    damage(tmp_path / "previous" / damaged)
    assert write_views(tmp_path / "shard", sources, views, seed=1, size=32, previous=previous) == drawn
    assert contents(tmp_path / "shard") == expected


def flipped(content: bytes) -> bytes:
    """The content with one bit of its middle byte flipped."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def test_data_new_links_no_damaged_copy(tmp_path: Path) -> None:
    views = augmented_views(TestViewSettings(views=1))
    write_views(tmp_path / "shard", write_originals(tmp_path / "originals", 2), views, seed=1, size=32)
    shard, file = kept(tmp_path / "shard"), tmp_path / "shard" / "aug1" / "Cans" / "1.jpg"
    file.write_bytes(flipped(file.read_bytes()))
    with pytest.raises(PipelineError, match=rf"{file} is missing or not what was recorded - run again with --verify"):
        link_views(tmp_path / "data_new", [(shard, views)])


def test_the_grid_needs_one_archive_a_view_and_no_file_an_image(tmp_path: Path) -> None:
    sources = write_originals(tmp_path / "originals", 5)
    write_views(tmp_path / "shard", sources, grid_views(TestViewSettings(grid_sigmas=(25,), grid_angles=(0,))), seed=1, size=32)
    assert set(contents(tmp_path / "shard")) == {"sigma25-angle0/images.zip", "sigma25-angle0/index.csv"}
    images = ViewFolder.read(tmp_path / "shard" / "sigma25-angle0").images()
    assert [row["image"] for row, _ in images] == [source.image for source in sources]
    assert all(read_image(file).size == (32, 32) for _, file in images)
