"""When a result counts: the key of a stage, what it is made of, and why it differs from the one before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel

from pipeline_lib.stages.reach import reach
from pipeline_lib.stages.result import Record, Ref, json_digest
from pipeline_lib.stages.root import artifacts_root


@runtime_checkable
class Identified(Protocol):
    """Something outside the store that a stage reads, such as a folder of images: it counts by its fingerprint."""

    @property
    def fingerprint(self) -> str:
        """What identifies the content."""
        ...


@runtime_checkable
class WithReaders(Protocol):
    """Something whose kind chooses what reads it: it counts by its readers too, as if they were arguments of their own."""

    @property
    def readers(self) -> Sequence[Code]:
        """The code of this kind alone."""
        ...


@dataclass(frozen=True)
class Code:
    """Something of this project that a stage is given by its name instead of importing it, because a setting chooses it.

    The key of the stage covers its module and what that reaches, and nothing of what another choice would have reached.
    """

    module: str
    name: str

    def load(self) -> Any:
        """Import the module and return what has the name in it."""
        return getattr(import_module(self.module), self.name)


class Plan(Record):
    """A stage about to run: its name, its key, and what the key is made of.

    ``parts`` maps ``settings``, ``inputs``, ``code`` and ``libraries`` to named values; ``slot`` names the place in the
    flow (dataset and shard), so that a miss can be explained by what was there before.
    """

    stage: str
    slot: str
    key: str
    parts: dict[str, dict[str, Any]]


def plan(stage: str, slot: str, module: str, arguments: Mapping[str, Any]) -> Plan:
    """Return the plan of a stage called with ``arguments``.

    References, lists of them, and whatever else is ``Identified`` are inputs and count by content; ``Code``, also that of an
    input's readers, counts by what it reaches; all other arguments are settings and count by value. ``module`` is the module
    that holds the stage's function.
    """
    modules = [module]
    inputs: dict[str, str] = {}
    settings: dict[str, Any] = {}
    for name, value in arguments.items():
        modules += [code.module for code in _code(value)]
        if isinstance(value, Code):
            continue
        if (contents := _contents(value)) is not None:
            inputs[name] = json_digest(contents)
        else:
            settings |= _flatten(name, value)
    reached = [reach(each, artifacts_root() / "code") for each in modules]
    code = {file: digest for each in reached for file, digest in each.files.items()}
    libraries = {library: version for each in reached for library, version in each.libraries.items()}
    parts = {"settings": settings, "inputs": inputs, "code": code, "libraries": libraries}
    return Plan(stage=stage, slot=slot, key=json_digest([stage, parts])[:16], parts=parts)


def _code(value: Any) -> Sequence[Code]:
    """Return the code that an argument names."""
    if isinstance(value, Code):
        return [value]
    return value.readers if isinstance(value, WithReaders) else []


def _contents(value: Any) -> list[str] | None:
    """Return what identifies the content of an input; None for a setting."""
    if isinstance(value, Identified):
        return [value.fingerprint]
    refs = references(value)
    return [ref.digest for ref in refs] or None


def references(value: Any) -> list[Ref]:
    """Return the references that an argument is or lists."""
    return [item for item in (value if isinstance(value, list | tuple) else [value]) if isinstance(item, Ref)]


def _flatten(name: str, value: Any) -> dict[str, Any]:
    """Return dotted names for the fields of a settings section: ``train`` becomes ``train.epochs`` and so on."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, dict):
        return {dotted: item for key, field in value.items() for dotted, item in _flatten(f"{name}.{key}", field).items()}
    if isinstance(value, list | tuple):
        return {name: [item.model_dump(mode="json") if isinstance(item, BaseModel) else item for item in value]}
    return {name: value}


def differences(old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]) -> str:
    """Say in words what changed between the parts of two keys: at most three things, then how many more."""
    words = []
    for section, phrase in _PHRASES.items():
        before, after = old.get(section, {}), new.get(section, {})
        changed = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
        words += [phrase(name, before.get(name), after.get(name)) for name in changed]
    more = f"; and {len(words) - 3} more" if len(words) > 3 else ""
    return "; ".join(words[:3]) + more if words else "the previous result is gone"


_PHRASES: dict[str, Callable[[str, Any, Any], str]] = {
    "settings": lambda name, old, new: f"setting `{name}` {_shown(old)} -> {_shown(new)}",
    "inputs": lambda name, old, new: f"input `{name}` changed",
    "code": lambda name, old, new: f"code changed: `{name}`",
    "libraries": lambda name, old, new: f"library `{name}` {_shown(old)} -> {_shown(new)}",
}


def _shown(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else text[:37] + "..."
