"""Text that Markdown shows as it is."""

from __future__ import annotations

import re

from markupsafe import Markup

# What CommonMark and GitHub's dialect take for markup; the last character of a match is the one to escape.
_MARKUP = (
    re.compile(r"[\\`*\[\]|~$@#]"),  # emphasis, code, links, tables, strike-through, formulas, mentions, headings
    re.compile(r"(?<![^\W_])_|_(?![^\W_])"),  # emphasis again, but not inside a word such as data_new
    re.compile(r":(?=\S)|www\.", re.IGNORECASE),  # addresses, emoji
    re.compile(r"^(?:[-+=]|\d+[.)](?=\s|$))"),  # at the start of a line: lists, rules, headings
)


def escape(text: object) -> Markup:
    """Return a text on one line that Markdown shows as it is, HTML in it included.

    Text that is `Markup` already is left alone: it is what a template has built.
    """
    if isinstance(text, Markup):
        return text
    line = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for pattern in _MARKUP:
        line = pattern.sub(_with_backslash, line)
    return Markup(line)  # noqa: S704  # this is the escaping


def _with_backslash(match: re.Match[str]) -> str:
    return f"{match[0][:-1]}\\{match[0][-1]}"
