"""Which of several methods are significantly different, with the chance of any false claim held at about 5 %.

A pair differs significantly if its difference would be rare as the largest of all (studentized range), at variances
of its own two methods that borrow a little from the others'. Comparisons with a false claim among 600 simulated ones of
methods that are equal in truth, on 256 problems, in per cent (standard error 0.9), by the standard deviation of
accuracy over seeds:

| methods x seeds | 0 for all | 0.035 for all | log-normal around 0.035 | 0.15 for two, else 0.02 | 0.01 and 0.08 |
|---|---|---|---|---|---|
| 8 x 3 | 0.7 | 4.2 | 4.2 | 5.7 | 5.2 |
| 20 x 3 | 0.3 | 2.2 | 4.0 | 6.2 | 6.8 |
| 8 x 5 | 1.7 | 5.5 | 5.7 | 5.2 | 6.7 |
| 20 x 5 | 2.0 | 5.0 | 5.5 | 4.3 | 5.5 |

One variance for all methods (Tukey's own test), or one moved further towards the others' (Smyth 2004), finds smaller
differences but makes false claims in 10 to 30 % of comparisons whose methods scatter unequally, as trained ones do.
Pairing by seed gains nothing: in committed runs the seeds of two methods are uncorrelated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from rlvr_bench.stats.letters import letters
from rlvr_bench.stats.power import detectable_difference
from rlvr_bench.stats.random_effects import Floats, Variance, cell_means, mean_squares, p_value, pooled_df

ALPHA = 0.05
"""Chance that a comparison makes one false claim or more."""

BORROWED_DF = 1.0
"""Degrees of freedom that the other methods' spread over seeds adds to a method's own: as much as two seeds."""

LARGEST_SPREAD = 5.0
"""A variance is borrowed as at most so many times the typical one: one collapsed seed is no standard for the others."""


@dataclass(frozen=True)
class Comparison:
    """Methods scored on the same problems, the best mean first, and every pair of them.

    Attributes:
        names: n names.
        seeds: number of seeds of each, shape (n,).
        better, worse: places in `names` of each pair's two methods, shape (pairs,).
        gaps: mean of the better minus mean of the worse, shape (pairs,).
        variance: of the difference of each pair, shape (pairs,).
        p_values: two-sided, of each difference by itself, shape (pairs,).
        adjusted: of the largest of all differences, shape (pairs,): at most ALPHA where two differ significantly.
    """

    names: tuple[str, ...]
    seeds: NDArray[np.int64]
    better: NDArray[np.int64]
    worse: NDArray[np.int64]
    gaps: Floats
    variance: Variance
    p_values: Floats
    adjusted: Floats

    def letters(self) -> dict[str, str]:
        """Return tie groups: two methods share a letter exactly when they are not significantly different."""
        apart = {
            (self.names[i], self.names[j])
            for i, j, p in zip(self.better, self.worse, self.adjusted, strict=True)
            if p <= ALPHA
        }
        return letters(self.names, lambda better, worse: (better, worse) in apart)

    def pairs(self) -> list[tuple[int, int]]:
        """Return places in `names`: the better and the worse method of each pair."""
        return list(zip(self.better.tolist(), self.worse.tolist(), strict=True))

    def best(self, alpha: float = ALPHA) -> frozenset[str]:
        """Return the methods that may be the best: those that no other is told to be better than.

        The truly best is among them in 1 - alpha of comparisons (multiple comparisons with the best: Hsu 1984, Ann.
        Stat. 12:1136, by Bonferroni's bound). One-sided, against n - 1 rivals instead of all pairs: sharper than
        letters.
        """
        beaten = self.worse[self.p_values / 2 * (len(self.names) - 1) <= alpha]
        return frozenset(self.names) - {self.names[place] for place in beaten}

    def detectable(self) -> float | None:
        """Return the true difference at which a typical pair of methods differs significantly in 80 % of repetitions.

        Typical is the pair with the median variance among those with seeds on both sides. None without such a pair, or
        if it shows no variance (every outcome of both is the same).
        """
        seeded = np.flatnonzero(np.minimum(self.seeds[self.better], self.seeds[self.worse]) > 1)
        if not len(seeded):
            return None
        by_size = seeded[np.argsort(self.variance.total()[seeded], kind="stable")]
        typical = self.variance.of(int(by_size[len(by_size) // 2]))
        return float(detectable_difference(typical, ALPHA, len(self.names))) or None


def compare(outcomes: Mapping[str, Floats]) -> Comparison:
    """Compare methods on the same problems in pairs: problems paired, seeds independent.

    Args:
        outcomes: by name, shape (seeds, problems[, samples]); the same problems in the same order for all, any number
            of seeds. A model without seeds, such as an untrained base, has one row.

    Raises:
        ValueError: there is no method, or the numbers of problems differ.
    """
    if not outcomes:
        raise ValueError("there is no method to compare; give one or more")
    unsorted = {name: cell_means(table) for name, table in outcomes.items()}
    if len({table.shape[1] for table in unsorted.values()}) > 1:
        sizes = ", ".join(f"{name}: {table.shape[1]}" for name, table in unsorted.items())
        raise ValueError(f"methods scored on different numbers of problems ({sizes}) cannot be compared")
    names = tuple(sorted(unsorted, key=lambda name: (-unsorted[name].mean(), name)))
    tables = [unsorted[name] for name in names]
    means = np.array([table.mean() for table in tables])
    better, worse = np.triu_indices(len(names), 1)
    gaps, variance = means[better] - means[worse], _pair_variance(tables, better, worse)
    return Comparison(
        names=names,
        seeds=np.array([len(table) for table in tables], dtype=np.int64),
        better=better,
        worse=worse,
        gaps=gaps,
        variance=variance,
        p_values=p_value(gaps, variance),
        adjusted=p_value(gaps, variance, len(names)),
    )


def borrow_spread(mean_squares: Floats, df: Floats) -> tuple[Floats, Floats]:
    """Return each method's mean square over seeds and its degrees of freedom, informed by the other methods'.

    Three seeds alone cannot support a p-value small enough for many comparisons. A variance is therefore moved towards
    the mean of all, as if from a prior of a few degrees of freedom (Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3:3).
    The prior's weight is fixed, not estimated, because 20 variances with two degrees of freedom do not show how
    much they differ in truth; it vanishes for two methods, which have nobody to borrow from.

    Args:
        mean_squares: shape (methods,).
        df: degrees of freedom of each, shape (methods,), 1 or more.
    """
    if len(mean_squares) < 3:
        return mean_squares, df
    borrowed = BORROWED_DF * (1 - 2 / len(mean_squares))
    typical = np.median(mean_squares * df / chdtri(df, 0.5))
    shared = np.average(np.minimum(mean_squares, LARGEST_SPREAD * typical), weights=df)
    return (borrowed * shared + df * mean_squares) / (borrowed + df), borrowed + df


def _pair_variance(tables: Sequence[Floats], better: NDArray[np.int64], worse: NDArray[np.int64]) -> Variance:
    squares = [mean_squares(table) for table in tables]
    sizes = np.array([table.size for table in tables])
    seeded = np.array([square.seed_count > 1 for square in squares])
    seeds = np.array([square.seeds for square in squares])
    df = np.array([max(square.seed_df, 1) for square in squares], dtype=np.float64)
    seeds[seeded], df[seeded] = borrow_spread(seeds[seeded], df[seeded])
    seeds, residual = seeds / sizes, np.array([square.residual for square in squares]) / sizes
    spread = np.maximum(seeds, residual)
    return Variance(
        problems=_problem_variance(np.array([table.mean(axis=0) for table in tables]), better, worse),
        problem_df=tables[0].shape[1] - 1,
        seeds=seeds[better] + seeds[worse],
        residual=residual[better] + residual[worse],
        seed_df=pooled_df(spread[better], df[better], spread[worse], df[worse]),
    )


def _problem_variance(by_problem: Floats, better: NDArray[np.int64], worse: NDArray[np.int64]) -> Floats:
    """Return the variance over problems of each pair's difference, from accuracies of shape (methods, problems)."""
    problems = by_problem.shape[1]
    centred = by_problem - by_problem.mean(axis=1, keepdims=True)
    covariance = centred @ centred.T / (problems - 1)
    own = np.diag(covariance)
    variance: Floats = np.maximum(own[better] + own[worse] - 2 * covariance[better, worse], 0.0) / problems
    return variance
