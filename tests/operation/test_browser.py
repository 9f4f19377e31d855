"""What a person sees in the Prefect UI, in a real browser: the page of a run, and the artifact of each of its stages."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from support import CommandLine, command_line, write_tiny_dataset
from waiting import PATIENCE, Api

from pipeline_lib.data.classes import CLASSES
from pipeline_lib.images.read import read_image
from pipeline_lib.reporting.albums import name_of, small_pictures
from pipeline_lib.reporting.blocks import Pile

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

STAGES = (
    "dataset",
    "audit",
    "backbone",
    "augment",
    "data-new",
    "features",
    "sources",
    "train",
    "cross-validate",
    "evaluate",
    "report",
)
# What a stage's artifact must say, and how many pictures it must show at least, on pictures of three classes.
SHOWN = {
    "dataset": ("digest of the content", 1),
    "audit": ("near-blank images", 0),
    "data-new": ("Augmented views", 1),
    "features": ("images/s", 0),
    "train": ("best epoch", 2),
    "evaluate": ("Confusion matrix", 4),
    "report": ("Most confident mistakes", 4),
}
DECODED = "images => images.length > 0 && images.every(image => image.complete && image.naturalWidth > 0)"

WIDTHS = "all => all.map(({innerText, scrollWidth, clientWidth}) => ({innerText, scrollWidth, clientWidth}))"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1440, "height": 1200})
        page.set_default_timeout(1000 * PATIENCE)
        expect.set_options(timeout=1000 * PATIENCE)
        yield page
        browser.close()


@pytest.fixture(scope="module")
def garbage(tmp_path_factory: pytest.TempPathFactory, prefect_api: str) -> CommandLine:
    """The command line on results that the tests of this file share."""
    return command_line(tmp_path_factory.mktemp("shown"), prefect_api)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny dataset with the longest names of classes, and a leak with a long name in each of them."""
    root = write_tiny_dataset(tmp_path_factory.mktemp("shown") / "pictures")
    for short, long in zip(("Battery", "Cans", "Paper"), sorted(CLASSES, key=len)[-3:], strict=True):
        for split in ("train", "test"):
            (root / split / short).rename(root / split / long)
        shutil.copy(root / "train" / long / "000.png", root / "test" / long / "a-leak-with-quite-a-long-name.png")
    return root


def test_a_run_and_each_stage_are_there_to_see_computed_and_reused(garbage: CommandLine, pictures: Path, page: Page) -> None:
    shutil.rmtree(garbage.artifacts, ignore_errors=True)
    api = garbage.environment["PREFECT_API_URL"]
    asked = Api(api)
    for word in ("computed", "reused"):
        garbage.run(pictures)
        run = asked.last_run()
        look_at_the_run(page, api.removesuffix("/api"), run)
        artifacts = asked.post("/artifacts/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}})
        stages = {artifact["key"].removeprefix("garbage-finetune-"): artifact["id"] for artifact in artifacts}
        assert set(STAGES) <= set(stages)
        for stage, (text, images) in SHOWN.items():
            look_at_the_artifact(page, f"{api.removesuffix('/api')}/artifacts/artifact/{stages[stage]}", word, text, images)
    page.goto(f"{api.removesuffix('/api')}/artifacts")  # what `make ui` prints; no menu of the UI leads there
    expect(page.get_by_text("garbage-finetune-train", exact=True).first).to_be_visible()


def test_no_table_of_the_evaluation_is_cut_on_a_small_screen(garbage: CommandLine, pictures: Path, page: Page) -> None:
    garbage.run(pictures)
    page.set_viewport_size({"width": 1366, "height": 768})
    page.goto(address_of(garbage, "garbage-finetune-evaluate"))
    expect(page.get_by_text("data_new/test without leaks").first).to_be_attached()
    tables = page.locator(".markdown-renderer__table")
    expect(tables.nth(4)).to_be_attached()
    assert [table for table in tables.evaluate_all(WIDTHS) if table["scrollWidth"] > table["clientWidth"]] == []


def test_a_click_on_a_cell_and_on_a_source_shows_the_photographs(garbage: CommandLine, tiny_dataset: Path, page: Page) -> None:
    shutil.copy(tiny_dataset / "train" / "Cans" / "000.png", tiny_dataset / "test" / "Cans" / "leak.png")
    garbage.run(tiny_dataset)
    for stage, button in (
        ("evaluate", "Cans, recognised|Cans taken for"),
        ("cross-validate", "recognised"),
        ("sources", "Cans"),
    ):
        page.goto(address_of(garbage, f"garbage-finetune-{stage}"))
        page.get_by_role("button", name=re.compile(button)).first.click()
        pile = page.locator(":popover-open")
        expect(pile).to_have_count(1)
        shown = {image.get_attribute("alt") or "": image.get_attribute("src") or "" for image in pile.get_by_role("img").all()}
        assert shown
        for key, source in shown.items():
            assert base64.b64decode(source.partition("base64,")[2]) == small_picture(key, tiny_dataset / key)
        page.keyboard.press("Escape")
        expect(pile).to_have_count(0)


def small_picture(key: str, path: Path) -> bytes:
    """What an album shows of a photograph."""
    (picture,) = small_pictures([key], [Pile("", "", [(name_of(key), "")])], lambda _: read_image(path))
    return picture.data


def address_of(garbage: CommandLine, artifact: str) -> str:
    """Where the last artifact of that key is."""
    api = garbage.environment["PREFECT_API_URL"]
    wanted = {"artifacts": {"key": {"any_": [artifact]}}, "sort": "CREATED_DESC", "limit": 1}
    (found,) = Api(api).post("/artifacts/filter", wanted)
    return f"{api.removesuffix('/api')}/artifacts/artifact/{found['id']}"


def look_at_the_run(page: Page, server: str, run: dict[str, str]) -> None:
    page.goto(f"{server}/runs/flow-run/{run['id']}")
    expect(page.get_by_text(run["name"]).first).to_be_visible()
    expect(page.get_by_text("Completed").first).to_be_visible()


def look_at_the_artifact(page: Page, address: str, word: str, text: str, pictures: int) -> None:
    page.goto(address)
    expect(page.get_by_text(word, exact=True).first).to_be_visible()
    expect(page.get_by_text(text).first).to_be_attached()
    if pictures:
        images = page.locator("img[src^='data:image']")
        expect(images.nth(pictures - 1)).to_be_attached()
        page.wait_for_function(f"() => ({DECODED})([...document.querySelectorAll(\"img[src^='data:image']\")])")
