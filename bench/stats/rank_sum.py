"""Whether one group of values lies above another, exactly: Wilcoxon's rank sum and the shift that belongs to it.

Hollander, Wolfe and Chicken 2014, "Nonparametric statistical methods", chapter 4. Every split of the values into groups
of these sizes is counted, ties included, so that groups of a few methods can be judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product
from math import comb
from statistics import median

import numpy as np

MOST_SPLITS = 100_000


@dataclass(frozen=True, slots=True)
class Shift:
    """How far one group lies above another: the median difference of a pair, and the shifts that are not refused."""

    estimate: float
    low: float | None
    high: float | None


def shift(one: Sequence[float], other: Sequence[float], confidence: float = 0.95) -> Shift:
    """Return by how much values of `one` are larger, with its exact interval; no interval where groups are too small.

    Raises:
        ValueError: a group is empty, or there are more than `MOST_SPLITS` ways to split the values.
    """
    differences = sorted({x - y for x, y in product(one, other)})
    estimate = median(x - y for x, y in product(one, other)) if differences else 0.0
    # The p-value is the same everywhere between two neighbouring differences.
    ends = [differences[0] - 1.0, *differences, differences[-1] + 1.0] if differences else [0.0, 0.0]
    kept = [
        (below, above)
        for below, above in pairwise(ends)
        if rank_sum_p(one, other, (below + above) / 2) > 1 - confidence
    ]
    if not kept or kept[0][0] == ends[0] or kept[-1][1] == ends[-1]:
        return Shift(estimate, None, None)
    return Shift(estimate, kept[0][0], kept[-1][1])


def rank_sum_p(one: Sequence[float], other: Sequence[float], hypothesis: float = 0.0) -> float:
    """Return the two-sided p-value of `one` lying above `other` by `hypothesis`, twice the smaller exact tail."""
    if not one or not other:
        raise ValueError("a group is empty; a rank sum compares two groups")
    count = len(one) + len(other)
    if comb(count, len(one)) > MOST_SPLITS:
        raise ValueError(f"groups of {len(one)} and {len(other)} have more than {MOST_SPLITS:,} splits; take fewer")
    values = np.array([*(value - hypothesis for value in one), *other])
    ranks = (values[:, None] > values).sum(axis=1) + (values[:, None] == values).sum(axis=1) / 2
    sums = np.array([ranks[list(split)].sum() for split in combinations(range(count), len(one))])
    observed = ranks[: len(one)].sum()
    tails = (sums >= observed - 1e-9).mean(), (sums <= observed + 1e-9).mean()
    return min(1.0, 2 * float(min(tails)))
