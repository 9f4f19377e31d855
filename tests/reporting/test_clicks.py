"""What a reader finds behind the cells and sources of a report: a real browser opens the file, clicks, and looks."""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect, sync_playwright
from waiting import PATIENCE

from pipeline_lib.reporting.albums import Prediction, confusion_piles, small_pictures, source_piles
from pipeline_lib.reporting.blocks import Album, Page, Section
from pipeline_lib.reporting.pages.report import build_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

NAMES = ["Battery", "Cans <b>", "Paper & card"]
GROUND = "all => all.map(each => getComputedStyle(each).backgroundImage)"


def photograph(key: str) -> PillowImage.Image:
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest())
    return PillowImage.fromarray(np.random.default_rng(seed).integers(0, 255, (90, 90, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def albums() -> list[Album]:
    """A confusion matrix of nine photographs, and thirty sources of three photographs each."""
    said = [(0, 0), (0, 0), (0, 1), (0, 1), (0, 1), (1, 1), (1, 2), (2, 2), (2, 0)]
    judged = [Prediction(f"test/{NAMES[true]}/{n}.jpg", true, label, 1 - n / 10) for n, (true, label) in enumerate(said)]
    cells = confusion_piles(judged, NAMES)
    sources = {str(source): [f"train/Cans/{source:02}-{copy}.jpg" for copy in range(3)] for source in range(30)}
    sources["3"].append("test/Cans/03.jpg")
    sheets = source_piles(sources, ["3"])
    keys = [key for several in sources.values() for key in several]
    return [
        Album("confusion", cells, small_pictures([each.key for each in judged], cells, photograph), NAMES, title="Confusion"),
        Album("sheets", sheets, small_pictures(keys, sheets, photograph), first=5, title="Sources of several photographs"),
    ]


@pytest.fixture(scope="module")
def report(albums: list[Album], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report with both."""
    folder = tmp_path_factory.mktemp("report")
    build_report(folder, Page("Report", sections=[Section("all", "All", list(albums))]))
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Callable[[Path], Tab]]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        expect.set_options(timeout=1000 * PATIENCE)

        def opened(file: Path) -> Tab:
            tab = chromium.new_page(viewport={"width": 1280, "height": 1000}, offline=True)
            tab.set_default_timeout(1000 * PATIENCE)
            tab.goto(file.as_uri())
            return tab

        yield opened
        chromium.close()


def photographs_in_view(tab: Tab) -> dict[str, bytes]:
    """The photographs of the pile that is open: what they are said to be, and the bytes of what is painted."""
    pile = tab.locator(".pile:popover-open")
    expect(pile).to_have_count(1)
    shown = pile.get_by_role("img")
    labels = [each.get_attribute("aria-label") or "" for each in shown.all()]
    painted = [base64.b64decode(address.partition("base64,")[2].rstrip('")')) for address in shown.evaluate_all(GROUND)]
    return dict(zip(labels, painted, strict=True))


def pictures(album: Album, *keys: str) -> dict[str, bytes]:
    return {image.alt: image.data for image in album.images if image.alt in keys}


def test_a_click_on_a_cell_shows_the_photographs_in_it_and_escape_closes_them(
    browser: Callable[[Path], Tab], report: Path, albums: list[Album]
) -> None:
    tab = browser(report / "report.html")
    expect(tab.locator(".pile:popover-open")).to_have_count(0)
    tab.get_by_role("button", name="Battery taken for Cans <b>: 3 photographs").click()
    wanted = pictures(albums[0], *(f"test/Battery/{n}.jpg" for n in (2, 3, 4)))
    assert len(wanted) == 3
    assert photographs_in_view(tab) == wanted
    expect(tab.locator(".pile:popover-open small").first).to_have_text("80% sure")
    tab.keyboard.press("Escape")
    expect(tab.locator(".pile:popover-open")).to_have_count(0)

    tab.get_by_role("button", name="Paper & card taken for Battery: 1 photograph").click()
    assert list(photographs_in_view(tab)) == ["test/Paper & card/8.jpg"]
    tab.locator(".pile:popover-open").get_by_role("button", name="Close").click()
    expect(tab.locator(".pile:popover-open")).to_have_count(0)


def test_cells_are_opened_by_the_keyboard_alone(browser: Callable[[Path], Tab], report: Path) -> None:
    tab = browser(report / "report.html")
    tab.get_by_role("button", name="Battery, recognised: 2 photographs").focus()
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    assert list(photographs_in_view(tab)) == [f"test/Battery/{n}.jpg" for n in (2, 3, 4)]


def test_each_source_opens_and_a_page_beside_the_report_has_all(
    browser: Callable[[Path], Tab], report: Path, albums: list[Album]
) -> None:
    tab = browser(report / "report.html")
    expect(tab.locator(".covers button")).to_have_count(5)
    tab.locator(".covers button").first.click()
    leak = ["test/Cans/03.jpg", *(f"train/Cans/03-{copy}.jpg" for copy in range(3))]
    assert photographs_in_view(tab) == pictures(albums[1], *leak)
    assert list(photographs_in_view(tab)) == leak
    tab.keyboard.press("Escape")
    tab.get_by_role("link", name="sheets.html").click()
    expect(tab.locator(".covers button")).to_have_count(30)
    tab.locator(".covers button").last.click()
    assert list(photographs_in_view(tab)) == [f"train/Cans/29-{copy}.jpg" for copy in range(3)]


def test_on_paper_the_matrix_is_there_and_no_pile(browser: Callable[[Path], Tab], report: Path) -> None:
    tab = browser(report / "report.html")
    tab.emulate_media(media="print")
    expect(tab.locator(".matrix")).to_be_visible()
    expect(tab.locator(".pile").first).to_be_hidden()
    expect(tab.get_by_text("Paper & card", exact=True).first).to_be_visible()


def test_a_photograph_in_several_piles_is_in_the_file_once(report: Path, albums: list[Album]) -> None:
    html = (report / "report.html").read_text(encoding="utf-8")
    for image in albums[0].images:
        assert html.count(base64.b64encode(image.data).decode()) == 1
