"""Tasks over procedural families: one family under its own name, or a mixture of several.

Completions are read by "#### N" alone: these families have an answer format of their own, and a fallback to the last
number would pay for unfinished worked steps.
"""

import itertools
from collections.abc import Sequence
from typing import TypeVar

from pydantic import Field

from rlvr_bench.plugins.suggestion import did_you_mean
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.families import FAMILIES, Family
from rlvr_bench.tasks.problem import Problem, Split
from rlvr_bench.tasks.procedural import draw
from rlvr_bench.tasks.settings import TaskSettings
from rlvr_bench.tasks.task import StandardTask
from rlvr_bench.tasks.verifiers.exact import ExactVerifier

Item = TypeVar("Item")


class FamilySettings(TaskSettings):
    """One family. Every level gets the same number of problems."""

    levels: list[int] | None = Field(default=None, min_length=1, description="levels; the two highest if not given")
    train: int = Field(default=2048, ge=1, le=100_000, description="problems to train on")
    validation: int = Field(default=256, ge=1, le=100_000, description="problems to choose settings by")
    test: int = Field(default=512, ge=1, le=100_000, description="problems to report on")
    seed: int = Field(default=0, description="which problems are drawn")


class MixtureSettings(FamilySettings):
    """Several families in turn."""

    families: list[str] = Field(min_length=1, description="names of families")
    levels: list[int] | dict[str, list[int]] | None = Field(  # type: ignore[assignment]
        default=None, min_length=1, description="levels of all families, or a list for each family"
    )


def family_task(settings: FamilySettings) -> StandardTask:
    """The task of one family. Raises TaskError if a level is unknown or its space too small for the sizes."""
    return _task(settings, _cells(FAMILIES[settings.name], settings.levels))


def mixture_task(settings: MixtureSettings) -> StandardTask:
    """The task of several families; raises TaskError also if a family is unknown or named twice."""
    families = [_family(name) for name in _once(settings.families, "family")]
    levels = settings.levels
    if isinstance(levels, dict) and (unknown := set(levels) - set(settings.families)):
        raise TaskError(f"Task 'mixture': levels are given for {sorted(unknown)}, which is not among its families.")
    per_family = levels if isinstance(levels, dict) else dict.fromkeys(settings.families, levels)
    return _task(settings, [cell for family in families for cell in _cells(family, per_family.get(family.name))])


def _family(name: str) -> Family:
    if name not in FAMILIES:
        raise TaskError(f"Unknown family {name!r}{did_you_mean(name, FAMILIES)}")
    return FAMILIES[name]


def _cells(family: Family, levels: Sequence[int] | None) -> list[tuple[Family, int]]:
    selected = family.levels[-2:] if levels is None else _once(levels, f"level of {family.name!r}")
    if unknown := [level for level in selected if level not in family.levels]:
        available = ", ".join(map(str, family.levels))
        raise TaskError(f"Family {family.name!r} has no level {unknown[0]}: choose from {available}.")
    return [(family, level) for level in selected]


def _once(items: Sequence[Item], noun: str) -> Sequence[Item]:
    if doubles := [item for item in items if items.count(item) > 1]:
        raise TaskError(f"The {noun} {doubles[0]!r} is named twice: name it once.")
    return items


def _task(settings: FamilySettings, cells: list[tuple[Family, int]]) -> StandardTask:
    def source(split: Split) -> list[Problem]:
        return _draw_in_turn(cells, split, getattr(settings, split), settings.seed)

    return StandardTask(settings, source, ExactVerifier(order=("hash",)))


def _draw_in_turn(cells: list[tuple[Family, int]], split: Split, count: int, seed: int) -> list[Problem]:
    """`count` problems, one of each cell in turn, so that every prefix is balanced."""
    share, rest = divmod(count, len(cells))
    drawn = [draw(family, level, split, share + (place < rest), seed) for place, (family, level) in enumerate(cells)]
    rounds = itertools.zip_longest(*drawn)
    return [problem for turn in rounds for problem in turn if problem is not None]
