"""What a row of the table of PEFT-backed methods says, and the config class that is made of it.

A row is data: names, papers, keys with their defaults and reasons, how the keys become fields of a PEFT config, and
which tensors that must make trainable. What few methods do beyond that while they train is in `training`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, create_model, model_validator

from rlvr_bench.methods.base.method import LINEAR_TARGETS, Shape, ends_with, target_weights
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.methods.peft.method import PEFT_PREFIX, PeftMethod
from rlvr_bench.methods.peft.sizes import MultipleOf, Size

Settings = Any
"""The keys of a method as attributes, those that were left out fitted to the base."""

Trainable = Callable[[Settings, Mapping[str, Shape]], dict[str, Shape]]
"""From settings and the base's parameter shapes to name and shape of every trainable tensor."""


@dataclass(frozen=True)
class Option:
    """A key that a user may set: its default, why it is that, its type and bounds, and what it must fit.

    With a `size`, a default of None is fitted to the base.
    """

    default: Any
    why: str
    kind: Any
    bounds: Mapping[str, Any] = field(default_factory=dict)
    size: Size | None = None


def whole(default: int | None, why: str, size: Size | None = None, multiple_of: int = 1) -> Option:
    """Return an option that takes a whole number of at least 1."""
    if multiple_of == 1:
        return Option(default, why, int if default else int | None, {"ge": 1}, size)
    return Option(default, why, int, {"ge": 1, "multiple_of": multiple_of}, MultipleOf(multiple_of))


def number(default: float, why: str, **bounds: float) -> Option:
    """Return an option that takes a number, above 0 unless `bounds` (pydantic's names) say otherwise."""
    return Option(default, why, float, bounds or {"gt": 0})


def flag(default: bool, why: str) -> Option:
    """Return an option that is on or off."""
    return Option(default, why, bool)


def choice(default: str, *others: str, why: str) -> Option:
    """Return an option that takes one of a few words."""
    kind: Any = Literal
    return Option(default, why, kind[(default, *others)])


@dataclass(frozen=True, kw_only=True, eq=False)
class PeftRow:
    """A row of the table.

    `fields` gives the PEFT config's fields from the settings, `trainable` the tensors that they make trainable (None:
    only the start checks can tell). `random` says whether the seed decides anything, `identity` whether the start is
    the base. `targets` are the default name endings where they are not the linear modules'; `touches` says what they
    name. `misfit` says in one sentence which keys do not go together on a number of targeted matrices (None: not known
    yet). `handle` and `end_checks` point at what a method does of its own while it trains, and at the proof of that.
    """

    name: str
    summary: str
    family: str
    peft_type: str
    source: str
    formula: str
    learning_rates: tuple[float, float]
    options: Mapping[str, Option]
    fields: Callable[[Settings], dict[str, Any]]
    trainable: Callable[[Settings, Mapping[str, Shape]], dict[str, Shape] | None]
    dials: tuple[str, ...] = ()
    examples: tuple[dict[str, Any], ...] = ()
    random: bool = True
    identity: bool = True
    mergeable: bool = True
    touches: Literal["linear modules", "norms", "nothing"] = "linear modules"
    targets: tuple[str, ...] = LINEAR_TARGETS
    closing: str | None = None
    why_slow: str = ""
    misfit: Callable[[Settings, int | None], str | None] = lambda keys, matrices: None
    handle: str = PeftMethod.handle
    end_checks: tuple[str, ...] = ()


