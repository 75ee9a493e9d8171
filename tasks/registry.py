"""Tasks by name: procedural families, data sets, a few of their own kind, and plug-ins by entry point.

A plug-in package offers a `TaskKind` under the entry-point group `rlvr_bench.tasks`; it is imported when it is asked
for. Imports no torch, and nothing that is slow.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr_bench.plugins.registry import Registry
from rlvr_bench.tasks.datasets.catalog import DATA_SETS
from rlvr_bench.tasks.datasets.data_task import DataSetSettings, JsonlSettings, data_set_task, jsonl_task
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.families import FAMILIES
from rlvr_bench.tasks.family_task import FamilySettings, MixtureSettings, family_task, mixture_task
from rlvr_bench.tasks.plain_arithmetic import PlainArithmeticSettings, plain_arithmetic_task
from rlvr_bench.tasks.random_calculation import LEVELS, RandomCalculationSettings, random_calculation_task
from rlvr_bench.tasks.settings import TaskSettings, validated
from rlvr_bench.tasks.task import Task


@dataclass(frozen=True, slots=True)
class TaskKind:
    """How a task is made: its settings, and what builds it from settings and the data folder (None: not given)."""

    description: str
    settings: type[TaskSettings]
    build: Callable[[Any, Path | None], Task]
    levels: tuple[int, ...] = ()


def create(settings: Mapping[str, Any], data_dir: Path | None = None) -> Task:
    """The task of `settings["name"]`; `data_dir` is where data sets are looked for.

    Raises TaskError for an unknown name, for settings that do not do, and where data can be checked without reading
    them; faults in data are raised when problems are first asked for.
    """
    name = settings.get("name")
    if not isinstance(name, str):
        raise TaskError(f"A task needs a name, but {name!r} was given; choose from {', '.join(names())}")
    kind = find(name)
    return kind.build(validated(kind.settings, settings, f"Task {name!r}"), data_dir)


def names() -> list[str]:
    """All names, families first, plug-ins last."""
    return TASKS.names()


def find(name: str) -> TaskKind:
    """The kind of a name; raises TaskError if it is unknown or its plug-in cannot be used."""
    return TASKS.find(name)


def available() -> tuple[dict[str, TaskKind], list[str]]:
    """The kinds that can be used, by name, and one sentence for each plug-in that cannot."""
    return TASKS.available()


def _built_in() -> dict[str, TaskKind]:
    families = {
        name: TaskKind(family.description, FamilySettings, lambda settings, _: family_task(settings), family.levels)
        for name, family in FAMILIES.items()
    }
    own = {
        "mixture": TaskKind("several families in turn", MixtureSettings, lambda settings, _: mixture_task(settings)),
        "plain-arithmetic": TaskKind(
            "one- and two-digit arithmetic asked in plain English, for chat models",
            PlainArithmeticSettings,
            lambda settings, _: plain_arithmetic_task(settings),
        ),
        "random-calculation": TaskKind(
            "nested expressions that no text can hold; level = operations",
            RandomCalculationSettings,
            lambda settings, _: random_calculation_task(settings),
            LEVELS,
        ),
    }
    sets = {name: TaskKind(row.description, DataSetSettings, data_set_task) for name, row in DATA_SETS.items()}
    jsonl = TaskKind(
        "any file of problems: JSONL, JSON, CSV, TSV, parquet", JsonlSettings, lambda settings, _: jsonl_task(settings)
    )
    return {**families, **own, **sets, "jsonl": jsonl}


def _refusal(item: object) -> str | None:
    return None if isinstance(item, TaskKind) else f"is a {type(item).__name__}; offer a TaskKind"


TASKS: Registry[TaskKind] = Registry("task", "rlvr_bench.tasks", _built_in(), TaskError, refusal=_refusal)
