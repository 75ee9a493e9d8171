"""The variance of a mean over seeds and problems, and what it allows to say about that mean.

Seeds and problems are crossed random factors, because every seed is scored on the same problems:
y[s, p] = mean + seed[s] + problem[p] + residual[s, p]. The mean squares of the two-way table estimate the variances
of the three (Searle, Casella & McCulloch 1992, *Variance Components*, ch. 4). Several samples per problem are averaged
first; what they scatter is part of the residual.

Three seeds say little about their own spread, so its uncertainty is carried along: intervals and p-values average over
the chi-square distribution of the seeds' mean square (a generalised interval: Weerahandi 1993, J. Am. Stat. Assoc.
88:899). With many problems and no difference between seeds that is the normal interval, with seeds that differ much it
is Student's t with the seeds' degrees of freedom, and in between it goes smoothly from one to the other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaincinv, stdtr

Floats = NDArray[np.float64]

# Quadrature over the quantiles of a chi-square distribution, dense where it is near 0: there p-values are made.
_QUANTILES = expit(np.linspace(-30.0, 12.0, 64))
_WEIGHTS = _QUANTILES * (1 - _QUANTILES) / (_QUANTILES * (1 - _QUANTILES)).sum()

_PRECISION, _MOST_STEPS = 1e-11, 60
"""Of an interval's end: the step, as a share of it, after which it is found, and the most steps to get there."""


@dataclass(frozen=True)
class MeanSquares:
    """Mean squares of one outcome table; `seeds` and `residual` are 0 if there is one seed.

    They estimate v_residual + problems * v_seed, v_residual + seeds * v_problem, and v_residual.
    """

    seeds: float
    problems: float
    residual: float
    seed_count: int
    problem_count: int

    @property
    def seed_df(self) -> int:
        """Degrees of freedom of the seeds' mean square."""
        return self.seed_count - 1

    def variance(self) -> "Variance":
        """Return the variance of the table's mean, in parts."""
        size = self.seed_count * self.problem_count
        return Variance(
            problems=np.float64(self.problems / size),
            problem_df=self.problem_count - 1,
            seeds=np.float64(self.seeds / size),
            residual=np.float64(self.residual / size),
            seed_df=np.float64(max(self.seed_df, 1)),
        )


@dataclass(frozen=True)
class Variance:
    """The variance of one or many estimates: problems + max(seeds - residual, 0). Arrays hold one entry per estimate.

    `problems` and `seeds` each hold the residual once, so it is taken off once. An estimate without seeds has
    `seeds = residual = 0` and any positive `seed_df`.
    """

    problems: NDArray[np.float64] | np.float64
    problem_df: int | NDArray[np.int64]
    seeds: NDArray[np.float64] | np.float64
    residual: NDArray[np.float64] | np.float64
    seed_df: NDArray[np.float64] | np.float64

    def total(self) -> Floats:
        """Return the estimated variance, same shape as its parts."""
        return np.asarray(self.problems + np.maximum(self.seeds - self.residual, 0.0))

    @classmethod
    def stacked(cls, parts: Sequence["Variance"]) -> "Variance":
        """Return the variances of single estimates as one of many: their intervals are found together."""
        return cls(
            problems=np.array([part.problems for part in parts]),
            problem_df=np.array([part.problem_df for part in parts], dtype=np.int64),
            seeds=np.array([part.seeds for part in parts]),
            residual=np.array([part.residual for part in parts]),
            seed_df=np.array([part.seed_df for part in parts]),
        )

    def of(self, place: int) -> "Variance":
        """Return the variance of one of many estimates on the same problems."""
        seeds, residual, seed_df = (np.asarray(part)[place] for part in (self.seeds, self.residual, self.seed_df))
        return Variance(np.asarray(self.problems)[place], self.problem_df, seeds, residual, seed_df)


def cell_means(outcomes: Floats) -> Floats:
    """Return accuracies of shape (seeds, problems) from outcomes of shape (seeds, problems[, samples]).

    Raises:
        ValueError: another shape, no seed, or fewer than two problems.
    """
    values = np.asarray(outcomes, dtype=np.float64)
    if values.ndim not in (2, 3) or values.shape[0] < 1 or values.shape[1] < 2 or values.size == 0:
        raise ValueError(
            f"outcomes have shape {values.shape}; they must be (seeds, problems) or (seeds, problems, samples) "
            "with two or more problems"
        )
    return values if values.ndim == 2 else values.mean(axis=2)


def mean_squares(accuracies: Floats) -> MeanSquares:
    """Return the mean squares of accuracies of shape (seeds, problems)."""
    seeds, problems = accuracies.shape
    mean = accuracies.mean()
    by_seed = problems * ((accuracies.mean(axis=1) - mean) ** 2).sum()
    by_problem = seeds * ((accuracies.mean(axis=0) - mean) ** 2).sum()
    if seeds == 1:
        return MeanSquares(0.0, float(by_problem / (problems - 1)), 0.0, 1, problems)
    rest = max(((accuracies - mean) ** 2).sum() - by_seed - by_problem, 0.0)
    return MeanSquares(
        seeds=float(by_seed / (seeds - 1)),
        problems=float(by_problem / (problems - 1)),
        residual=float(rest / ((seeds - 1) * (problems - 1))),
        seed_count=seeds,
        problem_count=problems,
    )


