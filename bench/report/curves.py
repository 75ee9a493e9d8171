"""Learning curves of a row: a metric over the steps, the mean over seeds and the band that the seeds span."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import ceil, fsum
from typing import Any

from rlvr_bench.record.schema import StepRecord
from rlvr_bench.record.steps import column

Curves = dict[str, dict[str, list[Any]]]
Bins = dict[int, float]
"""The mean of a metric by bin of steps, bins in ascending order."""

POINTS = 20
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


def curves(seeds: Sequence[Sequence[StepRecord]]) -> Curves:
    """Return the curves of one row by metric.

    Args:
        seeds: the steps of each run.

    Returns:
        `step` (the last of each bin), `mean` over seeds, and from two seeds on `low` and `high`, the lowest and the
        highest seed of each bin. A metric that no step has is left out, accuracy where it is the reward itself, and a
        side at which nothing was clipped.
    """
    width = _width(seeds)
    return _drawn([_binned(run, METRICS, width) for run in seeds if run], width)


def curves_of_each(seeds: Sequence[Sequence[StepRecord]]) -> tuple[Curves, list[Curves]]:
    """Return what `curves` gives of several runs together, and of each alone; a run is put into bins once."""
    shared = _width(seeds)
    binned, alone = [], []
    for run in seeds:
        width = _width([run])
        own = _binned(run, METRICS, width) if run else {}
        alone.append(_drawn([own] if run else [], width))
        if run:
            binned.append(own if width == shared else _binned(run, METRICS, shared))
    return _drawn(binned, shared), alone


def curve(seeds: Sequence[Sequence[StepRecord]], metric: str) -> dict[str, list[Any]]:
    """Return the curve of one metric as `curves` does; empty where no step has it."""
    width = _width(seeds)
    return _curve([_binned(run, [metric], width)[metric] for run in seeds if run], width) if width else {}


def _drawn(runs: Sequence[Mapping[str, Bins]], width: int) -> Curves:
    found = {name: _curve([run[name] for run in runs], width) for name in METRICS}
    if found["accuracy"] == found["reward"]:
        del found["accuracy"]
    unclipped = [name for name in CLIPPED if not any(found[name].get("mean", ()))]
    for name in unclipped:
        del found[name]
    return {name: drawn for name, drawn in found.items() if drawn}


def _width(seeds: Sequence[Sequence[StepRecord]]) -> int:
    """Return the steps of a bin, 0 without any step."""
    return ceil(max((number for run in seeds for number in column(run, "step")), default=0) / POINTS)


def _binned(run: Sequence[StepRecord], names: Iterable[str], width: int) -> dict[str, Bins]:
    """Return by metric the mean over each bin of steps that has it, by bin in ascending order."""
    numbers = column(run, "step")
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    places = [(numbers[row] - 1) // width for row in order]
    # Each bin with its first row and the one after its last: the rows of a bin are next to each other once sorted.
    starts = [row for row, place in enumerate(places) if row == 0 or place != places[row - 1]]
    bins = [(places[start], start, stop) for start, stop in pairwise([*starts, len(places)])]
    in_order = order == list(range(len(order)))
    found: dict[str, Bins] = {}
    for name in names:
        metric = column(run, name)
        values = metric if in_order else [metric[row] for row in order]
        missing = values.count(None)
        if missing == len(values):  # as for most metrics of most signals
            found[name] = {}
        elif missing:
            present = {place: [v for v in values[start:stop] if v is not None] for place, start, stop in bins}
            found[name] = {place: fsum(own) / len(own) for place, own in present.items() if own}
        else:
            found[name] = {place: fsum(values[start:stop]) / (stop - start) for place, start, stop in bins}
    return found


def _curve(runs: Sequence[Bins], width: int) -> dict[str, list[Any]]:
    if len(runs) == 1:
        (run,) = runs
        ends: list[Any] = [(place + 1) * width for place in run]
        return {"step": ends, "mean": [short(value) for value in run.values()]} if run else {}
    places = sorted({place for run in runs for place in run})
    if not places:
        return {}
    seeds = [[run[place] for run in runs if place in run] for place in places]
    return {
        "step": [(place + 1) * width for place in places],
        "mean": [short(fsum(values) / len(values)) for values in seeds],
        "low": [short(min(values)) for values in seeds],
        "high": [short(max(values)) for values in seeds],
    }


def short(value: float) -> float:
    """Return a number with three significant digits: more than a picture shows."""
    return float(f"{value:.3g}")
