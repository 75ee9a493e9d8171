"""Learning-rate sensitivity: the accuracy of one method at each of the rates that its comparison holds."""

from collections.abc import Sequence
from typing import Any

from rlvr_bench.leaderboard.columns import Row

TOLERANCE = ("lr_tolerance", "lr_tolerance_lo", "lr_tolerance_hi", "lr_open")


def sensitivity(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the methods of one comparison that were tried at two rates or more, with equal settings otherwise.

    Each is {method, split, points: [{lr, accuracy, accuracy_lo, accuracy_hi, row}]}, points by rate, and the columns
    of its tolerance where the leaderboard has them. Test accuracies where every rate has one, else validation.
    """
    found = [_curve(rows, method, places) for method, places in by_method(rows)]
    return [curve for curve in found if len({point["lr"] for point in curve["points"]}) > 1]


def by_method(rows: Sequence[Row]) -> list[tuple[str, list[int]]]:
    """Return the methods of one comparison, each with the places of its rows: one for each rate."""
    groups: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(rows):
        if row["lr"] is not None:
            stem = str(row["method"]).partition("@")[0]
            groups.setdefault((stem, str(row["method_config"])), []).append(place)
    return [(method, places) for (method, _), places in groups.items()]


def _curve(rows: Sequence[Row], method: str, places: Sequence[int]) -> dict[str, Any]:
    tested = all(rows[place]["accuracy"] is not None for place in places)
    name = "accuracy" if tested else "accuracy_validation"
    points = [
        {"lr": rows[place]["lr"], "accuracy": rows[place][name], "row": place}
        | ({end: rows[place][end] for end in ("accuracy_lo", "accuracy_hi")} if tested else {})
        for place in places
        if rows[place][name] is not None
    ]
    tolerance = {column: rows[places[0]].get(column) for column in TOLERANCE}
    points.sort(key=lambda point: float(point["lr"] or 0))
    return {"method": method, "split": "test" if tested else "validation", "points": points} | tolerance
