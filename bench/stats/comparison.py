"""Pairs of methods on the same problems: how far apart, with what variance, and how surprising if they were equal.

What is claimed of a pair, and when, is `looks`. A pair's p-value is that of Welch's t at variances of its own two
methods that borrow a little from the others'; problems are paired and seeds are not: in committed runs the seeds of two
methods are uncorrelated. Where the seeds of one method trail to one side, the t is moved back as their skewness asks,
never forth (Hall 1992, J. R. Stat. Soc. B 54:221; of two samples: Cressie & Whitford 1986, Biom. J. 28:131). Without
that, methods with opposite tails are told to differ in 14 to 22 % of comparisons that look four times, with it in 6 %.

Hall's expansion is one around t's of a few units. Far out its cubic takes up to three quarters of any t, so that five
seeds of 91 % with a tail to 73 % shared a letter with a base at 10 %. A t therefore loses at most what one of 8 loses
at the same skewness; and a pair is also judged by `bounded`, which knows only that accuracies lie in [0, 1]. Share of
20-row comparisons with a false claim at one of four looks (exponential seeds with opposite tails; beta(0.3, 0.3); one
spread), and of pairs that are found at five seeds of an exponential row against 19 (7) narrow ones:

| procedure                | opposite | both ends | one spread | 10 points, sd 2 | 30 points, sd 5 | 80 points, sd 10 |
|--------------------------|----------|-----------|------------|-----------------|-----------------|------------------|
| t alone                  | 21 %     | 11 %      | 2.1 %      | 79 (91) %       | 80 (94) %       | 90 (97) %        |
| Hall, unbounded (before) | 5.8 %    | 3.1 %     | 1.5 %      | 45 (53) %       | 65 (73) %       | 78 (88) %        |
| bounded at t = 4         | 10 %     | 5.5 %     | 1.6 %      | 70 (83) %       | 72 (87) %       | 85 (94) %        |
| bounded at t = 8 (now)   | 5.8 %    | 3.2 %     | 1.5 %      | 59 (70) %       | 68 (81) %       | 81 (92) %        |

Against an untrained base at 10 %, in a table of 20 rows, such a row at 91 % with a standard deviation of 10 points is
found in 79 % by the unbounded Hall, in 82 % by the bounded one, and in 93 % together with the test of bounded means.

One variance for all methods (Tukey's own test), or one moved further towards the others' (Smyth 2004), finds smaller
differences but makes false claims in 10 to 30 % of comparisons whose methods scatter unequally, as trained ones do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from rlvr_bench.stats.bounded import bounded_p_value
from rlvr_bench.stats.power import detectable_difference
from rlvr_bench.stats.random_effects import (
    Floats,
    Variance,
    cell_means,
    mean_squares,
    p_value,
    pooled_df,
    problem_variance,
)

BORROWED_DF = 1.0
"""Degrees of freedom that the other methods' spread over seeds adds to a method's own: as much as two seeds."""

LARGEST_CORRECTED_T = 8.0
"""A t beyond loses what this one does by skewness: further out the expansion behind it says nothing."""

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
        tails: third cumulant of each difference over seeds, shape (pairs,); 0 without skewness.
        by_seed: accuracy of each seed of each method, n arrays of shape (seeds,).
    """

    names: tuple[str, ...]
    seeds: NDArray[np.int64]
    better: NDArray[np.int64]
    worse: NDArray[np.int64]
    gaps: Floats
    variance: Variance
    tails: Floats
    by_seed: tuple[Floats, ...]

    @cached_property
    def p_values(self) -> Floats:
        """Two-sided, of each difference by itself, shape (pairs,): the smaller one of t's and of `bounded`'s."""
        by_t = p_value(without_skewness(self.gaps, self.tails, self.variance.total()), self.variance)
        pairs = zip(self.better, self.worse, np.asarray(self.variance.problems), strict=True)
        bounded = [bounded_p_value(self.by_seed[one], self.by_seed[other], problems) for one, other, problems in pairs]
        return np.asarray(np.minimum(by_t, np.array(bounded)))

    def pairs(self) -> list[tuple[int, int]]:
        """Return places in `names`: the better and the worse method of each pair."""
        return list(zip(self.better.tolist(), self.worse.tolist(), strict=True))

    def equivalence(self, margin: float) -> Floats:
        """Return the p-value of each pair for a difference of `margin` or more, shape (pairs,).

        The larger one of two one-sided tests (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15:657).
        """
        above = _one_sided(margin + self.gaps, self.tails, self.variance)
        below = _one_sided(margin - self.gaps, -self.tails, self.variance)
        return np.maximum(above, below)

    def best(self, alpha: float) -> frozenset[str]:
        """Return the methods that may be the best: those that no other is told to be better than.

        The truly best is among them in 1 - alpha of comparisons (multiple comparisons with the best: Hsu 1984, Ann.
        Stat. 12:1136, by Bonferroni's bound). One-sided, against n - 1 rivals instead of all pairs: sharper than
        letters.
        """
        beaten = self.worse[self.p_values / 2 * (len(self.names) - 1) <= alpha]
        return frozenset(self.names) - {self.names[place] for place in beaten}

    def detectable(self, alpha: float) -> float | None:
        """Return the true difference at which a typical pair is significant at level `alpha` in 80 % of repetitions.

        Typical is the pair with the median variance among those with seeds on both sides. None without such a pair, or
        if it shows no variance (every outcome of both is the same).
        """
        seeded = np.flatnonzero(np.minimum(self.seeds[self.better], self.seeds[self.worse]) > 1)
        if not len(seeded):
            return None
        by_size = seeded[np.argsort(self.variance.total()[seeded], kind="stable")]
        typical = self.variance.of(int(by_size[len(by_size) // 2]))
        return float(detectable_difference(typical, alpha)) or None


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
    by_seed = tuple(table.mean(axis=1) for table in tables)
    thirds = np.array([third_cumulant(accuracies) for accuracies in by_seed])
    tails = thirds[better] - thirds[worse]
    return Comparison(
        names=names,
        seeds=np.array([len(table) for table in tables], dtype=np.int64),
        better=better,
        worse=worse,
        gaps=gaps,
        variance=variance,
        tails=tails,
        by_seed=by_seed,
    )


def third_cumulant(by_seed: Floats) -> float:
    """Return the unbiased third cumulant of the mean of accuracies of shape (seeds,); 0 below three seeds."""
    seeds = len(by_seed)
    if seeds < 3:
        return 0.0
    centred = by_seed - by_seed.mean()
    return float((centred**3).sum() / ((seeds - 1) * (seeds - 2) * seeds))


def without_skewness(deviation: Floats, third: Floats, variance: Floats) -> Floats:
    """Return deviations whose t is moved towards 0 where skewness makes it look too large; same shape, same sign.

    Hall's (1992) transformation t + g t^2 / 3 + g^2 t^3 / 27 + g / 6, where it is nearer to 0 than t; a t beyond
    `LARGEST_CORRECTED_T` loses as much as that one.

    Args:
        third: third cumulant of each deviation: g is it over the variance to the power 3/2.
        variance: of each deviation.
    """
    error = np.sqrt(variance)
    t = np.divide(deviation, error, out=np.zeros_like(error), where=error > 0)
    skewness = np.divide(third, error**3, out=np.zeros_like(error), where=error > 0)
    near = np.clip(t, -LARGEST_CORRECTED_T, LARGEST_CORRECTED_T)
    moved = near + skewness * near**2 / 3 + skewness**2 * near**3 / 27 + skewness / 6
    lost = np.abs(near) - np.where(moved * near > 0, np.minimum(np.abs(moved), np.abs(near)), 0.0)
    return np.where(error > 0, np.sign(t) * (np.abs(t) - lost) * error, deviation)


def _one_sided(deviation: Floats, third: Floats, variance: Variance) -> Floats:
    """Return the p-value of the hypothesis that a deviation is 0 or less."""
    half = p_value(without_skewness(deviation, third, variance.total()), variance) / 2
    return np.where(deviation > 0, half, 1 - half)


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
        problems=problem_variance(np.array([table.mean(axis=0) for table in tables]), better, worse),
        problem_df=tables[0].shape[1] - 1,
        seeds=seeds[better] + seeds[worse],
        residual=residual[better] + residual[worse],
        seed_df=pooled_df(spread[better], df[better], spread[worse], df[worse]),
    )
