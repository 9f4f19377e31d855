"""The files of the page: one page, whose model is behind a server or in the page itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parent

SERVED = ("server.js", "page.js")
"""Scripts of the page whose model is behind a server, in their order."""

ALONE = ("head.js", "session.js", "page.js", "zip.js", "teach.js")
"""Scripts of the page that has its model in itself, in their order; behind those that hold runtime and model."""

STYLE = "page.css"

DOCS = "docs.html"
"""Shows the description of a server's interfaces."""


def page(scripts: Sequence[str]) -> str:
    """Return the page, HTML, with scripts that lie beside it, in their order."""
    tags = "\n".join(f'<script src="{name}"></script>' for name in scripts)
    return (FOLDER / "page.html").read_text(encoding="utf-8").replace("<!-- scripts -->", tags)