def pooled_df(one: Floats, one_df: Floats, other: Floats, other_df: Floats) -> Floats:
    """Return the degrees of freedom of the sum of two independent variances (Welch 1938; Satterthwaite 1946).

    Where one of them is 0 the other's degrees of freedom are returned, to the last bit; 1 where both are.
    """
    spread = one**2 / one_df + other**2 / other_df
    pooled = np.divide((one + other) ** 2, spread, out=np.ones_like(spread), where=spread > 0)
    return np.where(spread > 0, np.where(other == 0, one_df, np.where(one == 0, other_df, pooled)), pooled)


def problem_variance(by_problem: Floats, better: NDArray[np.int64], worse: NDArray[np.int64]) -> Floats:
    """Return the variance over problems of each pair's difference, shape (pairs,).

    Args:
        by_problem: accuracies, shape (methods, problems); `better`, `worse`: places of each pair's two methods.
    """
    problems = by_problem.shape[1]
    centred = by_problem - by_problem.mean(axis=1, keepdims=True)
    covariance = centred @ centred.T / (problems - 1)
    own = np.diag(covariance)
    variance: Floats = np.maximum(own[better] + own[worse] - 2 * covariance[better, worse], 0.0) / problems
    return variance


def p_value(deviation: Floats | float, variance: Variance) -> Floats:
    """Return the two-sided p-value of deviations from a hypothesis, same shape as the variance's parts."""
    return _tail(np.asarray(deviation, dtype=np.float64), _likely_totals(variance), variance.problem_df)


def half_width(variance: Variance, alpha: float) -> Floats:
    """Return the deviation whose p-value is `alpha`, in (0, 1): half the width of the 1 - alpha interval.

    Same shape as the variance's parts; 0 where there is no variance.
    """
    totals = _likely_totals(variance)
    low = np.zeros(totals.shape[:-1])
    high = 2 * np.sqrt(np.asarray(variance.problems + variance.seeds))
    while np.any(short := (high > 0) & (_tail(high, totals, variance.problem_df) > alpha)):
        high = np.where(short, 2 * high, high)
    level = _level(alpha)
    return _crossing(lambda deviation: level - _level(_tail(deviation, totals, variance.problem_df)), low, high)


def _level(p: Floats | float) -> Floats:
    """Return a scale of p-values on which the tail of a distribution that is near normal is near a straight line."""
    return np.asarray(np.sqrt(-np.log(np.maximum(p, np.finfo(np.float64).tiny))))


def _crossing(excess: Callable[[Floats], Floats], low: Floats, high: Floats) -> Floats:
    """Return where a falling function crosses 0, elementwise, between a `low` where it is above and a `high` below.

    False position in the Illinois form (Dowell & Jarratt 1971, BIT 11:168): the end that stays loses half of its
    weight, so that it moves, too.
    """
    above, below = excess(low), excess(high)
    place, moved = high, np.zeros(high.shape)
    sought = np.ones(high.shape, dtype=bool)
    for _ in range(_MOST_STEPS):
        slope = above - below
        share = np.divide(above, slope, out=np.full_like(slope, 0.5), where=slope > 0)
        # One that is found stays where it is: it must not depend on what else is looked for with it.
        before, place = place, np.where(sought, low + share * (high - low), place)
        sought = np.abs(place - before) > _PRECISION * high
        if not sought.any():
            break
        value = excess(place)
        right = value > 0
        above = np.where(right, value, np.where(moved < 0, above / 2, above))
        below = np.where(right, np.where(moved > 0, below / 2, below), value)
        low, high = np.where(right, place, low), np.where(right, high, place)
        moved = np.where(right, 1.0, -1.0)
    return place


def _likely_totals(variance: Variance) -> Floats:
    """Return the total variance at the quantiles of the seeds' mean square, shape (..., quantiles)."""
    problems, seeds, residual = (
        np.asarray(part)[..., None] for part in (variance.problems, variance.seeds, variance.residual)
    )
    df = np.asarray(variance.seed_df)
    # The quantiles take longer than all else here, and many estimates have the same degrees of freedom.
    distinct, places = np.unique(df, return_inverse=True)
    by_df = np.array([_scales(float(one)) for one in distinct]).reshape(len(distinct), len(_QUANTILES))
    scales = by_df[places.reshape(df.shape)]
    return np.asarray(problems + np.maximum(seeds * scales - residual, 0.0))


@lru_cache(maxsize=256)
def _scales(df: float) -> Floats:
    """Return degrees of freedom over the quantiles of their chi-square distribution; few values of df come again."""
    return np.asarray((df / 2) / gammaincinv(df / 2, _QUANTILES))


def _tail(deviation: Floats, totals: Floats, problem_df: int | NDArray[np.int64]) -> Floats:
    distance = np.abs(deviation)[..., None] + np.zeros(totals.shape)
    # An estimate without any spread: a deviation of 0 says nothing, any other one is certain.
    without_spread = np.where(distance > 0, np.inf, 0.0)
    scaled = np.divide(distance, np.sqrt(totals), out=without_spread, where=totals > 0)
    below = stdtr(np.asarray(problem_df)[..., None], -scaled)
    return np.asarray(np.minimum(2 * below @ _WEIGHTS, 1.0))
