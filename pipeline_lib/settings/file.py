"""The YAML of settings: one value, or a file of dotted or nested names. Ambiguous files are refused, with the lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from pipeline_lib.errors import PipelineError

MAX_DEPTH = 20
"""Maximum levels of nesting; settings have three."""


def read_value(text: str) -> Any:
    """Return the value that a YAML text holds; None for an empty one.

    Raises:
        ValueError: The text is not YAML, has aliases, or is nested deeper than ``MAX_DEPTH``.
    """
    with _loading(text) as loader:
        return loader.get_single_data()


class Entry(NamedTuple):
    """The value of a name in a file, and the line of the name, from 1."""

    value: Any
    line: int


def read_file(path: Path, what: str) -> dict[str, Entry]:
    """Return what a YAML file sets; see `read_entries`.

    Args:
        path: The file.
        what: What a message calls it, such as ``settings file``.

    Raises:
        PipelineError: The file cannot be read or used; the sentence names it and, where there is one, the line.
    """
    try:
        return read_entries(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PipelineError(f"The {what} {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise PipelineError(f"The {what} {path} is not YAML: it is not text in UTF-8") from None
    except ValueError as error:
        raise PipelineError(f"The {what} {path} cannot be used: {error}") from None


def read_entries(text: str) -> dict[str, Entry]:
    """Return the values of a YAML file with their lines, by dotted name, however the names are nested.

    Raises:
        ValueError: The text is not YAML (see ``read_value``), holds no names, or sets one twice. The message names the line.
    """
    entries: dict[str, Entry] = {}
    with _loading(text) as loader:
        for name, line, node in _entries(loader.get_single_node()):
            if name in entries:
                first = entries[name].line
                raise ValueError(f"it sets {name} twice, on line {first} and on line {line}; keep one of them")
            try:
                entries[name] = Entry(loader.construct_document(node), line)
            except ValueError:  # a date or number that does not exist, such as 2001-99-99
                raise ValueError(f"line {line}: the value of {name} cannot be read") from None
    return entries


def settings_text(values: Mapping[str, Any]) -> str:
    """Return the text of a file of settings, a line for each dotted name, in their order; ``read_file`` reads it."""
    return yaml.safe_dump(dict(values), sort_keys=True, allow_unicode=True) if values else ""


def _entries(node: yaml.Node | None, prefix: str = "") -> Iterator[tuple[str, int, yaml.Node]]:
    """Yield the dotted name, the line (from 1) and the value of every setting; an empty section is a value."""
    if node is None:
        return
    if not isinstance(node, yaml.MappingNode):
        raise ValueError("it must contain names and values, such as 'train: {epochs: 50}'")
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or not key.value:
            raise ValueError(f"line {line} sets a value without a name")
        if isinstance(value, yaml.MappingNode) and value.value:
            yield from _entries(value, f"{prefix}{key.value}.")
        else:
            yield f"{prefix}{key.value}", line, value


@contextmanager
def _loading(text: str) -> Iterator[_Loader]:
    """Yield a loader of a text; its errors become a ``ValueError`` of one line."""
    try:
        loader = _Loader(text)
        try:
            yield loader
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"it is not supported YAML: {where}{error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"it is not YAML: {' '.join(str(error).split())}") from None


class _Loader(yaml.SafeLoader):
    """Reads plain values. Aliases, with which a text can contain itself or grow without limit, are refused."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not followed, write the value out", problem_mark=mark)
        if self._depth == MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"nested more than {MAX_DEPTH} deep", problem_mark=mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1
