"""How wide the range of good learning rates is: a method that needs no exact rate is easier to use."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rlvr_bench.stats.bootstrap import percentiles, resample_counts
from rlvr_bench.stats.estimate import Estimate
from rlvr_bench.stats.random_effects import Floats, cell_means

WITHIN = 0.01
"""A rate is as good as the best if it is within one point of accuracy."""


@dataclass(frozen=True)
class Tolerance:
    """Learning-rate tolerance of one method.

    Attributes:
        width: decades (log10) of learning rates within a point of the best, with its 95 % interval.
        open_low, open_high: the lowest (highest) rate tried is among them: the width is at least this.
    """

    width: Estimate
    open_low: bool
    open_high: bool


def learning_rate_tolerance(rates: Sequence[float], outcomes: Sequence[Floats], key: str) -> Tolerance:
    """Return the width of the set of learning rates whose accuracy is within a point of the best tried rate's.

    Between tried rates accuracy is linear in log10 of the rate. The interval is a percentile bootstrap over problems,
    which all rates share, and over seeds where a rate has several (n - 1 of n are drawn, as in `aggregate`). With one
    seed a rate it says nothing of seeds. The best of several noisy accuracies is too high, so the width is rather too
    small than too large.

    Args:
        rates: distinct positive learning rates, two or more, in any order.
        outcomes: per rate, shape (seeds, problems[, samples]), the same problems for all.
        key: names method and problems; the same key gives the same draws.

    Raises:
        ValueError: fewer than two rates, equal rates, or other problems for one of them.
    """
    tables = [cell_means(table) for table in outcomes]
    _check(rates, tables)
    order = np.argsort(rates)
    decades = np.log10(np.asarray(rates, dtype=np.float64))[order]
    accuracies = np.array([table.mean() for table in tables])[order]
    draws = _resampled(tables, key)[:, order]
    good = accuracies >= accuracies.max() - WITHIN
    width = percentiles(float(good_width(decades, accuracies)), good_width(decades, draws))
    return Tolerance(width, bool(good[0]), bool(good[-1]))


def good_width(decades: Floats, accuracies: Floats) -> Floats:
    """Return the width of the set where the interpolated accuracy is within a point of its maximum, shape (...).

    Args:
        decades: log10 of the rates, ascending, shape (rates,).
        accuracies: shape (..., rates).
    """
    above = accuracies - (accuracies.max(axis=-1, keepdims=True) - WITHIN)
    left, right = above[..., :-1], above[..., 1:]
    # The part of a segment at or above 0: all of it, none of it, or from its higher end to where it crosses 0.
    highest, lowest = np.maximum(left, right), np.minimum(left, right)
    crossing = np.divide(highest, highest - lowest, out=np.ones_like(highest), where=highest > lowest)
    part = np.where(lowest >= 0, 1.0, np.where(highest < 0, 0.0, crossing))
    return np.asarray((part * np.diff(decades)).sum(axis=-1))


def _resampled(tables: Sequence[Floats], key: str) -> Floats:
    """Return accuracies with seeds and problems drawn anew, shape (resamples, rates)."""
    problems = tables[0].shape[1]
    counts = resample_counts(f"problems/{key}", problems)
    accuracies = []
    for place, table in enumerate(tables):
        drawn_seeds = max(len(table) - 1, 1)
        seeds = resample_counts(f"seeds/{key}/{place}", len(table), drawn=drawn_seeds)
        accuracies.append(((counts @ table.T) * seeds).sum(axis=1) / (problems * drawn_seeds))
    return np.stack(accuracies, axis=-1)


def _check(rates: Sequence[float], tables: Sequence[Floats]) -> None:
    if len(rates) < 2 or len(rates) != len(tables) or len(set(rates)) < len(rates) or min(rates) <= 0:
        raise ValueError(
            f"rates {list(rates)} with {len(tables)} tables: give two or more distinct rates above 0, a table each"
        )
    if len({table.shape[1] for table in tables}) > 1:
        raise ValueError(f"rates were scored on different numbers of problems ({[table.shape[1] for table in tables]})")
