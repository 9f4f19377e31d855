import base64
import hashlib
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt
from PIL import Image

from pipeline_lib.evaluation.looks import Looks
from pipeline_lib.reporting.blocks import Cell, Page, Section, Shown, Table, facts, keep_shown, read_shown
from pipeline_lib.reporting.pages.report import artifact_of, build_report, report_page
from pipeline_lib.reporting.shown.evaluate import evaluation_blocks
from pipeline_lib.stages.store import Store

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title><b>bold</b>",
    "{{ 7 * 7 }}{% raw %}",
    "a|b|c",
    "[link](javascript:alert(1)) ![](x.png)",
    "**bold** _x_ `code` ~~gone~~ $a$",
    "# 1. - > &lt; &amp; \\",
    "https://example.org www.example.org",
    "多 ünï 🙂 \x07",
    "two\nlines\n\n# heading",
    "<!-- gone",
    "true class",
]


SECTIONS = ("dataset", "other", "train", "cross-validate", "evaluate", "settings", "run")
TOOK = {"seconds": 75.0, "images_per_second": None, "note": ""}


class Reader(HTMLParser):
    """Collects a page's tags with their attributes, and its text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def read(folder):
    return Reader((folder / "report.html").read_text(encoding="utf-8"))


def rendered_markdown(folder):
    text = (folder / "report.md").read_text(encoding="utf-8")
    return Reader(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))


@pytest.fixture(scope="module")
def content(full_report):
    return full_report(("Cans", "Hats", "Paper", "Broom"))


@pytest.fixture(scope="module")
def built(content, tmp_path_factory):
    """A report that holds every part: its folder and its summary."""
    folder = tmp_path_factory.mktemp("report")
    return folder, build_report(folder, content)


@pytest.fixture(scope="module")
def report(built):
    return built[0]


def digests(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()
    }


def test_shows_all_that_it_was_given(report):
    page = read(report)
    assert [attributes["id"] for attributes in page.all("section")] == list(SECTIONS)
    for text in (
        "5,000,000",
        "58.3",
        "1 min 15 s",
        "nested.Cans",
        "1, 2.5",
        "also in train",
        "data_new/test without leaks",
        "worth",
    ):
        assert text in page.text
    for picture in (
        "class-counts",
        "sheet",
        "loss",
        "accuracy",
        "learning-rate",
        "robustness",
        "confusion",
        "map",
        "mistakes-01",
    ):
        assert list((report / "figures").glob(f"{picture}.*"))


def test_once_images_leak_every_part_of_the_evaluation_comes_without_them_and_then_as_delivered(report):
    html = (report / "report.html").read_text(encoding="utf-8")
    titles = re.findall(r"<h3>([^<]+)</h3>", html[html.index('id="evaluate"') :])
    parts = ("Robustness", "Calibration", "Bins", "Classes", "Confusion matrix")
    assert [title for title in titles if title.startswith(parts)] == [
        f"{part}{which}" for part in parts for which in (" without leaks", " as delivered")
    ]
    for picture in ("robustness", "confusion", "reliability-before", "reliability-after"):
        kind, _, when = picture.partition("-")
        without = "-".join(filter(None, (kind, "without-leaks", when)))
        assert (report / f"figures/{without}.png").read_bytes() != (report / f"figures/{picture}.png").read_bytes()


def test_a_class_that_leaks_altogether_is_named_where_it_has_no_row(report):
    text = read(report).text
    assert "Without a test image that does not leak: Cans, Paper." in text


def test_opens_with_the_two_figures_and_the_sentence_before_anything_else(report, content):
    html, text = ((report / name).read_text(encoding="utf-8") for name in ("report.html", "report.md"))
    unseen, delivered = content.opening.cards
    for page in (html, text):
        places = [page.index(part) for part in (unseen.label, unseen.value, delivered.label, delivered.value)]
        places += [page.index(content.opening.sentence[:20]), page.index(content.cards[0].label)]
        assert places == sorted(places)


def test_the_html_file_needs_nothing_else(report):
    html, page = (report / "report.html").read_text(encoding="utf-8"), read(report)
    assert not re.search(r"https?:|url\(|@import", html)
    assert not page.all("script")
    assert all(attributes["href"].startswith(("#", "data:")) for tag in ("a", "link") for attributes in page.all(tag))
    assert {attributes["href"][1:] for attributes in page.all("a")} == set(SECTIONS)


def test_every_picture_decodes_and_says_what_it_shows(report):
    for attributes in read(report).all("img"):
        kind, data = re.fullmatch(r"data:image/(png|jpeg);base64,(.+)", attributes["src"]).groups()
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            picture.load()
            assert picture.format.lower() == kind
            assert picture.size == (int(attributes["width"]), int(attributes["height"]))
        assert attributes["alt"]


def test_the_markdown_file_finds_its_pictures_beside_it(report):
    pictures = rendered_markdown(report).all("img")
    assert len(pictures) == len(read(report).all("img")) > 10
    for attributes in pictures:
        with Image.open(report / attributes["src"]) as picture:
            picture.load()
    assert {attributes["src"] for attributes in pictures} == {f"figures/{path.name}" for path in (report / "figures").iterdir()}


def test_markup_in_a_name_is_shown_as_text(full_report, tmp_path):
    build_report(tmp_path / "harmless", full_report([f"c{number}" for number in range(len(HOSTILE))]))
    build_report(tmp_path / "hostile", full_report(HOSTILE))
    for reader in (read, rendered_markdown):
        expected, page = reader(tmp_path / "harmless"), reader(tmp_path / "hostile")
        # A path may be broken after its slashes, of which the hostile names have more.
        assert [tag for tag, _ in page.tags if tag != "wbr"] == [tag for tag, _ in expected.tags if tag != "wbr"]
        assert {key for _, attributes in page.tags for key in attributes} == {
            key for _, attributes in expected.tags for key in attributes
        }
        for name in HOSTILE:
            assert page.text.count(" ".join(name.split())) >= 10


@pytest.mark.parametrize("lost", ["dataset", "train", "settings", "run"])
def test_a_section_without_data_is_not_there(tmp_path, lost):
    stages = {stage: Shown(stage, blocks=facts({"a": 1}) if stage != lost else []) for stage in ("dataset", "train")}
    given = Shown("Settings", settings={"seed": 1} if lost != "settings" else {})
    page = report_page("x", {**stages, "given": given}, {}, {"python": "3"} if lost != "run" else {})
    build_report(tmp_path, page)
    page = read(tmp_path)
    anchors = {attributes["id"] for attributes in page.all("section")}
    assert anchors == {"dataset", "train", "settings", "run"} - {lost}
    assert {attributes["href"] for attributes in page.all("a")} == {f"#{anchor}" for anchor in anchors}


def test_a_title_alone_makes_a_report(tmp_path):
    summary = build_report(tmp_path, report_page("Bare", {}, {}, {}))
    assert read(tmp_path).all("section") == []
    assert (tmp_path / "report.md").read_text(encoding="utf-8").startswith("# Bare\n")
    assert summary["findings"] == []


@pytest.mark.parametrize(
    ("looks", "counted", "warned"),
    [
        (Looks(times=1, settings=1, models=1), "looked at once; 1 setting compared", ""),
        (Looks(times=1_200, settings=30, models=900), "looked at 1,200 times; 30 settings compared", ""),
        (
            Looks(times=7, settings=2, models=5, optimism=0.0234),
            "looked at 7 times; 2 settings compared",
            "the highest of 5 models on this test set",
        ),
    ],
)
def test_says_how_often_the_test_set_was_looked_at_and_warns_before_any_figure_that_was_the_best_of_many(
    tmp_path, looks, counted, warned
):
    build_report(tmp_path, report_page("x", {"evaluate": Shown("Evaluation", findings=["Found."])}, {}, {}, looks))
    page = read(tmp_path)
    assert f"Found. This test set has been {counted}." in page.text
    notices = [attributes for tag, attributes in page.tags if attributes.get("class") == "notice"]
    assert len(notices) == (1 if warned else 0)
    assert warned in page.text
    assert warned in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_details_are_folded_in_the_page_left_out_of_its_markdown_and_shown_in_the_artifact(tmp_path):
    shown = Shown("Shards", blocks=[*facts({"shards": 2}), Table(["shard"], [[Cell("train 1/2")]], "All", role="detail")])
    build_report(tmp_path, report_page("x", {"augment": shown}, {"augment": TOOK}, {}))
    html, text = ((tmp_path / name).read_text(encoding="utf-8") for name in ("report.html", "report.md"))
    assert re.search(r"<details>\s*<summary>All</summary>[^§]*train 1/2[^§]*</details>", html)
    assert "shards" in text
    assert "train 1/2" not in text
    assert "train 1/2" in artifact_of(shown, TOOK)


def test_what_is_stored_of_a_stage_is_what_it_shows(content, tmp_path):
    shown = Shown("x", "few words", blocks=[block for section in content.sections for block in section.blocks])
    keep_shown(tmp_path, shown, [])
    assert read_shown(tmp_path) == shown


def as_page(evaluation):
    metrics = json.loads((evaluation / "metrics.json").read_text(encoding="utf-8"))
    return Page("x", sections=[Section("evaluate", "Evaluation", evaluation_blocks(evaluation, metrics))])


def test_the_evaluation_shows_only_what_was_evaluated(write_evaluation, tmp_path):
    evaluation = write_evaluation(tmp_path / "evaluation", ("0", "1"), views=("clean",), noise=0.1, temperature=1.0)
    build_report(tmp_path, as_page(evaluation))
    text = read(tmp_path).text
    for absent in (
        "leak",
        "as delivered",
        "data_new",
        "Robustness",
        "Bins",
        "right bin",
        "mistake",
        "frame",
        "scaling",
        "temperature",
        "rows",
    ):
        assert absent not in text
    for present in ("Scores", "top-2", "Calibration", "Classes", "Confusion matrix", "Map of the outputs"):
        assert present in text


def test_an_evaluation_on_augmented_views_alone_makes_a_report(write_evaluation, tmp_path):
    evaluation = write_evaluation(tmp_path / "evaluation", ("0", "1"), views=("aug1", "aug2"))
    build_report(tmp_path, as_page(evaluation))
    assert "data_new/test" in read(tmp_path).text
    assert read(tmp_path).all("img") == []


def test_same_content_gives_the_same_bytes_in_any_thread(content, report, tmp_path):
    folders = [tmp_path / str(number) for number in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda folder: build_report(folder, content), folders))
    assert digests(folders[0]) == digests(folders[1]) == digests(report)


def test_no_path_of_this_machine_is_written(report):
    folder = str(Store().root).encode()
    assert all(folder not in path.read_bytes() for path in report.rglob("*") if path.is_file())


def test_says_how_large_it_is_and_what_it_found(built):
    folder, summary = built
    assert summary["bytes"] == (folder / summary["html"]).stat().st_size < 2_000_000
    assert (folder / summary["markdown"]).exists()
    assert summary["findings"][0].startswith("Expect ")
    assert all(sentence in read(folder).text for sentence in summary["findings"])


@pytest.mark.parametrize("unknown", [{"colour": 1}, {"blocks": [{"kind": "film"}]}])
def test_what_cannot_be_shown_is_refused(unknown):
    with pytest.raises(ValueError, match=r"colour|film"):
        Shown(title="x", **unknown)
