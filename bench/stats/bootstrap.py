"""The hierarchical paired bootstrap, for statistics over seeds and problems that have no formula for their variance.

Seeds and problems are two crossed samples and are resampled with replacement, independently (the pigeonhole bootstrap:
Owen 2007, Ann. Appl. Stat. 1:386); models that are compared share the resampled problems (common random numbers), so
that easy and hard problems cancel in their difference. Samples of one problem are nested in their seed and problem and
move with them: resampling them again would count their noise twice.

With three seeds the percentiles of such draws are too narrow. The draws are therefore only asked for the three
variances (seeds, problems, and their interaction, each with its bias of (n - 1) / n taken off), and the interval is
that of `random_effects`. For a mean use `estimate`, which needs no draws; this module is for the interquartile mean
and its like.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rlvr_bench.stats.estimate import CONFIDENCE, Estimate
from rlvr_bench.stats.random_effects import Floats, Variance, cell_means, half_width, pooled_df

RESAMPLES = 2000

Statistic = Callable[[Floats, Floats], Floats]
"""From ascending values, shape (..., n), and how often each occurs, same shape, to the statistic, shape (...)."""


def mean(values: Floats, counts: Floats) -> Floats:
    """Return the mean."""
    return np.asarray((values * counts).sum(axis=-1) / counts.sum(axis=-1))


def interquartile_mean(values: Floats, counts: Floats) -> Floats:
    """Return the mean without the lowest and the highest quarter (Agarwal et al. 2021, arXiv 2108.13264).

    The quarter is rounded down to whole values, as in SciPy's and rliable's.
    """
    total = counts.sum(axis=-1, keepdims=True)
    cut = np.floor(0.25 * total)
    below = np.cumsum(counts, axis=-1)
    weights = np.clip(below, cut, total - cut) - np.clip(below - counts, cut, total - cut)
    return mean(values, weights)


@dataclass(frozen=True)
class Resampled:
    """A statistic of one model, or of a difference, and how it varies, in draws of shape (resamples,).

    Attributes:
        value: the statistic of the outcomes themselves.
        problems: deviations from it when problems are drawn anew; models that share their draws can be subtracted.
        problem_df: problems - 1.
        seeds, interaction: variances, of the seeds with the interaction in it, and of the interaction.
        seed_df: degrees of freedom of `seeds`.
    """

    value: float
    problems: Floats
    problem_df: int
    seeds: float
    interaction: float
    seed_df: float

    def __sub__(self, other: "Resampled") -> "Resampled":
        """Return the difference of two models on the same problems, problems paired and seeds independent."""
        df = pooled_df(
            *(np.asarray(part, dtype=np.float64) for part in (self.seeds, self.seed_df, other.seeds, other.seed_df))
        )
        return Resampled(
            self.value - other.value,
            self.problems - other.problems,
            self.problem_df,
            self.seeds + other.seeds,
            self.interaction + other.interaction,
            float(df),
        )

    def estimate(self) -> Estimate:
        """Return the statistic with its 95 % interval, not clipped to its range."""
        unbiased = (self.problem_df + 1) / self.problem_df
        variance = Variance(
            problems=np.float64(self.problems.var() * unbiased),
            problem_df=self.problem_df,
            seeds=np.float64(self.seeds),
            residual=np.float64(self.interaction),
            seed_df=np.float64(self.seed_df),
        )
        half = float(half_width(variance, 1 - CONFIDENCE))
        return Estimate(self.value, self.value - half, self.value + half)


def resample(outcomes: Floats, statistic: Statistic, problem_draws: Floats, model: str) -> Resampled:
    """Bootstrap a statistic of the accuracies per seed and problem.

    Args:
        outcomes: in [0, 1], shape (seeds, problems) or (seeds, problems, samples). The time that this takes grows with
            the number of distinct values, which is samples + 1 or less.
        statistic: `mean`, `interquartile_mean` or another of the same form.
        problem_draws: of `resample_counts`, shape (resamples, problems); the same for all models that are compared.
        model: names the model; its seeds are drawn from it.
    """
    cells = cell_means(outcomes)
    seeds, problems = cells.shape
    values = np.unique(cells)
    is_value = (cells == values[:, None, None]).astype(np.float64)
    value = float(statistic(values, is_value.sum(axis=(1, 2))))
    by_problem = statistic(values, problem_draws @ is_value.sum(axis=1).T) - value
    if seeds == 1:
        return Resampled(value, by_problem, problems - 1, 0.0, 0.0, 1.0)
    seed_draws = resample_counts(f"seeds/{model}", seeds, len(problem_draws))
    by_seed = statistic(values, seed_draws @ is_value.sum(axis=2).T) - value
    both = np.stack([((problem_draws @ layer.T) * seed_draws).sum(axis=1) for layer in is_value], axis=-1)
    interaction = statistic(values, both) - value - by_seed - by_problem
    unbiased = seeds / (seeds - 1)
    return Resampled(
        value=value,
        problems=by_problem,
        problem_df=problems - 1,
        seeds=float(by_seed.var() * unbiased),
        interaction=float(interaction.var() * unbiased * problems / (problems - 1)),
        seed_df=seeds - 1.0,
    )


def percentiles(value: float, draws: Floats) -> Estimate:
    """Return a value with the 95 % percentile interval of its draws, widened to hold the value where it does not."""
    return percentiles_of_each(np.array([value]), draws[None])[0]


def percentiles_of_each(values: Floats, draws: Floats) -> list[Estimate]:
    """Return what `percentiles` does of each of several values, shape (n,), and their draws, shape (n, resamples)."""
    tail = (1 - CONFIDENCE) / 2
    ends = np.quantile(draws, [tail, 1 - tail], axis=-1)
    each = zip(values.tolist(), *ends.tolist(), strict=True)
    return [Estimate(value, min(low, value), max(high, value)) for value, low, high in each]


def resample_counts(key: str, size: int, resamples: int = RESAMPLES, drawn: int | None = None) -> Floats:
    """Return how often each of `size` items is drawn in each resample, shape (resamples, size), whole numbers.

    Args:
        key: the same key gives the same draws.
        drawn: items in a resample; `size` if not given.
    """
    places = keyed_generator(key).integers(0, size, size=(resamples, size if drawn is None else drawn))
    offsets = np.arange(resamples)[:, None] * size
    counts = np.bincount((places + offsets).ravel(), minlength=resamples * size)
    return counts.reshape(resamples, size).astype(np.float64)


def keyed_generator(key: str) -> np.random.Generator:
    """Return a random generator that depends on nothing but a text."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "little"))
