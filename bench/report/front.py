"""Pareto fronts: rows that no other row beats in accuracy at the same or a lower price."""

from collections.abc import Sequence

from bench.record.columns import Row

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
    return [
        place
        for place, cost, value in points
        if not any(
            other_cost <= cost and other >= value and (other_cost, other) != (cost, value)
            for _, other_cost, other in points
        )
    ]
