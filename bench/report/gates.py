"""The gates of a row: what its runs say of the update's geometry, averaged over seeds.

A record's `geometry` holds figures of the whole model, and tables of figures by layer or matrix type under keys that
start with `by_`. Whatever is there is shown; nothing is computed anew.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from bench.record.schema import RunRecord
from bench.report.curves import short

GROUPED = "by_"


def figures(records: Sequence[RunRecord]) -> dict[str, float]:
    """Return the figures of the whole model by name, means over the runs that have them."""
    return _means([record.geometry for record in records if record.geometry])


def grouped(records: Sequence[RunRecord]) -> dict[str, dict[str, dict[str, float]]]:
    """Return tables of figures: by grouping (`by_type`, `by_layer`), then by figure, then by group."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    tables = [record.geometry for record in records if record.geometry]
    names = sorted({name for table in tables for name in table if name.startswith(GROUPED)})
    for name in names:
        groups = [table[name] for table in tables if isinstance(table.get(name), dict)]
        for group in dict.fromkeys(key for held in groups for key in held):
            means = _means([held[group] for held in groups if isinstance(held.get(group), dict)])
            for figure, value in means.items():
                found.setdefault(name, {}).setdefault(figure, {})[group] = value
    return found


def _means(tables: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the mean of each value that is a number, over the tables that have it."""
    names = dict.fromkeys(name for table in tables for name, value in table.items() if _is_number(value))
    return {
        name: short(fmean(table[name] for table in tables if _is_number(table.get(name)))) for name in sorted(names)
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
