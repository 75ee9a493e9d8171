"""Learning curves of a row: a metric over the steps, the mean over seeds and the band that the seeds span."""

from collections import defaultdict
from collections.abc import Sequence
from math import ceil, fsum
from typing import Any

from rlvr_bench.record.schema import StepRecord
from rlvr_bench.record.steps import column

POINTS = 24
"""At most so many points a curve: each is the mean over as many steps as that takes."""

METRICS = {
    "reward": "training reward",
    "accuracy": "accuracy on the training batch",
    "kl": "KL to the base, nats a token",
    "entropy": "token entropy, nats",
    "clip_ratio_low_mean": "tokens clipped at the low side, share",
    "clip_ratio_high_mean": "tokens clipped at the high side, share",
    "completions_mean_length": "completion length, tokens",
}

CLIPPED = ("clip_ratio_low_mean", "clip_ratio_high_mean")

COSTS = ("flops", "labels")
"""What training spends, step by step."""

STRATEGY = "strategy/"
"""Begins the names of the metrics that count how completions reason."""


CLIPPING = ("clip_ratio/", "fork/")
"""Begin the names of the metrics that say what was clipped."""


def is_drawn(metric: str) -> bool:
    """Whether the report shows a metric of a steps file: no other one is read for it."""
    return metric.replace("/", "_") in ("step", *METRICS, *COSTS) or metric.startswith((STRATEGY, *CLIPPING))


def curves(seeds: Sequence[Sequence[StepRecord]]) -> dict[str, dict[str, list[float]]]:
    """Return the curves of one row by metric.

    Args:
        seeds: the steps of each run.

    Returns:
        `step` (the last of each bin), `mean` over seeds, and from two seeds on `low` and `high`, the lowest and the
        highest seed of each bin. A metric that no step has is left out, accuracy where it is the reward itself, and a
        side at which nothing was clipped.
    """
    runs, width = [run for run in seeds if run], _width(seeds)
    found = {name: _curve([_binned(run, name, width) for run in runs], width) for name in METRICS}
    if found["accuracy"] == found["reward"]:
        del found["accuracy"]
    unclipped = [name for name in CLIPPED if not any(found[name].get("mean", ()))]
    for name in unclipped:
        del found[name]
    return {name: drawn for name, drawn in found.items() if drawn}


def curve(seeds: Sequence[Sequence[StepRecord]], metric: str) -> dict[str, list[Any]]:
    """Return the curve of one metric as `curves` does; empty where no step has it."""
    return _curve([_binned(run, metric, width) for run in seeds if run], width) if (width := _width(seeds)) else {}


def _width(seeds: Sequence[Sequence[StepRecord]]) -> int:
    """Return the steps of a bin, 0 without any step."""
    return ceil(max((number for run in seeds for number in column(run, "step")), default=0) / POINTS)


def _binned(run: Sequence[StepRecord], name: str, width: int) -> dict[int, float]:
    """Return the mean of a metric over each bin of steps that has it, by bin."""
    values: dict[int, list[float]] = defaultdict(list)
    metric = column(run, name)
    if metric.count(None) == len(metric):  # as for most metrics of most signals
        return {}
    for number, value in zip(column(run, "step"), metric, strict=True):
        if value is not None:
            values[(number - 1) // width].append(value)
    return {place: fsum(of_bin) / len(of_bin) for place, of_bin in values.items()}


def _curve(runs: Sequence[dict[int, float]], width: int) -> dict[str, list[Any]]:
    places = sorted({place for run in runs for place in run})
    if not places:
        return {}
    seeds = [[run[place] for run in runs if place in run] for place in places]
    ends: list[Any] = [(place + 1) * width for place in places]
    curve = {"step": ends, "mean": [short(fsum(values) / len(values)) for values in seeds]}
    if len(runs) > 1:
        curve |= {"low": [short(min(values)) for values in seeds], "high": [short(max(values)) for values in seeds]}
    return curve


def short(value: float) -> float:
    """Return a number with three significant digits: more than a picture shows."""
    return float(f"{value:.3g}")
