"""What readers rely on in the open tables of a record: keys that may be missing, but are of these types where they are.

Settings of cells and results of measurements belong to those who wrote them, and hold any other keys. A leaderboard, a
plan and a report take the few below as they are, so a record in which they are something else is refused on reading.
"""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, Strict, TypeAdapter
from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from rlvr_bench.record.behaviour import Behaviour

Count = Annotated[int, Strict(), Field(ge=1)]
Figure = Annotated[float, Strict()] | None

OPEN = ConfigDict(extra="allow")


class _Named(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]  # pydantic's own way to configure a TypedDict
    name: str


class _Base(_Named, total=False):
    label: str | None


class _Task(_Named, total=False):
    levels: list[int] | dict[str, list[int]] | None
    families: list[str] | None


class _Signal(TypedDict, total=False):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    match: str
    steps: Count
    budget: Figure
    prompts_per_batch: Count
    group_size: Count
    updates_per_batch: Count
    batch_size: Count


class _Method(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    type: str


class _Evaluate(TypedDict, total=False):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    extra_tasks: list[_Task]


class _Tuning(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    protocol: str
    trials: int
    sampler: str
    space: dict[str, Any]
    cells: Annotated[list[Annotated[list[str], Field(min_length=1)]], Field(min_length=1)]
    ranking: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class _Cell(TypedDict, total=False):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    base: _Base
    task: _Task
    signal: _Signal
    method: _Method
    evaluate: _Evaluate
    tuning: _Tuning | None


class _Attestation(TypedDict, total=False):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    trainable_parameters: Figure
    total_parameters: Figure
    problems: list[str]


class _Rollout(TypedDict):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    backend: str


class _Geometry(TypedDict, total=False):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    sparsity_bf16: Figure
    spectral_shift: Figure
    principal_angle_max_deg: Figure
    by_type: dict[str, dict[str, Any]]
    by_layer: dict[str, dict[str, Any]]


class _Thinking(TypedDict, total=False):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    majority: Figure
    full_vote: Figure
    tenth_tokens: Figure


class _Measurements(TypedDict, total=False):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    geometry: _Geometry
    behaviour: Behaviour
    thinking: _Thinking


class _OpenTables(TypedDict, total=False):
    __pydantic_config__ = OPEN  # type: ignore[misc]
    cell: _Cell
    attestation: _Attestation | None
    rollout: _Rollout | None
    measurements: _Measurements


OPEN_TABLES: TypeAdapter[_OpenTables] = TypeAdapter(_OpenTables)
"""Validates the open tables of a record."""
