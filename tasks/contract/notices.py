"""What a run gives notice of: what became of its model, and what a person should look at among the photographs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pipeline_lib.data.changes import LEAKS
from pipeline_lib.evaluation.decided import DECISIONS
from pipeline_lib.stages.result import Ref, json_digest
from pipeline_lib.stages.run import Run

_MARKED = re.compile(r"(.+) \[([0-9a-f]{8})\]")


class Noticed(NamedTuple):
    """Something to give notice of: what, in words, and the id by which it is recognised when it is sent again."""

    text: str
    id: str

    @property
    def marked(self) -> str:
        """The words with the id, as the last message of a run has them."""
        return f"{self.text} [{self.id}]"


def notices_of_changes(run: Run, changes: Ref, decision: Ref, became: str) -> dict[str, Any]:
    """Return what a flow's result says of what has changed and of what a person should know; empty while planning.

    Args:
        run: The run.
        changes: The result of stage ``changes``.
        decision: The result of stage ``promote``.
        became: What became of the model, see `settle`.

    Returns:
        ``changes``, the summary of that stage, and ``notices``, a ``text`` and an ``id`` each.
    """
    if run.planning:
        return {}
    found = [(became, decision.digest)] if became.startswith(DECISIONS) else []
    found += _of_photographs(changes)
    notices = [Noticed(text.replace(";", ","), notice_id(run.slot, text, content)) for text, content in found]
    return {"changes": changes.manifest().summary, "notices": [notice._asdict() for notice in notices]}


def notices_in(message: str) -> list[Noticed]:
    """Return what the last message of a run gives notice of."""
    found = (_MARKED.fullmatch(part) for part in message.split("; "))
    return [Noticed(*match.groups()) for match in found if match]


def notice_id(*about: str) -> str:
    """Return the id of a notice: the same for the same thing, whenever it is noticed; 8 hexadecimal digits."""
    return json_digest(about)[:8]


def _of_photographs(changes: Ref) -> Iterator[tuple[str, str]]:
    """Yield what is to be looked at since the champion, each with what identifies its content."""
    summary: Mapping[str, Any] = changes.manifest().summary
    if not summary["compared"]:
        return
    if count := summary["new_leaks"]:
        what = "1 new leak: the source of a test photograph has" if count == 1 else f"{count:,} new leaks: sources of test have"
        yield f"{what} come into train", changes.manifest().digests[LEAKS]
    for name, before, after in summary["halved"]:
        yield f"{name} has {after:,} photographs of train, of {before:,} before", ""
