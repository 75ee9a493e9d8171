"""The space that a method is tuned in: its own learning-rate range, and what an experiment file says instead.

`[methods.NAME.search]` maps a key of the method, or `learning_rate`, to `{ low, high }` or to a list of choices. A
point of the unit cube becomes settings: its first coordinate the learning rate, the next ones the other dials in order.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import ValidationError, model_validator

from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.plugins.settings import Settings, explain
from rlvr_bench.stats.points import DIMENSIONS

LEARNING_RATE = "learning_rate"
LARGEST_RATE = 1e3
"""No method trains at a learning rate above it."""
DIGITS = 3
"""Significant digits of a number that a search tries: a rate that can be read, and named."""


class Range(Settings):
    """The numbers from `low` to `high`, evenly by their logarithm unless set otherwise."""

    low: float
    high: float
    log: bool = True
    whole: bool = False

    @model_validator(mode="after")
    def _is_one(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low = {self.low:g} is not below high = {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low = {self.low:g} has no logarithm; give one above 0, or log = false")
        return self

    def at(self, unit: float) -> float | int:
        """Return the value at `unit` of the way, 0..1."""
        value = self.low * (self.high / self.low) ** unit if self.log else self.low + unit * (self.high - self.low)
        return self.rounded(value)

    def beyond(self, end: Literal["low", "high"], outermost: float, parts: int, count: int) -> list[float]:
        """Return `count` rates beyond the outermost one tried, the next first, a `parts`-th of the range apart.

        Fewer where no rate lies so far out.
        """
        step = (self.high / self.low) ** (1 / parts) if self.log else (self.high - self.low) / parts
        sign = -1 if end == "low" else 1
        places = [sign * place for place in range(1, count + 1)]
        values = [outermost * step**place if self.log else outermost + place * step for place in places]
        return [float(f"{value:.{DIGITS}g}") for value in values if 0 < value <= LARGEST_RATE]

    def rounded(self, value: float) -> float | int:
        """Return the value that is tried for `value`: whole, or of a few digits."""
        return round(value) if self.whole else min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)


class Choices(Settings):
    """One of a few values."""

    choices: tuple[str | bool | int | float, ...]

    @model_validator(mode="after")
    def _are_several(self) -> "Choices":
        if len(self.choices) < 2 or len({str(choice) for choice in self.choices}) < len(self.choices):
            raise ValueError(f"choices {list(self.choices)}: give two or more that differ")
        return self

    def at(self, unit: float) -> Any:
        """Return the choice at `unit` of the way, 0..1."""
        return self.choices[min(int(unit * len(self.choices)), len(self.choices) - 1)]


Space = dict[str, Range | Choices]


def read_search(where: str, table: object) -> Space:
    """Return the dials of a `search` table; raises ExperimentError, with the place, for what is none."""
    if not isinstance(table, Mapping):
        raise ExperimentError(f"{where} = {table!r} is not a table; write key = {{ low, high }} or key = [choices]")
    return {str(key): _dial(f"{where}.{key}", value) for key, value in table.items()}


def space_of(name: str, entry: Mapping[str, Any]) -> Space | None:
    """Return the space of a method entry of an experiment, the learning rate first; None if all of it is given.

    Raises ExperimentError or MethodError: a dial is both searched and given, or there are too many.
    """
    if LEARNING_RATE in entry and "search" not in entry:
        return None
    dials = read_search(f"methods.{name}.search", entry.get("search", {}))
    fixed = sorted(dials.keys() & entry.keys())
    if fixed:
        raise ExperimentError(f"methods.{name}: {fixed[0]} is given and searched; take one of them out")
    if LEARNING_RATE not in entry and LEARNING_RATE not in dials:
        low, high = method_registry.method_class(str(entry.get("type", name))).learning_rates
        dials[LEARNING_RATE] = Range(low=low, high=high)
    if len(dials) > DIMENSIONS:
        raise ExperimentError(f"methods.{name}.search has {len(dials)} dials, at most {DIMENSIONS} are searched")
    return dict(sorted(dials.items(), key=lambda dial: dial[0] != LEARNING_RATE))


def settings_at(space: Space, point: Sequence[float]) -> dict[str, Any]:
    """Return the value of every dial of `space` at `point` (its first coordinates, each 0..1)."""
    return {key: dial.at(float(unit)) for (key, dial), unit in zip(space.items(), point, strict=False)}


def trial_entry(name: str, entry: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name and the method entry of one trial: `lora@0.001`, `lora@0.001,rank=8`."""
    keys = {"type": name} | {key: value for key, value in entry.items() if key != "search"} | dict(settings)
    rate = keys[LEARNING_RATE]
    fixed_settings = [f"{key}={value}" for key, value in settings.items() if key != LEARNING_RATE]
    text = ",".join([f"{rate:g}" if isinstance(rate, int | float) else str(rate), *fixed_settings])
    return f"{name}@{re.sub(r'[^A-Za-z0-9.,=+_-]', '-', text)}", keys


def _dial(where: str, value: object) -> Range | Choices:
    model = Choices if isinstance(value, list) else Range
    table = {"choices": value} if isinstance(value, list) else value
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise ExperimentError(explain(error, model, where)) from error
