"""A sweep from a YAML file: trials, which are named settings, and the seeds that each of them runs with."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeGuard, cast, get_args

from pipeline_lib.errors import PipelineError, nearest, shortened
from pipeline_lib.settings.file import Entry, read_file
from pipeline_lib.settings.load import SettingError, checked, values_of
from pipeline_lib.settings.sections import Section, Settings

RankBy = Literal["clean", "noisy", "mean"]
"""By what trials are ranked: top-1 on clean views, on noisy ones, or the mean of both."""

MOST_RUNS = 200
"""Most trials times seeds."""

_FOLDER = Path(__file__).parent / "sweeps"
_NAME = re.compile(r"[a-z0-9][a-z0-9 _-]{0,39}")
_WAYS = ("grid", "random", "trials")
_WHOLE = ("about", "dataset", "seeds", "rank_by")
_SEED = 2**31


@dataclass(frozen=True)
class Trial:
    """Settings that are compared with others.

    Attributes:
        name: What it is called.
        changes: What it sets, by dotted name.
        settings: All settings of its runs but ``seed``.
    """

    name: str
    changes: Mapping[str, Any]
    settings: Settings

    def seeded(self, seed: int) -> Settings:
        """Return the settings of its run with a seed."""
        return self.settings.model_copy(update={"seed": seed})


@dataclass(frozen=True)
class Sweep:
    """Trials to compare.

    Attributes:
        name: Name of the file without its ending.
        about: What the file says of itself, in a sentence or two; may be empty.
        dataset: Name or path of the dataset; None if the file does not say.
        trials: At least two, all different.
        seeds: The values of the setting ``seed`` that each trial runs with; at least one, all different.
        rank_by: By what they are ranked.
    """

    name: str
    about: str
    dataset: str | None
    trials: tuple[Trial, ...]
    seeds: tuple[int, ...]
    rank_by: RankBy


def shipped() -> list[str]:
    """Return the names of the sweeps that come with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def read_sweep(named: str, common: Section) -> Sweep:
    """Return a sweep.

    Args:
        named: The name of one that comes with the package, or the path of a file.
        common: What all trials have in common: `Settings` or a section with more than these. What the file says of its
            ``base`` comes on top, then what it says of the trial.

    Raises:
        PipelineError: There is no such sweep, or it cannot be used; the sentence names the file and, where there is one, the
            line.
    """
    path = _path(named)
    return _File(path, read_file(path, "sweep")).sweep(common)


def _path(named: str) -> Path:
    if named in shipped():
        return _FOLDER / f"{named}.yaml"
    path = Path(named).expanduser()
    if not path.suffix and not path.exists():
        raise PipelineError(f"There is no sweep {named}; name a file, or one of {', '.join(shipped())}")
    return path


