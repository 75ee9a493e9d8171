"""The gates of a row: what its runs say of the update's geometry, averaged over seeds.

A record's `geometry` holds figures of the whole model, of each matrix type (`by_type`) and of each matrix by layer and
type (`by_layer`), some with their ratio to the isotropic null. Whatever is there is shown; nothing is measured anew.
"""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from rlvr_bench.record.schema import RunRecord
from rlvr_bench.report.curves import short

GROUPED = "by_"
OVER_NULL = " over null"


def figures(records: Sequence[RunRecord]) -> dict[str, float]:
    """Return the figures of the whole model by name, means over the runs that have them."""
    return _means(_flat(table) for record in records if (table := _whole_model(record)))


def grouped(records: Sequence[RunRecord]) -> dict[str, dict[str, dict[str, float]]]:
    """Return tables of figures: by grouping (`by_type`, `by_layer`), then by figure, then by group.

    A layer's figure is the mean over its matrices.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    tables = [table for record in records if (table := record.measurement("geometry"))]
    for name in sorted({name for table in tables for name in table if name.startswith(GROUPED)}):
        groups = [table[name] for table in tables if isinstance(table.get(name), dict)]
        for group in dict.fromkeys(key for held in groups for key in held):
            means = _means(one for held in groups for one in _tables(held.get(group)))
            for figure, value in means.items():
                found.setdefault(name, {}).setdefault(figure, {})[group] = value
    return found


def _whole_model(record: RunRecord) -> dict[str, Any]:
    """Return what a run says of its update, and of how it came about over the steps."""
    return (record.measurement("geometry") or {}) | (record.measurement("trajectory") or {})


def _tables(group: Any) -> list[dict[str, float]]:
    """Return the figures of a group, or those of each of its matrices."""
    if not isinstance(group, dict):
        return []
    flat = _flat(group)
    return [flat] if flat else [_flat(matrix) for matrix in group.values() if isinstance(matrix, dict)]


def _flat(table: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of a table, and its ratios to the isotropic null under names that say so."""
    numbers = {name: float(value) for name, value in table.items() if _is_number(value)}
    null, lifts = table.get("null"), table.get("lift")
    isotropic = null.get("isotropic", {}) if isinstance(null, dict) else {}
    ratios: dict[str, Any] = {name: found.get("lift") for name, found in isotropic.items() if isinstance(found, dict)}
    ratios |= lifts if isinstance(lifts, dict) else {}
    return numbers | {f"{name}{OVER_NULL}": float(value) for name, value in ratios.items() if _is_number(value)}


def _means(tables: Iterable[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each figure over the tables that have it."""
    values: dict[str, list[float]] = {}
    for table in tables:
        for name, value in table.items():
            values.setdefault(name, []).append(value)
    return {name: short(fmean(found)) for name, found in sorted(values.items())}


def _is_number(value: Any) -> bool:
    return type(value) in (float, int)  # a bool is an int too, by isinstance
