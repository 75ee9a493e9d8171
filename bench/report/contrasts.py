"""Rows of different comparisons side by side: rewards on each base, signals, and transfer to other tasks.

Accuracies of such rows are not ranked together; their gains over their own base may be looked at together.
"""

import json
from collections.abc import Sequence
from typing import Any, Literal

from bench.record.columns import Row, Value
from bench.record.row import BASE_METHOD

Factor = Literal["reward", "signal"]
_SETTING = ("base", "task", "signal", "reward", "method", "steps", "method_config")


def contrast(rows: Sequence[Row], factor: Factor) -> list[dict[str, Any]]:
    """Return the rows that have a counterpart which differs in `factor` (and with it in comparison and rate) alone.

    Each is {base, task, signal, reward, method, row, gain, gain_lo, gain_hi, accuracy}; `row` is its place in `rows`.
    """
    groups: dict[tuple[Value, ...], list[int]] = {}
    for place, row in enumerate(rows):
        if row["method"] != BASE_METHOD and row["gain"] is not None:
            key = tuple(row[name] for name in _SETTING if name != factor)
            groups.setdefault(key, []).append(place)
    kept = [group for group in groups.values() if len({rows[place][factor] for place in group}) > 1]
    shown = ("base", "task", "signal", "reward", "method", "gain", "gain_lo", "gain_hi", "accuracy", "lr")
    return [{name: rows[place][name] for name in shown} | {"row": place} for group in kept for place in sorted(group)]


def transfer(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the scores of rows on tasks that they were not trained on.

    Returns:
        `tasks`, the scored tasks; `rows`, each with its setting, `own` gain, and `scores` by task ({accuracy, gain}).
    """
    found = []
    for place, row in enumerate(rows):
        if isinstance(row["transfer"], str):
            setting = {name: row[name] for name in ("base", "task", "signal", "reward", "method")}
            found.append(setting | {"row": place, "own": row["gain"], "scores": json.loads(row["transfer"])})
    return {"tasks": sorted({task for row in found for task in row["scores"]}), "rows": found}
