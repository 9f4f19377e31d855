from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markupsafe import Markup

from pipeline_lib.reporting.pages.markdown import escape

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
# Printable text; CommonMark itself replaces or normalises a few control characters.
texts = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f\xa0\x85\xad"), max_size=40)
markup = st.text("\\`*_{}[]()#+-.!|<>~$&:;=@\"'ab1 \n\t", max_size=24)


@settings(deadline=None, max_examples=400)
@given(texts | markup)
def test_markdown_shows_an_escaped_text_as_it_is(text):
    line = " ".join(text.split())
    expected = f"<p>{line}</p>\n" if line else ""
    assert unescape(PARSER.render(escape(text))) == expected


@settings(deadline=None, max_examples=400)
@given(texts | markup)
def test_a_table_keeps_its_cells(text):
    html = PARSER.render(f"| a | b |\n| --- | --- |\n| {escape(text)} | end |\n")
    assert f"<td>{' '.join(text.split())}</td>\n<td>end</td>" in unescape(html)


@pytest.mark.parametrize("text", ["data_new/test", "Glass Bottle", "00084.jpg", "95.4% (90.4–97.9%)", "sure: 5 of 7"])
def test_plain_texts_stay_readable(text):
    assert escape(text) == text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [("https://a.b", r"https\://a.b"), ("www.a.b", r"www\.a.b"), (":smile:", r"\:smile:"), ("@team", r"\@team")],
)
def test_what_only_github_takes_for_markup_is_escaped_too(text, escaped):
    assert escape(text) == escaped


@pytest.mark.parametrize("text", ["<!-- gone", "<?php", "<b>bold</b>", "&lt;", "<https://a.b>"])
def test_html_is_shown_as_text(text):
    html = PARSER.render(escape(text))
    assert "<" not in html.removeprefix("<p>").removesuffix("</p>\n")


def test_what_is_markup_already_is_left_alone():
    assert escape(Markup("*x*")) == "*x*"
    assert escape(7.5) == "7.5"
