"""The audit on the real photographs, against copies that people's eyes confirmed."""

import csv
import zipfile

import pytest
from support import photographs

from pipeline_lib.audit.audit import audit_dataset
from pipeline_lib.files.table import read_table
from pipeline_lib.settings.sections import AuditSettings

BYTE_COPIES = {
    "Disposable Chopsticks/00048",
    "Eggshell/00032",
    "Eggshell/00046",
    "Eggshell/00061",
    "Eggshell/00071",
    "Eggshell/00079",
    "Hats/00040",
}

# Each was looked at beside its training image, and has at least 15 SIFT keypoints that one affine map takes to the other.
NEAR_COPIES = {
    "Banana Peel/00085",
    "Basketball/00003",
    "Basketball/00015",
    "Battery/00081",
    "Battery/00092",
    "Broom/00003",
    "Cans/00034",
    "Ceramic Bowl/00055",
    "Ceramic Bowl/00076",
    "Dirty Cloth/00097",
    "Fluorescent lamp/00058",
    "Fluorescent lamp/00065",
    "Glass Bottle/00075",
    "Glass Bottle/00084",
    "Glassware/00061",
    "Hats/00010",
    "Lighter/00059",
    "Metalware/00031",
    "Metalware/00033",
    "Old Mirror/00089",
    "Orange Peel/00007",
    "Paper/00059",
    "Seashell/00006",
    "Seashell/00045",
    "Vegetable Leaf/00066",
}


@pytest.fixture(scope="module")
def audit(tmp_path_factory):
    root = tmp_path_factory.mktemp("photographs")
    with zipfile.ZipFile(photographs()) as archive:
        archive.extractall(root)
    dataset, folder = root / "data_en", root / "audit"
    with (dataset / "images.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["split", "class", "name"])
        rows.writerows(path.relative_to(dataset).parts for path in sorted(dataset.glob("*/*/*.jpg")))
    return folder, audit_dataset(folder, dataset, AuditSettings())


def groups_of(folder):
    rows = read_table(folder / "images.csv")
    return {f"{row['split']}/{row['class']}/{row['name']}": row["group"] for row in rows}


def test_all_byte_copies_and_most_near_copies_are_found_and_nothing_else(audit):
    groups = groups_of(audit[0])
    trained = {group for key, group in groups.items() if key.startswith("train/")}
    tested = {key.removeprefix("test/").removesuffix(".jpg"): group for key, group in groups.items() if key.startswith("test/")}
    copies = {name for name, group in tested.items() if group in trained}
    assert copies >= BYTE_COPIES
    assert len(copies & NEAR_COPIES) >= 20
    assert copies <= BYTE_COPIES | NEAR_COPIES


def test_no_group_joins_different_pictures(audit):
    """A false link joins classes sooner or later, and several of them make one giant group; Eggshell has 19 copies of one."""
    folder, summary = audit
    assert not [row for row in read_table(folder / "pairs.csv") if row["other_class"] == "1"]
    assert summary["groups"]["largest"]["size"] == 19
    groups = groups_of(folder)
    eggshell = {group for key, group in groups.items() if "/Eggshell/" in key}
    assert len(eggshell) == 5
    others = [group for key, group in groups.items() if "/Eggshell/" not in key]
    assert max(map(others.count, set(others))) <= 6
