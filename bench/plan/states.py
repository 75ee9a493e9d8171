"""What of an experiment is done, what is missing, what is stale and why, and what the rest will cost."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import ValidationError

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.plan.estimate import estimate
from rlvr_bench.plan.geometry_time import geometry_sentence
from rlvr_bench.record.environment import capture, changes
from rlvr_bench.record.machine_paths import last_name
from rlvr_bench.record.schema import Environment, RunRecord

State = Literal["done", "missing", "stale", "failed", "waiting"]
"""A waiting cell is one of a later stage: its settings are not known yet."""

MOST_CHANGES = 3
"""Changes of a stale cell that a line names."""


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """One cell and its state; `why` says what is stale or how it failed, `targets` what they are on another base."""

    cell: Cell
    state: State
    why: str = ""
    record: RunRecord | None = None
    targets: str = ""

    @property
    def brief(self) -> str:
        """Why, with at most `MOST_CHANGES` of what changed."""
        changed = self.why.split(", ")
        if self.state != "stale" or len(changed) <= MOST_CHANGES:
            return self.why
        return f"{', '.join(changed[:MOST_CHANGES])} and {len(changed) - MOST_CHANGES} more"

    @property
    def runs(self) -> bool:
        """Whether `run` would run it: a result that only differs in its environment is kept until asked otherwise."""
        return self.state in ("missing", "failed", "waiting") or (self.state == "stale" and self.record is None)


def plan(cells: Iterable[Cell], records: Sequence[RunRecord]) -> list[PlannedCell]:
    """Compare cells with the `records` of a results folder; returns one entry per cell in the given order."""
    by_place = {(one.comparison, one.keys.method_name, one.keys.seed, one.cell_id): one for one in records}
    recorded = [(cell, by_place.get((cell.comparison, cell.method_name, cell.seed, cell.id))) for cell in cells]
    by_name: dict[tuple[Any, ...], list[RunRecord]] = {}
    if any(record is None for _, record in recorded):
        for record in records:
            by_name.setdefault(_name(record), []).append(record)
    now = cache(capture)
    return [_state(cell, record, by_name, now) for cell, record in recorded]


def as_document(planned: Sequence[PlannedCell], workers: int, records: Sequence[RunRecord]) -> dict[str, Any]:
    """Return the plan as JSON-able data, with an estimate from past cells. A cell whose id is not known has none."""
    rows = [
        {
            "method": entry.cell.method_name,
            "seed": entry.cell.seed,
            "comparison": entry.cell.comparison,
            "learning_rate": None if entry.state == "waiting" else entry.cell.learning_rate,
            "cell_id": None if entry.state == "waiting" or entry.cell.absent else entry.cell.id,
            "state": entry.state,
            "why": entry.why,
            "targets": entry.targets or None,
        }
        for entry in planned
    ]
    waiting = [entry.cell for entry in planned if entry.runs]
    cost = estimate(waiting, records)
    cost_note = f": {sentence}" if waiting and (sentence := cost.sentence(workers)) else ""
    summary = f"{len(planned) - len(waiting)} of {len(planned)} cells are done, {len(waiting)} to run{cost_note}"
    if geometry := geometry_sentence(waiting):
        summary += f"; {geometry}"
    if any(entry.state == "waiting" for entry in planned):
        summary += "; what the settings of stage 2 cost is taken from the first trial's"
    return {
        "cells": rows,
        "to_run": len(waiting),
        "minutes": None if cost.seconds is None else cost.seconds / workers / 60,
        "tokens": cost.tokens,
        "rough_gpu_hours": cost.rough_gpu_hours or None,
        "rough_tokens": cost.rough_tokens or None,
        "summary": summary,
    }


def by_comparison(planned: Sequence[PlannedCell]) -> dict[str, list[dict[str, Any]]]:
    """Return by comparison a line per method, over all its rates: how many cells are in which state, and why."""
    return {
        comparison: [{"method": method} | _line(cells) for method, cells in methods.items()]
        for comparison, methods in _grouped(planned).items()
    }


def whole_comparisons(planned: Sequence[PlannedCell]) -> list[dict[str, Any]]:
    """Return a line per comparison, over all its methods."""
    return [
        {"comparison": comparison, "methods": len(methods)}
        | _line([cell for cells in methods.values() for cell in cells])
        for comparison, methods in _grouped(planned).items()
    ]


def _grouped(planned: Sequence[PlannedCell]) -> dict[str, dict[str, list[PlannedCell]]]:
    groups: dict[str, dict[str, list[PlannedCell]]] = {}
    for entry in planned:
        method = entry.cell.method_name.partition("@")[0]
        groups.setdefault(entry.cell.comparison, {}).setdefault(method, []).append(entry)
    return groups


def _line(entries: Sequence[PlannedCell]) -> dict[str, str]:
    return {
        "learning_rate": _counted([str(e.cell.learning_rate) for e in entries if e.state != "waiting"], "rates"),
        "seeds": in_runs({entry.cell.seed for entry in entries}),
        "state": ", ".join(f"{count} {state}" for state, count in Counter(e.state for e in entries).items()),
        "why": _counted([entry.brief for entry in entries if entry.why], "reasons, such as {}"),
        "targets": _counted([entry.targets for entry in entries if entry.targets], "lists, such as {}"),
    }


def in_runs(numbers: Iterable[int]) -> str:
    """Return whole numbers in order, three or more in a row by their ends: "0-4,7,100-105"."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)


