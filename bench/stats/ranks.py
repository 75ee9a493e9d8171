"""Ranks of methods over several bases, and how well two orders agree.

Ranks follow rliable (Agarwal et al. 2021, arXiv 2108.13264): within a base by mean score, then averaged over bases,
with runs resampled within each base. Drawn are n - 1 of n runs, and the problems that all methods of a base share, as
in `aggregate`. Bases are fixed: nothing is said about bases that were not run.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from rlvr_bench.stats.aggregate import resampled_scores
from rlvr_bench.stats.bootstrap import percentiles, resample_counts
from rlvr_bench.stats.estimate import Estimate
from rlvr_bench.stats.random_effects import Floats, cell_means


def mean_ranks(tables: Mapping[str, Mapping[str, Floats]]) -> dict[str, Estimate]:
    """Return each method's rank, 1 for the best, averaged over bases, with its 95 % percentile interval.

    Args:
        tables: by base and method the outcomes of its runs, shape (runs, problems); the same methods on all bases, the
            same problems for all methods of a base.
    """
    methods = list(next(iter(tables.values())))
    values, draws = [], []
    for base, of_method in tables.items():
        scores = np.array([cell_means(of_method[method]).mean() for method in methods])
        drawn = [resampled_scores([of_method[method]], base, f"{base}/{method}") for method in methods]
        values.append(_ranks(scores[None])[0])
        draws.append(_ranks(np.stack([each.mean(axis=(1, 2)) for each in drawn], axis=1)))
    value, resampled = np.mean(values, axis=0), np.mean(draws, axis=0)
    return {method: percentiles(float(value[at]), resampled[:, at]) for at, method in enumerate(methods)}


def _ranks(scores: Floats) -> Floats:
    """Return ranks along the last axis, the largest score first, of equal ones their mean rank."""
    above = scores[..., None, :] - scores[..., :, None]
    return np.asarray(0.5 + ((np.sign(above) + 1) / 2).sum(axis=-1))


def kendall(one: Sequence[float], other: Sequence[float], key: str) -> Estimate:
    """Return Kendall's tau-b (1945, Biometrika 33:239) between two orders with its bootstrap interval over the items.

    Args:
        one: scores of the items, at least two.
        other: scores of the same items; neither side constant.
        key: names the draws: the same key gives the same interval.

    Raises:
        ValueError: there are fewer than two items, or all of one side are equal.
    """
    signs = [np.sign(np.subtract.outer(side, side)) for side in (np.asarray(one), np.asarray(other))]
    if len(one) < 2 or not all(each.any() for each in signs):
        raise ValueError("a rank correlation needs two items or more that differ on both sides")
    draws = _tau(resample_counts(f"items/{key}", len(one)), *signs)
    return percentiles(float(_tau(np.ones((1, len(one))), *signs)[0]), draws[np.isfinite(draws)])


def _tau(counts: Floats, first: Floats, second: Floats) -> Floats:
    """Return tau-b of items that are there so many times, shape (draws,); nan where a side is constant."""
    agree, own, others = (
        np.einsum("di,ij,dj->d", counts, table, counts) for table in (first * second, first**2, second**2)
    )
    scale = np.sqrt(own * others)
    return np.asarray(np.divide(agree, scale, out=np.full(len(counts), np.nan), where=scale > 0))
