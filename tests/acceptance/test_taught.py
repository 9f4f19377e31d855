"""What a person teaches on the page is in the next run: exported, taught in a browser, downloaded, ingested, trained on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect, sync_playwright
from support import CommandLine, Finished, draw_picture
from waiting import PATIENCE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [pytest.mark.acceptance, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]


def test_ten_photographs_taught_in_the_page_are_a_class_of_the_next_run(
    garbage: CommandLine,
    first: Finished,
    finished: tuple[Path, Finished],
    tmp_path: Path,
    record: Callable[[Any], None],
) -> None:
    dataset = tmp_path / "pictures"
    shutil.copytree(finished[0].parent / "pictures", dataset)
    rng = np.random.default_rng(5)
    new = [tmp_path / f"{number}.png" for number in range(10)]
    for path in new:
        draw_picture((20, 220, 60), rng).save(path)
    exported = garbage("export", "--dataset", "pictures", "--format", "page", "--to", tmp_path / "out")
    assert exported.code == 0, exported.err
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page()
        tab.goto((tmp_path / "out" / "page" / "index.html").as_uri())
        tab.fill("#name", "Teacup")
        tab.set_input_files("#examples", new)
        expect(tab.get_by_role("status")).to_contain_text("Learned from 10 photographs", timeout=1000 * PATIENCE)
        record({"page": tab.get_by_role("status").inner_text()})
        assert set(tab.locator("article h2").all_inner_texts()) == {"Teacup"}
        tab.set_input_files("#files", dataset / "train" / "Cans" / "000.png")
        expect(tab.locator("article")).to_have_count(11, timeout=1000 * PATIENCE)
        tab.locator("article select").first.select_option("Paper")
        expect(tab.get_by_role("status")).to_contain_text("Learned from 11 photographs", timeout=1000 * PATIENCE)
        with tab.expect_download() as waiting:
            tab.get_by_role("button", name="Download what was taught").click()
        waiting.value.save_as(tmp_path / "patch.zip")
        browser.close()
    ingested = garbage("ingest", tmp_path / "patch.zip", "--dataset", dataset, "--json")
    assert ingested.json["added"] == {"Teacup": 10}, ingested.err
    assert ingested.json["relabelled"] == {"train/Cans/000.png": "Paper"}
    garbage.run(dataset)
    (taught,) = garbage.artifacts.glob("stages/dataset/*/train/Teacup")
    counts = {folder.name: len([*folder.iterdir()]) for folder in taught.parent.iterdir()}
    assert counts == {"Battery": 8, "Cans": 7, "Paper": 9, "Teacup": 8}
    assert len([*(taught.parents[1] / "test" / "Teacup").iterdir()]) == 2
    model = garbage("predict", "--json", "--dataset", dataset, *new)
    assert all("class" in row for row in model.json), model.err