class TabledPeft(PeftMethod):
    """A method made of a row of the table."""

    row: ClassVar[PeftRow]

    @model_validator(mode="after")
    def _keys_go_together(self) -> "TabledPeft":
        problem = self.row.misfit(SimpleNamespace(**self._given()), None) if self.resolved else None
        if problem:
            raise ValueError(problem)
        return self

    def adapter_type(self) -> str:
        return self.row.peft_type

    def adapter_fields(self) -> dict[str, Any]:
        return self._fields(SimpleNamespace(**self._given()))

    def fields_on(self, shapes: Mapping[str, Shape]) -> dict[str, Any]:
        return self._fields(self.settings(shapes))

    def settings(self, shapes: Mapping[str, Shape]) -> Settings:
        """Return the keys as attributes, fitted to a base with parameter `shapes`.

        Raises `MethodError` for a value that does not fit.
        """
        matrices = target_weights(shapes, self.targets)
        values = self._given()
        for name, option in self.row.options.items():
            if option.size is not None and matrices:
                values[name] = option.size.default(matrices) if values[name] is None else values[name]
                option.size.refuse(name, values[name], matrices)
        settings = SimpleNamespace(**values)
        if problem := self.row.misfit(settings, len(matrices)):
            raise MethodError(f"method {self.type!r}: {problem}")
        return settings

    def _given(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("targets", *self.row.options)}

    def _fields(self, settings: Settings) -> dict[str, Any]:
        targets = {} if self.row.touches == "nothing" else {"target_modules": list(self.targets)}
        return self.row.fields(settings) | targets

    @property
    def targets_are_linear(self) -> bool:
        return self.row.touches == "linear modules"

    @property
    def targets_are_norms(self) -> bool:
        return self.row.touches == "norms"

    def with_targets(self, endings: tuple[str, ...], closing: tuple[str, ...]) -> Self:
        moved = super().with_targets(endings, closing)
        if self.row.closing is None or self.row.closing in self.model_fields_set:
            return moved
        return moved.model_copy(update={self.row.closing: closing})

    @property
    def depends_on_seed(self) -> bool:
        return self.row.random

    @property
    def identity_at_start(self) -> bool:
        return self.row.identity

    @property
    def mergeable(self) -> bool:
        return self.row.mergeable

    def expected_trainable(self, shapes: Mapping[str, Shape]) -> dict[str, Shape | None] | None:
        shapes_by_name = self.row.trainable(self.settings(shapes), shapes)
        return None if shapes_by_name is None else dict(shapes_by_name)


def each(tensors: Callable[[Settings, int, int], dict[str, Shape]]) -> Trainable:
    """Return the `trainable` of a method that trains the same `tensors` (suffix -> shape) beside every target.

    `tensors` gets the settings and the matrix's out and in; ".default", PEFT's adapter name, is added where a suffix
    names no module of its own.
    """

    def trainable(settings: Settings, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
        return {
            f"{PEFT_PREFIX}{path}.{_named(suffix)}": shape
            for path, (out_features, in_features) in target_weights(shapes, settings.targets).items()
            for suffix, shape in tensors(settings, out_features, in_features).items()
        }

    return trainable


def _named(suffix: str) -> str:
    """Return `suffix` with PEFT's adapter name behind the first component, e.g. "lora_A.default.weight"."""
    head, _, tail = suffix.partition(".")
    return f"{head}.default.{tail}" if tail else f"{head}.default"


def norms(settings: Settings, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Return the copies of the targeted norms that layer-norm tuning trains in their place."""
    split = {name: name.rpartition(".") for name in shapes}
    return {
        f"{PEFT_PREFIX}{path}.ln_tuning_layers.default.{kind}": shapes[name]
        for name, (path, _, kind) in split.items()
        if ends_with(path, settings.targets)
    }


def first_target(settings: Settings, shapes: Mapping[str, Shape]) -> str:
    """Return PEFT's path of the first targeted matrix, where it shows the tensors that all of them share."""
    return PEFT_PREFIX + next(iter(target_weights(shapes, settings.targets)))


@cache
def row_class(row: PeftRow) -> type[TabledPeft]:
    """Return the config class of a row."""
    kind: Any = Literal
    keys: dict[str, Any] = {
        name: (option.kind, Field(default=option.default, description=option.why, **option.bounds))
        for name, option in row.options.items()
    }
    keys["type"] = (kind[row.name], row.name)
    if row.touches != "linear modules":
        why = {"norms": "Name endings of the norms that are trained.", "nothing": "Not used: no module is touched."}
        keys["targets"] = (tuple[str, ...], Field(default=row.targets, min_length=1, description=why[row.touches]))
    made = create_model(
        "".join(part.capitalize() for part in row.name.split("-")),
        __base__=TabledPeft,
        __doc__=row.summary,
        __module__=__name__,
        **keys,
    )
    made.row = row
    made.family, made.source, made.formula = row.family, row.source, row.formula
    made.learning_rates, made.dials, made.examples = row.learning_rates, row.dials, row.examples
    made.why_slow, made.handle = row.why_slow, row.handle
    made.end_checks = (*TabledPeft.end_checks, *row.end_checks)
    return made
