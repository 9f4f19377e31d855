"""The audit stage on generated pictures whose relations are known."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance, ImageOps

from pipeline_lib.audit.audit import audit_dataset
from pipeline_lib.errors import PipelineError
from pipeline_lib.settings.sections import AuditSettings


def picture(seed: int) -> Image.Image:
    """A smooth random picture, 160 x 160."""
    rough = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    return Image.fromarray(rough).resize((160, 160), Image.Resampling.BICUBIC)


def faint_shade(lightest: int) -> Image.Image:
    """A near-blank picture, darker on one side by a few of 255; hash and thumbnail of any two are alike."""
    return Image.fromarray(np.tile(np.linspace(lightest - 9, lightest, 64), (64, 1)).astype(np.uint8)).convert("RGB")


def encoded(image: Image.Image, suffix: str, **options: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, Image.registered_extensions()[suffix], **options)
    return stream.getvalue()


def write_dataset(root: Path, files: dict[str, Image.Image | bytes]) -> Path:
    rows = []
    for key, content in files.items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else encoded(content, path.suffix))
        rows.append([*key.split("/"), key, 1, 1, "RGB", "any"])
    columns = ["split", "class", "name", "source", "width", "height", "mode", "format"]
    pd.DataFrame(rows, columns=columns).to_csv(root / "images.csv", index=False)
    return root


def read_table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, dtype={"class": str, "name": str})


def pairs_of(folder: Path) -> dict[tuple[str, str], dict]:
    pairs = read_table(folder / "pairs.csv")
    sides = [
        pairs[f"{side}_split"] + "/" + pairs[f"{side}_class"] + "/" + pairs[f"{side}_name"] for side in ("first", "second")
    ]
    return dict(zip(zip(*sides, strict=True), pairs.to_dict("records"), strict=True))


def groups_of(folder: Path) -> dict[str, int]:
    images = read_table(folder / "images.csv")
    return dict(zip(images["split"] + "/" + images["class"] + "/" + images["name"], images["group"], strict=True))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = [picture(seed) for seed in range(20)]
    files: dict[str, Image.Image | bytes] = {f"train/Can/{seed:02}.png": base[seed] for seed in range(10)}
    files |= {f"train/Hat/{seed:02}.png": base[seed] for seed in range(10, 14)}
    files |= {
        "test/Can/bytes.png": files["train/Can/00.png"],
        "test/Can/pixels.bmp": base[1],
        "test/Can/recompressed.jpg": encoded(base[2], ".jpg", quality=40),
        "test/Can/resized.jpg": base[3].resize((90, 90)),
        "test/Can/cropped.png": base[4].crop((3, 3, 157, 157)),
        "test/Can/brighter.png": ImageEnhance.Brightness(base[5]).enhance(1.15),
        "test/Can/mirrored.jpg": ImageOps.mirror(base[6]),
        "test/Can/new.png": base[14],
        "test/Hat/new.png": base[15],
        "test/Hat/new again.jpg": base[15],
        "train/Hat/a Can.png": base[7],
        "train/Hat/a Can.jpg": base[8],
        "train/Hat/blank 1.png": faint_shade(241),
        "train/Hat/blank 2.png": faint_shade(242),
        "train/Hat/blank 2 again.png": faint_shade(242),
        "train/Hat/white.png": Image.new("RGB", (64, 64), "white"),
        "test/Hat/black.png": Image.new("RGB", (64, 64), "black"),
        "test/Hat/blank 3.png": faint_shade(243),
        "test/Hat/tiny.png": base[16].resize((200, 31)),
        "test/Hat/not tiny.png": base[17].resize((200, 32)),
    }
    return write_dataset(tmp_path_factory.mktemp("dataset"), files)


@pytest.fixture(scope="module")
def audit(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("audit")
    return folder, audit_dataset(folder, dataset, AuditSettings())


@pytest.mark.parametrize(
    ("train", "test", "kind"),
    [
        ("00.png", "bytes.png", "bytes"),
        ("01.png", "pixels.bmp", "pixels"),
        ("02.png", "recompressed.jpg", "near"),
        ("03.png", "resized.jpg", "near"),
        ("04.png", "cropped.png", "near"),
        ("05.png", "brighter.png", "near"),
        ("06.png", "mirrored.jpg", "near"),
    ],
)
def test_a_copy_in_test_is_found_and_called_what_it_is(audit, train, test, kind):
    folder, _ = audit
    pair = pairs_of(folder)[f"train/Can/{train}", f"test/Can/{test}"]
    assert (pair["kind"], pair["relation"], pair["other_class"]) == (kind, "across", 0)
    assert pair["mirrored"] == (test == "mirrored.jpg")
    assert pair["distance"] == 0 if kind != "near" else pair["distance"] <= 10


def test_copies_are_counted_by_kind_and_by_the_splits_they_join(audit):
    folder, summary = audit
    pair = pairs_of(folder)["test/Hat/new again.jpg", "test/Hat/new.png"]
    assert (pair["kind"], pair["relation"]) == ("near", "within test")
    assert summary["pairs"]["near"] == {"within train": 1, "within test": 1, "across": 5}
    assert summary["pairs"]["bytes"] == {"within train": 2, "within test": 0, "across": 1}
    assert summary["pairs"]["pixels"] == {"within train": 0, "within test": 0, "across": 1}


def test_near_blank_images_are_flagged_and_match_exact_copies_only(audit):
    folder, summary = audit
    groups = groups_of(folder)
    blank = [
        "test/Hat/black.png",
        "test/Hat/blank 3.png",
        *(f"train/Hat/{name}.png" for name in ("blank 1", "blank 2", "white")),
    ]
    assert summary["blank"]["count"] == 6
    assert set(blank) < set(summary["blank"]["first"])
    assert len({groups[key] for key in blank}) == 5
    assert groups["train/Hat/blank 2.png"] == groups["train/Hat/blank 2 again.png"]


def test_tiny_means_a_side_below_the_limit(audit):
    assert audit[1]["tiny"] == {"count": 1, "first": ["test/Hat/tiny.png"]}


def test_groups_join_splits_and_classes_and_cover_every_image(audit):
    folder, summary = audit
    groups = groups_of(folder)
    assert len(groups) == 34
    assert len(set(groups.values())) == summary["groups"]["count"] == 34 - 11
    assert groups["train/Can/06.png"] == groups["test/Can/mirrored.jpg"]
    assert groups["train/Can/07.png"] == groups["train/Hat/a Can.png"]
    assert pairs_of(folder)["train/Can/07.png", "train/Hat/a Can.png"]["other_class"] == 1
    assert summary["groups"]["largest"]["size"] == 2


def test_balance_counts_images_a_class(audit):
    assert audit[1]["balance"] == {
        "train": {"classes": 2, "min": 10, "median": 10.0, "max": 10, "ratio": 1.0},
        "test": {"classes": 2, "min": 6, "median": 7.0, "max": 8, "ratio": 1.333},
    }


def test_summary_is_json(audit):
    assert json.loads(json.dumps(audit[1])) == audit[1]


def test_results_do_not_depend_on_the_order_of_the_table(dataset, audit, tmp_path):
    table = pd.read_csv(dataset / "images.csv", dtype=str)
    other = tmp_path / "dataset"
    other.mkdir()
    for split in ("train", "test"):
        (other / split).symlink_to(dataset / split)
    table.iloc[::-1].to_csv(other / "images.csv", index=False)
    assert audit_dataset(tmp_path / "audit", other, AuditSettings()) == audit[1]
    for name in ("images.csv", "pairs.csv"):
        assert (tmp_path / "audit" / name).read_bytes() == (audit[0] / name).read_bytes()


def test_the_dataset_is_left_as_it_is(dataset, tmp_path):
    def content() -> dict[Path, str]:
        return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in dataset.rglob("*") if path.is_file()}

    before = content()
    audit_dataset(tmp_path, dataset, AuditSettings())
    assert content() == before


def test_distance_zero_keeps_equal_hashes_only(dataset, tmp_path):
    audit_dataset(tmp_path, dataset, AuditSettings(near_distance=0))
    assert all(pair["distance"] == 0 for pair in pairs_of(tmp_path).values())


def test_progress_ends_at_the_number_of_images(dataset, tmp_path):
    calls = []
    audit_dataset(tmp_path, dataset, AuditSettings(), lambda done, total, text: calls.append((done, total)))
    assert calls == [(number, 34) for number in range(1, 35)]


def test_many_copies_of_one_picture_make_few_rows(tmp_path):
    files = {f"train/Can/{quality}.jpg": encoded(picture(0), ".jpg", quality=quality) for quality in range(60, 90)}
    files |= {f"test/Can/{quality}.jpg": files[f"train/Can/{quality}.jpg"] for quality in range(60, 70)}
    summary = audit_dataset(tmp_path / "audit", write_dataset(tmp_path, files), AuditSettings())
    assert summary["groups"] == {"count": 1, "repeated": 1, "largest": {"size": 40, "image": "train/Can/60.jpg"}}
    assert len(pairs_of(tmp_path / "audit")) == 39


def test_exact_copies_are_linked_by_bytes_before_pixels(tmp_path):
    bmp = encoded(picture(0), ".bmp")
    files = {"train/Can/a.png": picture(0), "test/Can/b.bmp": bmp, "test/Can/c.bmp": bmp, "test/Can/d.png": picture(0)}
    audit_dataset(tmp_path / "audit", write_dataset(tmp_path, files), AuditSettings())
    kinds = {pair: facts["kind"] for pair, facts in pairs_of(tmp_path / "audit").items()}
    assert kinds == {
        ("train/Can/a.png", "test/Can/b.bmp"): "pixels",
        ("test/Can/b.bmp", "test/Can/c.bmp"): "bytes",
        ("train/Can/a.png", "test/Can/d.png"): "bytes",
    }


def test_names_that_tables_trip_over_survive(tmp_path):
    files = {"train/NA/nan.png": picture(0), "train/001/a, b.png": picture(1), 'test/001/"ü".png': picture(1)}
    audit_dataset(tmp_path / "audit", write_dataset(tmp_path, files), AuditSettings())
    groups = groups_of(tmp_path / "audit")
    assert set(groups) == set(files)
    assert groups['test/001/"ü".png'] == groups["train/001/a, b.png"]


def test_an_image_that_broke_since_is_named(tmp_path):
    write_dataset(tmp_path, {"train/Can/a.png": picture(0), "train/Can/b.png": b"no image"})
    with pytest.raises(
        PipelineError, match=r"b\.png was a usable image and no longer is \(not an image\); build the dataset again"
    ):
        audit_dataset(tmp_path / "audit", tmp_path, AuditSettings())
