"""Pareto fronts: rows that no other row beats in accuracy at the same or a lower price."""

from collections.abc import Sequence
from typing import Any

from rlvr_bench.leaderboard.columns import Row

PRICES = ("trainable_params", "peak_memory_mb", "tokens")


def fronts(rows: Sequence[Row]) -> dict[str, list[int]]:
    """Return, by price, the places of the rows of one comparison that are on its front.

    The untrained base has no price and is left out, and so is a row without a test accuracy. The front is one of
    point estimates: rows within noise of each other may change places.
    """
    return {price: _front(rows, price) for price in PRICES}


def _front(rows: Sequence[Row], price: str) -> list[int]:
    points = [
        (place, float(row[price]), float(row["accuracy"]))  # type: ignore[arg-type]
        for place, row in enumerate(rows)
        if row["status"] != "reference" and row[price] is not None and row["accuracy"] is not None
    ]
    return _unbeaten(points)


SHOWN = (
    "policy", "scorer", "aggregator", "n", "accuracy", "accuracy_lo", "accuracy_hi", "tokens", "tokens_share",
    "chosen_for_share",
)  # fmt: skip
ORACLE = "oracle"
"""The scorer that knows the answers: a bound, and no competitor."""


def frontier(points: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the points of a scorer frontier as they are shown; `front` marks those that no other one beats.

    Beaten is who is not more accurate for the tokens; the oracle takes no part.
    """
    shown: list[dict[str, Any]] = [
        {name: point.get(name) for name in SHOWN} for point in points if isinstance(point, dict)
    ]
    known = [point for point in shown if all(_is_number(point[name]) for name in ("tokens", "accuracy"))]
    raced = [
        (place, float(point["tokens"]), float(point["accuracy"]))
        for place, point in enumerate(known)
        if point["scorer"] != ORACLE
    ]
    best = set(_unbeaten(raced))
    return [point | {"front": place in best} for place, point in enumerate(known)]


def _unbeaten(points: Sequence[tuple[int, float, float]]) -> list[int]:
    """Return the places of the (place, price, value) points that no other one beats."""
    return [
        place
        for place, cost, value in points
        if not any(
            other_cost <= cost and other >= value and (other_cost, other) != (cost, value)
            for _, other_cost, other in points
        )
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
