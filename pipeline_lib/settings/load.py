"""Settings from a YAML file and from ``name=value`` pairs, errors name the setting, its range and the nearest name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, overload

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pipeline_lib.errors import PipelineError, shortened
from pipeline_lib.settings.file import read_file, read_value
from pipeline_lib.settings.sections import Section, Settings

AnySettings = TypeVar("AnySettings", bound=Section)


PRESETS = ("quick", "best")
"""Names of the presets, files of settings that come with the package; the first one is the default."""

_PRESET_FOLDER = Path(__file__).parent / "presets"


class SettingError(PipelineError):
    """A setting is refused.

    Attributes:
        setting: Its dotted name, or that of its section; whatever the file or the person has written.
    """

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(message)
        self.setting = setting


@overload
def load_settings(config: Path | None = None, assignments: Sequence[str] = (), *, preset: str = PRESETS[0]) -> Settings: ...


@overload
def load_settings(
    config: Path | None, assignments: Sequence[str], model: type[AnySettings], preset: str = PRESETS[0]
) -> AnySettings: ...


def load_settings(
    config: Path | None = None,
    assignments: Sequence[str] = (),
    model: type[Section] = Settings,
    preset: str = PRESETS[0],
) -> Section:
    """Return a flow's settings: its defaults, changed by a preset, a YAML file, then pairs such as ``train.epochs=50``.

    Raises:
        PipelineError: The file cannot be read, sets a name twice, or a pair is malformed; a name does not exist, or a value is
            out of range; the preset is one of another flow.
    """
    fields = dict(setting_names(model))
    values = _preset(preset, fields) | (_read(config) if config else {})
    values |= dict(_pair(assignment, fields) for assignment in assignments)
    return checked(values, model)


def checked(values: Mapping[str, Any], model: type[AnySettings]) -> AnySettings:
    """Return settings that have these values by dotted name, and defaults else.

    Raises:
        SettingError: A name does not exist, or a value is out of range.
    """
    fields = dict(setting_names(model))
    for name in values:
        if name not in fields:
            raise SettingError(name, _unknown(name, fields))
    try:
        return model.model_validate(_nested(values))
    except ValidationError as error:
        raise _in_words(error, fields) from None


def setting_names(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield the dotted name and the field of every setting."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from setting_names(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def values_of(settings: Section) -> dict[str, Any]:
    """Return the value of every setting by dotted name."""
    return {name: attrgetter(name)(settings) for name, _ in setting_names(type(settings))}


def changed_settings(settings: Section) -> dict[str, Any]:
    """Return the settings that are not the default, by dotted name."""
    defaults = values_of(type(settings)())
    return {name: value for name, value in values_of(settings).items() if value != defaults[name]}


def _preset(name: str, fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
    values = _read(_PRESET_FOLDER / f"{name}.yaml")
    if foreign := next((each for each in values if each not in fields), None):
        raise PipelineError(f"The preset {name} sets {foreign}, which this flow does not have; leave out --preset")
    return values


def _read(path: Path) -> dict[str, Any]:
    """Return the values of a settings file by dotted name."""
    return {name: entry.value for name, entry in read_file(path, "settings file").items()}


def _pair(assignment: str, fields: Mapping[str, FieldInfo]) -> tuple[str, Any]:
    """Return the name and the value of ``name=value``; text stays text, everything else is read as YAML."""
    name, equals, text = (part.strip() for part in assignment.partition("="))
    if not (name and equals):
        raise PipelineError(f"--set {shortened(assignment)}: write NAME=VALUE, for example --set train.epochs=50")
    if name in fields and fields[name].annotation is str:
        return name, text
    try:
        return name, read_value(text)
    except ValueError:
        raise PipelineError(f"--set {name}={shortened(text)}: the value is not YAML") from None


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by section."""
    values: dict[str, Any] = {}
    for name, value in flat.items():
        *sections, last = name.split(".")
        here = values
        for section in sections:
            here = here.setdefault(section, {})
        here[last] = value
    return values


def _in_words(error: ValidationError, fields: Mapping[str, FieldInfo]) -> SettingError:
    """Return the first error as one sentence."""
    complaint = error.errors()[0]
    # The complaint about an item of a list ends with its position.
    name = ".".join(str(part) for part in complaint["loc"] if not isinstance(part, int))
    message = complaint["msg"].removeprefix("Value error, ")
    if name not in fields:
        return SettingError(name, f"{name}: {message}")
    field = fields[name]
    if isinstance(complaint["loc"][-1], int):
        field = FieldInfo.from_annotation(get_args(field.annotation)[0])
    return SettingError(name, f"{name}={_shown(complaint['input'])} is not allowed: {_allowed(field) or message}")


def _unknown(name: str, fields: Mapping[str, FieldInfo]) -> str:
    sections = {each.rpartition(".")[0] for each in fields} - {""}
    if name in sections:
        first = next(each for each in fields if each.startswith(f"{name}."))
        return f"{name} is a section of settings, not a value; write for example {first}=..."
    last = {each.rpartition(".")[2]: each for each in fields}
    nearest = [each for each in fields if each.endswith(f".{name}")] or get_close_matches(name, fields, n=1)
    nearest = nearest or [last[each] for each in get_close_matches(name.rpartition(".")[2], last, n=1)]
    advice = f"did you mean {' or '.join(nearest)}?" if nearest else "garbage settings lists them all"
    return f"There is no setting {name}; {advice}"


def _shown(value: Any) -> str:
    return shortened(value if isinstance(value, str) else repr(value))


def _allowed(field: FieldInfo) -> str:
    """Return what a field allows in words: its range, or its choices."""
    bounds = {}
    for constraint in field.metadata:
        for kind in ("ge", "gt", "le", "lt", "multiple_of"):
            if hasattr(constraint, kind):
                bounds[kind] = getattr(constraint, kind)
    words = [f"{_BOUNDS[kind]} {value:,}" for kind, value in bounds.items()]
    choices = getattr(field.annotation, "__args__", ()) if "Literal" in str(field.annotation) else ()
    if get_origin(field.annotation) is tuple and choices:
        names = get_args(choices[0])
        return f"write a list of {' or '.join(map(str, names))}, such as [{names[0]}]"
    if choices:
        return "choose " + " or ".join(map(str, choices))
    return f"a {_TYPES.get(field.annotation, 'value')} {' and '.join(words)}" if words else ""


_BOUNDS = {"ge": "of at least", "gt": "above", "le": "at most", "lt": "below", "multiple_of": "divisible by"}
_TYPES: dict[Any, str] = {int: "whole number", float: "number"}
