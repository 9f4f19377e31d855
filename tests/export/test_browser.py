"""The page with a model in it, opened from a disk in a real browser: it answers as the model does, learns, and hands on."""

from __future__ import annotations

import base64
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright
from waiting import PATIENCE

from pipeline_lib.data.chinese import chinese
from pipeline_lib.data.embedded import sample_pictures
from pipeline_lib.export.browser import Page as Exported
from pipeline_lib.export.browser import write_page
from pipeline_lib.export.examples import examples_of
from pipeline_lib.export.photographs import Photograph
from pipeline_lib.export.source import Source
from pipeline_lib.images.read import read_image
from pipeline_lib.prediction.predict import predict_files

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Pictures of the sample as cameras and people save them."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(3)
    pictures = list(sample_pictures(12))
    noisy = np.clip(np.asarray(pictures[0], np.float64) + rng.normal(0, 25, np.asarray(pictures[0]).shape), 0, 255)
    turned = Image.Exif()
    turned[0x0112] = 6
    pictures[0].save(folder / "plain.png")
    Image.fromarray(noisy.astype(np.uint8)).save(folder / "noisy.png")
    pictures[1].resize((150, 80)).save(folder / "wide.jpg", quality=92)
    pictures[2].resize((90, 140)).save(folder / "turned.jpg", exif=turned)
    pictures[3].convert("L").save(folder / "grey.png")
    faded = pictures[4].convert("RGBA")
    faded.putalpha(Image.linear_gradient("L").resize(faded.size))
    faded.save(folder / "faded.png")
    for number, picture in enumerate(pictures[5:]):
        picture.save(folder / f"{number}.webp", lossless=True)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def written(source: Source, photographs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, with examples whose labels are what the model says."""
    monkeypatch, folder = pytest.MonkeyPatch(), tmp_path_factory.mktemp("page")
    answered = predict_files(photographs, source.model, 1)
    train = [
        Photograph(str(path), row["class"], str(path), lambda path=path: read_image(path))  # type: ignore[misc]
        for path, row in zip(photographs, answered, strict=True)
    ]
    monkeypatch.setenv("GARBAGE_ARTIFACTS", str(folder / "artifacts"))
    write_page(folder / "page", source, train)
    monkeypatch.undo()
    return folder / "page"


@pytest.fixture(scope="module")
def browser_page(written: Path) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser.new_page(viewport={"width": 390, "height": 844}, locale="en-GB")
        browser.close()


@pytest.fixture
def tab(browser_page: Page, written: Path) -> Iterator[Page]:
    """The page, freshly opened from the disk; nothing may go wrong in it, and nothing may be asked for elsewhere."""
    wrong: list[str] = []
    browser_page.on("pageerror", lambda error: wrong.append(str(error)))
    browser_page.on(
        "request", lambda asked: wrong.append(asked.url) if not asked.url.startswith(("file:", "data:", "blob:")) else None
    )
    browser_page.goto((written / "index.html").as_uri())
    browser_page.evaluate("model.loaded")
    yield browser_page
    assert wrong == []


def probabilities(tab: Page, path: Path) -> list[float]:
    """What the page says of a photograph."""
    asked = [path.name, base64.b64encode(path.read_bytes()).decode()]
    said: list[float] = tab.evaluate(
        """async ([name, text]) => {
          const file = new File([await bytesOf(text)], name), row = await model.one(file);
          return [...model.head.probabilities(row.seen)];
        }""",
        asked,
    )
    return said


def show(tab: Page, *paths: Path) -> None:
    count = tab.locator("article").count()
    tab.set_input_files("#files", list(paths))
    expect(tab.locator("article")).to_have_count(count + len(paths), timeout=1000 * PATIENCE)


def test_the_page_answers_as_the_model_does(tab: Page, source: Source, photographs: list[Path]) -> None:
    for path in photographs:
        expected = source.model.answers([read_image(path)]).probabilities[0]
        assert np.abs(expected - probabilities(tab, path)).max() < 0.01, path.name


def test_what_was_chosen_is_shown_with_class_bin_and_bars(tab: Page, source: Source, photographs: list[Path]) -> None:
    (row,) = predict_files([photographs[0]], source.model, 5)
    show(tab, photographs[0])
    expect(tab.locator("article h2")).to_have_text(row["class"])
    expect(tab.locator("#kept")).to_contain_text("No photograph leaves it.")
    assert tab.locator("article tr").count() == 3
    tab.get_by_role("button", name="中文").click()
    expect(tab.locator("article h2")).to_have_text(chinese(row["class"]) or row["class"])
    expect(tab.get_by_role("button", name="下载所教内容")).to_be_disabled()
    tab.get_by_role("button", name="EN").click()
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_what_is_no_photograph_is_said_in_its_row(tab: Page, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    show(tab, tmp_path / "broken.jpg")
    expect(tab.locator("article")).to_contain_text("not an image that this browser reads")
    assert tab.locator("article select").count() == 0


def test_a_label_that_a_person_corrects_is_learned_and_can_be_forgotten(tab: Page, photographs: list[Path]) -> None:
    show(tab, photographs[0], photographs[1])
    card = tab.locator("article").first
    before = card.locator("h2").inner_text()
    other = next(name for name in ("Battery", "Cans", "something else") if name != before)
    card.locator("select").select_option(other)
    expect(card.locator("h2")).to_have_text(other)
    expect(tab.get_by_role("status")).to_contain_text("Learned from 1 photograph in")
    tab.get_by_role("button", name="Forget it").click()
    expect(card.locator("h2")).to_have_text(before)


def test_a_new_class_is_learned_and_the_patch_has_the_photographs_and_their_labels(
    tab: Page, photographs: list[Path], source: Source
) -> None:
    tab.set_input_files("#examples", photographs[:2])
    expect(tab.get_by_role("status")).to_have_text("Give the new class a name first.")
    tab.fill("#name", "battery")
    tab.set_input_files("#examples", photographs[:2])
    expect(tab.get_by_role("status")).to_contain_text("There is a class of this name")
    tab.fill("#name", "Teacup")
    tab.set_input_files("#examples", photographs[:3])
    expect(tab.get_by_role("status")).to_contain_text("Learned from 3 photographs", timeout=1000 * PATIENCE)
    assert tab.locator("article h2").all_inner_texts() == ["Teacup"] * 3
    with tab.expect_download() as waiting:
        tab.get_by_role("button", name="Download what was taught").click()
    with zipfile.ZipFile(io.BytesIO(waiting.value.path().read_bytes())) as patch:
        assert patch.testzip() is None
        about = json.loads(patch.read("labels.json"))
        assert (about["version"], about["model"], about["dataset"]) == (1, source.digest, "pictures")
        assert {each["sha256"] for each in about["photographs"]} == {
            sha256(path.read_bytes()).hexdigest() for path in photographs[:3]
        }
        for each in about["photographs"]:
            assert each["label"] == "Teacup"
            assert sha256(patch.read(each["file"])).hexdigest() == each["sha256"]


def test_the_page_learns_as_descent_on_the_whole_rows_does(tab: Page) -> None:
    """The page keeps a factor for each row; here the weight itself goes down the same gradient."""
    rng = np.random.default_rng(0)
    rows, width, classes = 30, 6, 4
    values, levels = rng.normal(2, 1.5, (rows, width)).astype(np.float32), np.where(rng.random(rows) < 0.5, 0, rng.random(rows))
    labels, weight, bias = (
        rng.integers(0, classes, rows),
        rng.normal(0, 1, (classes - 1, 2 * width + 1)),
        rng.normal(0, 1, classes - 1),
    )
    taught = tab.evaluate(
        """([values, levels, labels, weight, bias, width]) => {
          const rows = values.map((each, row) => ({values: each, level: levels[row], label: labels[row]}));
          const head = new Head(["a", "b", "c"], Float32Array.from(weight), Float32Array.from(bias), width, 1);
          const learned = head.learned(rows, ["a", "b", "c", "d"]);
          return rows.map(row => [...learned.logits(row)]);
        }""",
        [values.tolist(), levels.tolist(), labels.tolist(), weight.ravel().tolist(), bias.tolist(), width],
    )
    scaled, level = (values - values.mean(axis=0)) / values.std(axis=0), levels[:, None]
    taken = np.concatenate([scaled, scaled * level, level, np.ones((rows, 1))], axis=1)
    plain = np.concatenate([values, values * level, level], axis=1)
    first = np.concatenate([plain @ weight.T + bias, np.zeros((rows, 1))], axis=1)
    target = np.full((rows, classes), 0.1 / classes)
    target[np.arange(rows), labels] += 0.9
    change = before = np.zeros((classes, taken.shape[1]))
    momentum, rate = 1.0, 2 / np.linalg.eigvalsh(taken @ taken.T).max()
    for _ in range(50):
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = change + (momentum - 1) / following * (change - before)
        powers = np.exp(first + taken @ ahead.T)
        before, change, momentum = (
            change,
            ahead - rate * (powers / powers.sum(axis=1, keepdims=True) - target).T @ taken,
            following,
        )
    assert np.abs(first + taken @ change.T - taught).max() < 0.01


@pytest.mark.parametrize("changed", [{"hidden": 5}, {"noise_aware": False}, {"noise_aware": False, "hidden": 5}], ids=str)
def test_the_page_of_every_kind_of_head_has_the_whole_model(
    make_model: Callable[..., Source],
    written: Path,
    photographs: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, Any],
) -> None:
    source = make_model(**changed)
    monkeypatch.setenv("GARBAGE_ARTIFACTS", str(written.parent / "artifacts"))
    write_page(tmp_path / "page", source, ())
    page = Exported(tmp_path / "page")
    for path in photographs:
        image = read_image(path).resize(2 * (source.spec.image_size,))  # what scaling may differ by is for tests of the graph
        assert np.abs(page(image) - source.model.answers([image]).probabilities[0]).max() < 1e-4, path.name


def test_examples_are_of_every_class_and_of_as_many_sources_as_possible() -> None:
    train = [
        Photograph(f"{label}{number}", label, f"{label}{number // 4}", lambda: Image.new("RGB", (1, 1)))
        for label, count in (("a", 80), ("b", 6))
        for number in range(count)
    ]
    taken = examples_of(train)
    assert [each.label for each in taken] == ["a"] * 8 + ["b"] * 6
    assert len({each.source for each in taken if each.label == "a"}) == 8
    assert len({each.key for each in taken}) == 14
