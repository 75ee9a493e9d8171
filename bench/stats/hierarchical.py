"""A weighted sum of means over runs, with its variance over seeds and over problems.

Seeds are random and problems crossed with them: every run is scored on the same problems. What is estimated is a sum of
settings' means with fixed weights: one mean, a difference of two, the average of differences over several settings, a
slope. Two things make its parts depend on each other, and both are clusters (two-way clustering: Cameron, Gelbach &
Miller 2011, J. Bus. Econ. Stat. 29:238): runs that share a seed, where that makes them share prompts and rewards, and
outcomes on the same problem. A cluster's deviations are added up before they are squared, so that what runs have in
common cancels in a difference and counts in full in an average.

With one setting this is the crossed random-effects variance of `random_effects`, with two it is that of a difference,
paired by seed or not; without problems it is Student's and Welch's. Degrees of freedom follow Satterthwaite (1946) with
the settings' own variances (Bell & McCaffrey 2002, Surv. Methodol. 28:169), which gives n - 1 for pairs and Welch's for
two independent sides.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import sqrt

import numpy as np
from scipy.special import stdtr, stdtrit

from rlvr_bench.stats.estimate import CONFIDENCE
from rlvr_bench.stats.random_effects import Floats, Variance, half_width, p_value

LEAST_DISCORDANT = 2
"""The variance over problems is at least that of so many problems answered otherwise: none seen is no proof of none."""


@dataclass(frozen=True)
class Value:
    """What one run gives: a number, plus means over problems.

    Attributes:
        number: what does not depend on the problems; all of it for a figure that is no accuracy.
        outcomes: by the name of a problem set an array of shape (problems,), whose mean is added to `number`.
    """

    number: float = 0.0
    outcomes: Mapping[str, Floats] = field(default_factory=dict)

    @cached_property
    def mean(self) -> float:
        """The value itself."""
        return self.number + sum(float(each.mean()) for each in self.outcomes.values())

    def __add__(self, other: "Value") -> "Value":
        """Add two values problem by problem; a set that one lacks counts as 0 there."""
        sets = self.outcomes.keys() | other.outcomes.keys()
        zero = np.float64(0.0)
        return Value(
            self.number + other.number,
            {name: np.asarray(self.outcomes.get(name, zero) + other.outcomes.get(name, zero)) for name in sorted(sets)},
        )

    def __sub__(self, other: "Value") -> "Value":
        """Subtract problem by problem."""
        return self + other.times(-1.0)

    def times(self, weight: float) -> "Value":
        """Return the value multiplied by a number."""
        return Value(weight * self.number, {name: weight * each for name, each in self.outcomes.items()})


def mean_value(values: Sequence[Value]) -> Value:
    """Return the mean of one or more values, problem by problem."""
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total.times(1 / len(values))


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but the seed, by cluster, and the weight of their mean in the sum."""

    weight: float
    runs: Mapping[Hashable, Value]

    @property
    def size(self) -> int:
        """Number of clusters."""
        return len(self.runs)

    @cached_property
    def mean(self) -> Value:
        """The group's mean, problem by problem."""
        return mean_value(list(self.runs.values()))


@dataclass(frozen=True)
class Sum:
    """A weighted sum of means with its variance; `variance` is None where a group has a single run."""

    mean: float
    variance: Variance | None

    def interval(self) -> tuple[float, float] | None:
        """Return the ends of the 95 % interval, None without a variance."""
        if self.variance is None:
            return None
        half = self._half_of_student() if self._without_problems else float(half_width(self.variance, 1 - CONFIDENCE))
        return self.mean - half, self.mean + half

    def p_value(self, hypothesis: float) -> float | None:
        """Return the two-sided p-value of "the sum is `hypothesis` in truth", None without a variance."""
        if self.variance is None:
            return None
        deviation = self.mean - hypothesis
        if not self._without_problems:
            return float(p_value(deviation, self.variance))
        if not self.variance.seeds:
            return float(deviation == 0)
        return float(2 * stdtr(float(self.variance.seed_df), -abs(deviation) / sqrt(float(self.variance.seeds))))

    @property
    def _without_problems(self) -> bool:
        return self.variance is not None and not self.variance.problems and not self.variance.residual

    def _half_of_student(self) -> float:
        assert self.variance is not None
        return float(stdtrit(float(self.variance.seed_df), (1 + CONFIDENCE) / 2)) * sqrt(float(self.variance.seeds))


