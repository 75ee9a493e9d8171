"""The steps of one run by metric: most readers want a metric of all steps, and few want a step."""

from collections.abc import Mapping, Sequence
from typing import Any, overload

from rlvr_bench.record.schema import StepRecord

METRIC_NAMES = {name: field.serialization_alias or name for name, field in StepRecord.model_fields.items()}
"""The name of a metric in files by the attribute of a step; any other metric has its name for an attribute."""

DEFAULTS = {name: field.default for name, field in StepRecord.model_fields.items() if not field.is_required()}
"""What a step has for a metric that was not recorded, by attribute."""


class Steps(Sequence[StepRecord]):
    """Steps that were validated when they were stored; a `StepRecord` is built where one is asked for."""

    __slots__ = ("_columns", "_count")

    def __init__(self, columns: Mapping[str, Sequence[Any]], count: int) -> None:
        """`columns` holds `count` values by attribute, of metrics that some step has; None where a step has none."""
        self._columns, self._count = columns, count

    def column(self, attribute: str) -> Sequence[Any]:
        """Return a metric of each step as `column` does."""
        values = self._columns.get(attribute)
        return [DEFAULTS.get(attribute)] * self._count if values is None else values

    @property
    def attributes(self) -> list[str]:
        """The metrics that some step may have, by attribute; all others are at their defaults."""
        return list(self._columns)

    @property
    def extras(self) -> list[str]:
        """The metrics that are no attributes of every step."""
        return [name for name in self._columns if name not in METRIC_NAMES]

    def __len__(self) -> int:
        """Count the steps."""
        return self._count

    def __eq__(self, other: object) -> bool:
        """Whether another sequence has equal steps."""
        return isinstance(other, Sequence) and list(self) == list(other)

    @overload
    def __getitem__(self, place: int) -> StepRecord: ...

    @overload
    def __getitem__(self, place: slice) -> "Steps": ...

    def __getitem__(self, place: int | slice) -> "StepRecord | Steps":
        """Return one step, or several as `Steps`."""
        if isinstance(place, slice):
            return Steps(
                {name: values[place] for name, values in self._columns.items()}, len(range(self._count)[place])
            )
        row = {name: values[place] for name, values in self._columns.items()}
        extra = {name: value for name, value in row.items() if name not in METRIC_NAMES}
        fields = {name: value for name, value in row.items() if name in METRIC_NAMES}
        return _step(fields, {name: value for name, value in extra.items() if value is not None})


def column(steps: Sequence[StepRecord], attribute: str) -> Sequence[Any]:
    """Return a metric of each step, by its attribute; None, or its default, where a step does not have it."""
    if isinstance(steps, Steps):
        return steps.column(attribute)
    return [getattr(step, attribute, None) for step in steps]


def recorded(steps: Sequence[StepRecord], attribute: str) -> list[float]:
    """Return a metric of the steps that have it, by its attribute."""
    return [value for value in column(steps, attribute) if value is not None]


def attributes(steps: Sequence[StepRecord]) -> Sequence[str]:
    """Return the metrics that some step may have, by attribute."""
    return steps.attributes if isinstance(steps, Steps) else [*METRIC_NAMES, *extras(steps)]


def extras(steps: Sequence[StepRecord]) -> Sequence[str]:
    """Return the further metrics that some step has, in the order of their first appearance."""
    if isinstance(steps, Steps):
        return steps.extras
    return list(dict.fromkeys(name for step in steps for name in step.model_extra or ()))


def _step(values: dict[str, Any], extra: dict[str, Any]) -> StepRecord:
    """Return a step without validating its values again, which takes twenty times as long."""
    step = StepRecord.__new__(StepRecord)
    object.__setattr__(step, "__dict__", DEFAULTS | values)
    object.__setattr__(step, "__pydantic_fields_set__", set())
    object.__setattr__(step, "__pydantic_extra__", extra)
    object.__setattr__(step, "__pydantic_private__", None)
    return step
