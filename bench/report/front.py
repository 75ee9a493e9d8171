"""Which way a metric is better, and the frontier of trace scorers: points that no other one beats for as few tokens."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

LOWER_IS_BETTER = frozenset({
    "broken", "collapsed", "failed", "accuracy_sd", "trainable_params", "trainable_share", "kl", "tokens", "seconds",
    "peak_memory_mb", "truncated", "unparsed", "verifier_errors", "mean_length", "gradient_spikes", "flops", "labels",
    "steps", "rollouts", "principal_angle_max_deg", "spectral_shift", "lr", "lr_tried",
})  # fmt: skip
"""Columns of the leaderboard of which less is better, or costs less; of the others more is."""

SHOWN = (
    "policy", "scorer", "aggregator", "n", "accuracy", "accuracy_lo", "accuracy_hi", "tokens", "tokens_share",
    "chosen_for_share",
)  # fmt: skip
OF_PROBLEMS = ("seed", "train", "validation", "test")
"""Settings of a task that say which of its problems are asked, and how many."""

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


def on_paper(documents: Mapping[str, dict[str, Any]]) -> list[str]:
    """Return the names of the comparisons that are printed: of those of one model on one task the largest.

    Studies that differ in the seed and the numbers of their problems ask the same again. Largest is by test problems;
    of equals the last by name, which is that of the newest seed.
    """
    largest: dict[str, tuple[float, str]] = {}
    for name, document in documents.items():
        task = document.get("task")
        settings = task.items() if isinstance(task, dict) else ()
        asked = [document.get("base"), {key: value for key, value in settings if key not in OF_PROBLEMS}]
        same = json.dumps(asked, sort_keys=True, default=str)
        largest[same] = max(largest.get(same, (-1.0, "")), (_test_problems(document), name))
    return sorted(name for _, name in largest.values())


def _test_problems(document: Mapping[str, Any]) -> float:
    found: Any = document.get("traces")
    for key in ("test", "problems"):
        found = found.get(key) if isinstance(found, dict) else None
    return float(found) if _is_number(found) else 0.0


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
