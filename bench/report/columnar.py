"""The page's rows and runs by column, as `columnar.js` reads them.

Values of one key that stand together deflate to some two thirds of what they take in an object each.
"""

from collections.abc import Mapping, Sequence
from typing import Any


def columnar(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document whose `rows` are columns, with the number of a row's runs, and beside them all `runs`."""
    rows = document["rows"]
    runs = [run for row in rows for run in row.get("runs", ())]
    counted = [row | {"runs": len(row["runs"])} if "runs" in row else row for row in rows]
    return {**document, "rows": _table(counted), "runs": _table(runs)}


def _table(objects: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"count": len(objects), "columns": _columns(objects)}


def _columns(objects: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    """Return by key one value an object, null where it lacks the key; objects under a key are columns themselves."""
    found: dict[str, Any] = {}
    for name in dict.fromkeys(name for each in objects if each for name in each):
        values = [each.get(name) if each else None for each in objects]
        found[name] = _columns(values) if all(v is None or isinstance(v, Mapping) for v in values) else values
    return found