@dataclass(frozen=True)
class _File:
    """A file of a sweep: its values by dotted name, such as ``grid.train.epochs``."""

    path: Path
    entries: Mapping[str, Entry]

    def sweep(self, common: Section) -> Sweep:
        self._check_names()
        way, seeds = self._way(), self._seeds()
        changes = {"grid": self._grid, "random": self._drawn, "trials": self._named}[way]()
        if len(changes) < 2:
            raise self._refused(f"{way} makes fewer than two trials; there is nothing to compare", way)
        self._check_runs(len(changes), len(seeds), way)
        known = values_of(Settings())
        base = {name: value for name, value in values_of(common).items() if name in known} | self._section("base")
        trials = tuple(Trial(name, each, self._settings(name, base | each)) for name, each in changes.items())
        self._check_different(trials, way)
        about, dataset = (self.entries.get(name, Entry(None, 0)).value for name in ("about", "dataset"))
        about = " ".join(str(about or "").split())
        return Sweep(self.path.stem, about, dataset and str(dataset), trials, seeds, self._rank_by())

    def _check_names(self) -> None:
        sections = ("base", *_WAYS)
        for name, entry in self.entries.items():
            first, dot, _ = name.partition(".")
            if first not in (*sections, *_WHOLE) or (dot and first in _WHOLE):
                meant = nearest(first, (*sections, *_WHOLE))
                raise self._refused(f"a sweep has no {name}" + (f"; did you mean {meant}?" if meant else ""), name)
            if name in sections and entry.value:
                raise self._refused(f"{name} needs names with values, not {shortened(str(entry.value))}", name)
            if name.endswith(".seed") and name != "random.seed":
                raise self._refused("seed is the same for all trials; list seeds: [1, 2, 3] instead", name)

    def _check_runs(self, trials: int, seeds: int, way: str) -> None:
        if trials * seeds > MOST_RUNS:
            raise self._refused(
                f"{trials:,} trials with {seeds} seed{'s' * (seeds > 1)} are {trials * seeds:,} runs, more than {MOST_RUNS}; "
                "leave out values, or draw some at random",
                way,
            )

    def _way(self) -> str:
        """Return how the file lists its trials."""
        ways = [way for way in _WAYS if any(f"{name}.".startswith(f"{way}.") for name in self.entries)]
        if len(ways) != 1:
            raise self._refused(f"it has {' and '.join(ways) or 'no trials'}; a sweep has one of {', '.join(_WAYS)}", *ways[1:])
        return ways[0]

    def _section(self, name: str) -> dict[str, Any]:
        """Return what is in a section of the file, by dotted name."""
        return {each.partition(".")[2]: entry.value for each, entry in self.entries.items() if each.startswith(f"{name}.")}

    def _seeds(self) -> tuple[int, ...]:
        entry = self.entries.get("seeds", Entry([1], 0))
        seeds = entry.value if isinstance(entry.value, list) else [entry.value]
        whole = all(isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < _SEED for seed in seeds)
        if not seeds or not whole or len(set(seeds)) < len(seeds):
            raise self._refused("seeds must be different whole numbers from 0, such as [1, 2, 3]", "seeds")
        return tuple(seeds)

    def _rank_by(self) -> RankBy:
        chosen = self.entries.get("rank_by", Entry("clean", 0)).value
        if chosen not in get_args(RankBy):
            raise self._refused(f"rank_by is {shortened(str(chosen))}; choose {' or '.join(get_args(RankBy))}", "rank_by")
        return cast(RankBy, chosen)

    def _grid(self) -> dict[str, dict[str, Any]]:
        """Return every combination of the values that are listed."""
        listed = self._section("grid")
        for name, values in listed.items():
            if not isinstance(values, list) or not values:
                raise self._refused(f"grid: {name} needs a list of values, such as [a, b]", f"grid.{name}")
        self._check_runs(math.prod(map(len, listed.values())), 1, "grid")
        return _numbered([dict(zip(listed, values, strict=True)) for values in itertools.product(*listed.values())])

    def _drawn(self) -> dict[str, dict[str, Any]]:
        """Return as many random draws as are asked for, without those that come twice."""
        section = self._section("random")
        draws, seed = section.pop("draws", None), section.pop("seed", 1)
        if not isinstance(draws, int) or not 2 <= draws <= MOST_RUNS or not isinstance(seed, int):
            wanted = f"random needs draws, a whole number of 2 to {MOST_RUNS}, and may have a seed"
            raise self._refused(wanted, "random.draws", "random")
        ranges = dict(self._ranges(section))
        source = random.Random(seed)  # noqa: S311  # no secret
        drawn = [{name: _draw(source, values) for name, values in ranges.items()} for _ in range(draws)]
        return _numbered([each for number, each in enumerate(drawn) if each not in drawn[:number]])

    def _ranges(self, section: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[Any] | dict[str, Any]]]:
        """Yield each setting with the values to choose from, or with its range."""
        parts: dict[str, dict[str, Any]] = {}
        for name, value in section.items():
            setting, _, part = name.rpartition(".")
            if part in ("low", "high", "scale"):
                parts.setdefault(setting, {})[part] = value
            elif isinstance(value, list) and value:
                yield name, value
            else:
                raise self._refused(f"random: {name} needs a list of values, or low and high", f"random.{name}")
        for setting, limits in parts.items():
            if not _is_range(limits):
                where = next(name for name in self.entries if name.startswith(f"random.{setting}."))
                raise self._refused(
                    f"random: {setting} needs numbers low and high, low the smaller one; with scale log, low is above 0", where
                )
            yield setting, limits

    def _named(self) -> dict[str, dict[str, Any]]:
        trials: dict[str, dict[str, Any]] = {}
        known = values_of(Settings())
        for name, value in self._section("trials").items():
            trial, _, setting = name.partition(".")
            if (rest := setting.partition(".")[2]) in known:  # the name has a dot
                trial = name.removesuffix(f".{rest}")
            if not _NAME.fullmatch(trial):
                rule = "use at most 40 small letters, digits, spaces, - and _"
                raise self._refused(f"{shortened(trial)} cannot name a trial; {rule}", f"trials.{name}")
            here = trials.setdefault(trial, {})
            if setting:
                here[setting] = value
            elif value:
                example = f"{trial}: {{train.epochs: 50}}"
                raise self._refused(f"the trial {trial} needs settings, such as {example}", f"trials.{name}")
        return trials

    def _settings(self, trial: str, values: Mapping[str, Any]) -> Settings:
        try:
            return checked(values, Settings)
        except SettingError as error:
            where = [name for name in self.entries if name.endswith(f".{error.setting}") or f".{error.setting}." in name]
            own = [name for name in where if name.startswith(f"trials.{trial}.")]
            raise self._refused(f"{trial}: {error}", *own, *where) from None

    def _check_different(self, trials: Sequence[Trial], way: str) -> None:
        seen: dict[Settings, str] = {}
        for trial in trials:
            if (other := seen.setdefault(trial.settings, trial.name)) != trial.name:
                raise self._refused(f"the trials {other} and {trial.name} have the same settings", way)

    def _refused(self, what: str, *names: str) -> PipelineError:
        """Return the error, with the line of the first of the names that the file has, or of what begins with it."""
        lines = [entry.line for name in names for each, entry in self.entries.items() if f"{each}.".startswith(f"{name}.")]
        return PipelineError(f"The sweep {self.path} cannot be used: {f'line {lines[0]}: ' if lines else ''}{what}")


def _numbered(trials: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {f"trial {number}": trial for number, trial in enumerate(trials, start=1)}


def _is_range(limits: Mapping[str, Any]) -> bool:
    low, high, scale = limits.get("low"), limits.get("high"), limits.get("scale", "linear")
    if not (_is_number(low) and _is_number(high) and scale in ("linear", "log")):
        return False
    return bool(low < high and (scale == "linear" or low > 0))


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _draw(source: random.Random, values: Sequence[Any] | Mapping[str, Any]) -> Any:
    """Return one of the values, or a number within a range, with three digits; whole if both its ends are."""
    if not isinstance(values, Mapping):
        return source.choice(values)
    low, high = values["low"], values["high"]
    share = source.random()
    drawn = low * (high / low) ** share if values.get("scale") == "log" else low + (high - low) * share
    if isinstance(low, int) and isinstance(high, int):
        return round(drawn)
    return min(max(float(f"{drawn:.3g}"), low), high)