def weighted_sum(groups: Sequence[Group]) -> Sum:
    """Return the sum of the groups' means, each times its weight; runs under the same cluster key are not independent.

    Raises:
        ValueError: there is no group, or the runs of one group were scored on different problems.
    """
    if not groups:
        raise ValueError("there is no group to sum; give one or more")
    for group in groups:
        if len({tuple(sorted(value.outcomes)) for value in group.runs.values()}) > 1:
            raise ValueError("runs of one group were scored on different problems; give each its own group")
    mean = sum(group.weight * group.mean.mean for group in groups)
    if min(group.size for group in groups) < 2:
        return Sum(mean, None)
    problems, problem_df = _problem_variance(groups)
    by_cluster = list(_deviations(groups).values())
    return Sum(
        mean,
        Variance(
            problems=np.float64(problems),
            problem_df=problem_df,
            seeds=np.float64(sum(value.mean**2 for value in by_cluster)),
            residual=np.float64(sum(map(_residual, by_cluster))),
            seed_df=np.float64(seed_df(groups)),
        ),
    )


def _problem_variance(groups: Sequence[Group]) -> tuple[float, int]:
    """Return the variance over problems of the sum, and its degrees of freedom: those of the smallest problem set."""
    contributions = mean_value([group.mean.times(group.weight * len(groups)) for group in groups]).outcomes
    total = 0.0
    for name, each in contributions.items():
        reach = sum(group.weight * _largest(group, name) for group in groups if group.weight > 0)
        total += max(float(each.var(ddof=1)) / len(each), LEAST_DISCORDANT * (reach / len(each)) ** 2)
    return total, min((len(each) for each in contributions.values()), default=2) - 1


def _largest(group: Group, name: str) -> float:
    return max(
        (float(np.abs(run.outcomes[name]).max()) for run in group.runs.values() if name in run.outcomes), default=0
    )


def _deviations(groups: Sequence[Group]) -> dict[Hashable, Value]:
    """Return what each cluster adds to the sum's deviation, so scaled that its squares sum to an unbiased variance."""
    total: dict[Hashable, Value] = {}
    for group in groups:
        scale = group.weight / group.size * sqrt(group.size / (group.size - 1))
        for cluster, value in group.runs.items():
            deviation = (value - group.mean).times(scale)
            total[cluster] = total[cluster] + deviation if cluster in total else deviation
    return total


def _residual(deviation: Value) -> float:
    """Return what a cluster's outcomes scatter around its own mean deviation, as a variance of the sum."""
    return sum(
        float(((each - each.mean()) ** 2).sum()) / len(each) / (len(each) - 1) for each in deviation.outcomes.values()
    )


def seed_df(groups: Sequence[Group]) -> float:
    """Return Satterthwaite's degrees of freedom of the variance over seeds, with the variance of each group."""
    places = [(place, cluster) for place, group in enumerate(groups) for cluster in group.runs]
    clusters = {cluster: row for row, cluster in enumerate(dict.fromkeys(cluster for _, cluster in places))}
    makes = np.zeros((len(clusters), len(places)))
    start = 0
    for group in groups:
        scale = group.weight / group.size * sqrt(group.size / (group.size - 1))
        rows = [clusters[cluster] for cluster in group.runs]
        makes[rows, start : start + group.size] += scale * (np.eye(group.size) - 1 / group.size)
        start += group.size
    spreads = [float(np.var([value.mean for value in group.runs.values()], ddof=1)) for group in groups]
    largest = max(spreads)
    spreads = [spread / largest for spread in spreads] if largest else [1.0] * len(groups)
    quadratic = makes.T @ makes * np.repeat(spreads, [group.size for group in groups])
    return float(np.trace(quadratic) ** 2 / np.einsum("ij,ji->", quadratic, quadratic))


def i_squared(parts: Sequence[Sum]) -> float | None:
    """Return the share of the parts' scatter that is more than noise, in [0, 1] (Higgins & Thompson 2002).

    The parts are taken as independent. None for fewer than two parts, or where one has no spread.
    """
    variances = [0.0 if part.variance is None else float(part.variance.total()) for part in parts]
    if len(parts) < 2 or min(variances) <= 0:
        return None
    weights = [1 / variance for variance in variances]
    middle = sum(w * part.mean for w, part in zip(weights, parts, strict=True)) / sum(weights)
    scatter = sum(w * (part.mean - middle) ** 2 for w, part in zip(weights, parts, strict=True))
    return max(0.0, 1 - (len(parts) - 1) / scatter) if scatter else 0.0


def spread_of(parts: Sequence[Sum]) -> tuple[float, float]:
    """Return the smallest and the largest of the parts' means."""
    means = [part.mean for part in parts]
    return min(means), max(means)