def _counted(values: Sequence[str], noun: str) -> str:
    """Return what different values there are, of more than one how many; `noun` names them, {} is the first."""
    distinct = list(dict.fromkeys(values))
    return f"{len(distinct)} {noun.format(distinct[0])}" if len(distinct) > 1 else "".join(distinct)


def _state(
    cell: Cell,
    record: RunRecord | None,
    by_name: Mapping[tuple[Any, ...], list[RunRecord]],
    now: Callable[[], Environment],
) -> PlannedCell:
    if record is not None:
        if record.status == "failed":
            return PlannedCell(cell, "failed", record.cause.message if record.cause else "", record)
        moved = changes(record.environment, now())
        return PlannedCell(cell, "stale", ", ".join(moved), record) if moved else PlannedCell(cell, "done", "", record)
    if cell.absent:
        return PlannedCell(cell, "missing", f"not downloaded: {', '.join(cell.absent)}")
    if namesakes := by_name.get(_name_of(cell)):
        differences = _differences(_resolved(namesakes[-1].cell), cell.model_dump(mode="json"))
        return PlannedCell(cell, "stale", ", ".join(differences) or "the code that a result depends on changed")
    return PlannedCell(cell, "missing")


def _name(record: RunRecord) -> tuple[Any, ...]:
    """What a person would call the cell of a record: another one of that name may differ in settings."""
    keys = record.keys
    return (
        last_name(keys.base["name"]),
        keys.task["name"],
        keys.signal["type"],
        str(keys.reward),
        keys.method_name,
        keys.seed,
    )


def _name_of(cell: Cell) -> tuple[Any, ...]:
    return (
        last_name(cell.base.name),
        cell.task["name"],
        cell.signal.type,
        str(cell.reward),
        cell.method_name,
        cell.seed,
    )


def _resolved(cell: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a record with the defaults of keys that are newer than it, as far as they still parse."""
    try:
        return Cell.model_validate(cell).model_dump(mode="json")
    except ValidationError:
        return cell


def _differences(before: dict[str, Any], after: dict[str, Any], prefix: str = "") -> list[str]:
    differences = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            differences += _differences(old, new, f"{prefix}{key}.")
        elif old != new:
            differences.append(f"{prefix}{key} {_short(old)} -> {_short(new)}")
    return differences


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
