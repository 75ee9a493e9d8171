"""An estimate with its interval, and the verdict that follows from it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import exp, inf, log, sqrt
from statistics import fmean, variance
from typing import Literal, NamedTuple

from scipy.special import ndtr, ndtri, stdtr, stdtrit

from rlvr_bench.stats.hierarchical import Sum, i_squared, spread_of
from rlvr_bench.studies.claim import Side
from rlvr_bench.studies.evidence import EvidenceRun

Judgement = Literal["supported", "contradicted", "negligible", "undecided"]
CONFIDENCE = 0.95

Tail = Callable[[float], float]
"""From a hypothesis on the estimated quantity to its two-sided p-value."""


class Errors(NamedTuple):
    """Standard errors of an estimate: what more seeds make smaller, and what lies between problems."""

    seeds: float
    problems: float


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % interval; without one where a spread cannot be had.

    `tail` gives the p-values that belong to it; without one they are those of a normal distribution whose interval on
    the hypothesis' side this is. `errors` are those of a sum over seeds and problems.
    """

    estimate: float
    low: float | None
    high: float | None
    tail: Tail | None = field(default=None, compare=False)
    errors: Errors | None = field(default=None, compare=False)

    @classmethod
    def of_sum(cls, total: Sum) -> "Interval":
        """Return the interval of a weighted sum over seeds and problems."""
        low, high = total.interval() or (None, None)
        errors = None
        if total.variance is not None:
            seeds, problems = float(total.variance.seeds), float(total.variance.problems - total.variance.residual)
            errors = Errors(sqrt(max(seeds, 0.0)), sqrt(max(problems, 0.0)))
        return cls(total.mean, low, high, lambda at: total.p_value(at) or 0.0, errors)

    def p_value(self, hypothesis: float) -> float | None:
        """Return the two-sided p-value of a value of the estimated quantity; None without an interval."""
        if self.low is None or self.high is None:
            return None
        if self.tail is not None:
            return self.tail(hypothesis)
        half = self.estimate - self.low if hypothesis < self.estimate else self.high - self.estimate
        if not half:
            return float(hypothesis == self.estimate)
        return 2 * float(ndtr(-abs(hypothesis - self.estimate) / half * ndtri((1 + CONFIDENCE) / 2)))


@dataclass(frozen=True)
class Settings:
    """How an estimate differs between the settings that it averages over: from `low` to `high`, of `count` settings.

    `i_squared` is the share of that scatter which is more than noise, None where it cannot be had.
    """

    count: int
    low: float
    high: float
    i_squared: float | None

    @classmethod
    def of(cls, parts: Sequence[Sum]) -> "Settings":
        """Return it of the estimates at each setting."""
        return cls(len(parts), *spread_of(parts), i_squared(parts))


@dataclass(frozen=True)
class Finding(Interval):
    """What an analysis found: an interval, the runs that it comes from, and what a reader must know of it.

    Attributes:
        seeds: of all runs.
        cells: ids of all runs.
        sides: number of seeds of each side of a comparison; one number without sides.
        note: such as runs that had to be left out.
        settings: what it averages over, where that is several settings.
    """

    seeds: tuple[int, ...] = ()
    cells: tuple[str, ...] = ()
    sides: tuple[int, ...] = ()
    note: str = ""
    settings: Settings | None = None

    @classmethod
    def of(
        cls,
        interval: Interval,
        *sides: Sequence[EvidenceRun],
        note: str = "",
        settings: Settings | None = None,
    ) -> "Finding":
        """Return an interval with the runs of each side that it comes from."""
        runs = [run for side in sides for run in side]
        return cls(
            *(interval.estimate, interval.low, interval.high, interval.tail, interval.errors),
            seeds=tuple(sorted({run.seed for run in runs})),
            cells=tuple(sorted({run.record.cell_id for run in runs})),
            sides=tuple(len({run.seed for run in side}) for side in sides),
            note=note,
            settings=settings,
        )

    def judgement(self, side: Side, threshold: float, margin: float = 0.0) -> Judgement:
        """Return what the whole interval says of a claim.

        "negligible" if it lies within `margin` of the threshold, else "supported" if it is on the claim's side,
        "contradicted" if it is on the other.
        """
        if self.low is None or self.high is None:
            return "undecided"
        if threshold - margin < self.low and self.high < threshold + margin:
            return "negligible"
        above, below = self.low > threshold, self.high < threshold
        if not above and not below:
            return "undecided"
        return "supported" if above == (side == "above") else "contradicted"

    def p_values(self, threshold: float, margin: float = 0.0) -> dict[str, float]:
        """Return the p-values of the tests that a claim makes, none without an interval.

        "threshold": two-sided, that the truth is at the threshold. "margin", for a claim that has one: that it is as
        far from the threshold as the margin or farther (two one-sided tests: Schuirmann 1987), doubled, so that 5 % is
        where the 95 % interval touches the margin.
        """
        at_threshold = self.p_value(threshold)
        if at_threshold is None:
            return {}
        tests = {"threshold": at_threshold}
        if margin:
            ends = (threshold - margin, threshold + margin)
            within = ends[0] < self.estimate < ends[1]
            tests["margin"] = max(self.p_value(end) or 0.0 for end in ends) if within else 1.0
        return tests


def exponential(logarithmic: Finding) -> Finding:
    """Return what was found on the logarithm of a figure as a geometric mean or a ratio."""
    low, high = (None if end is None else exp(end) for end in (logarithmic.low, logarithmic.high))
    settings = logarithmic.settings
    if settings is not None:
        settings = replace(settings, low=exp(settings.low), high=exp(settings.high))

    def tail(hypothesis: float) -> float:
        return logarithmic.p_value(log(hypothesis) if hypothesis > 0 else -inf) or 0.0

    middle = exp(logarithmic.estimate)
    return replace(logarithmic, estimate=middle, low=low, high=high, tail=tail, errors=None, settings=settings)


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean of independent values with Student's interval; none for a single one."""
    mean = fmean(values)
    if len(values) < 2:
        return Interval(mean, None, None)
    return around(mean, variance(values) / len(values), len(values) - 1)


def difference_interval(one: Sequence[float], other: Sequence[float]) -> Interval:
    """Return mean(one) - mean(other) of independent values with Welch's interval (1947, Biometrika 34:28).

    None for the interval where either side has a single value.
    """
    difference = fmean(one) - fmean(other)
    if min(len(one), len(other)) < 2:
        return Interval(difference, None, None)
    parts = [(variance(values) / len(values), len(values) - 1) for values in (one, other)]
    total = sum(part for part, _ in parts)
    squares = sum(part**2 / degrees for part, degrees in parts)
    return around(difference, total, total**2 / squares if squares else len(one) + len(other) - 2)


def around(mean: float, squared_error: float, degrees: float) -> Interval:
    """Return Student's interval of a mean with this squared standard error."""
    error = sqrt(squared_error)

    def tail(hypothesis: float) -> float:
        return 2 * float(stdtr(degrees, -abs(mean - hypothesis) / error)) if error else float(mean == hypothesis)

    half = float(stdtrit(degrees, (1 + CONFIDENCE) / 2)) * error
    return Interval(mean, mean - half, mean + half, tail)


Analysis = Callable[..., Finding]
"""A pure function, called with the evidence on one base model and a claim's arguments; raises NoEvidence."""
