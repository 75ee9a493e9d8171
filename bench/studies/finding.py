"""An estimate with its interval, and the verdict that follows from it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, variance
from typing import Literal

from scipy.special import stdtrit

from rlvr_bench.studies.claim import Side
from rlvr_bench.studies.evidence import EvidenceRun

Judgement = Literal["supported", "contradicted", "undecided"]
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Finding:
    """What an analysis found: an estimate, its 95 % interval (None: too few runs for one), seeds and cell ids."""

    estimate: float
    low: float | None
    high: float | None
    seeds: tuple[int, ...] = ()
    cells: tuple[str, ...] = ()
    note: str = ""
    """What a reader of the number must know, such as a seed that had to be left out."""

    @classmethod
    def of(cls, interval: "Interval", runs: Sequence[EvidenceRun], note: str = "") -> "Finding":
        """Return an interval with the runs that it comes from."""
        seeds = tuple(sorted({run.seed for run in runs}))
        cells = tuple(sorted({run.record.cell_id for run in runs}))
        return cls(interval.estimate, interval.low, interval.high, seeds, cells, note)

    def judgement(self, side: Side, threshold: float) -> Judgement:
        """Return "supported" if the whole interval is on the claim's side, "contradicted" if it is on the other."""
        if self.low is None or self.high is None:
            return "undecided"
        above, below = self.low > threshold, self.high < threshold
        if not above and not below:
            return "undecided"
        return "supported" if above == (side == "above") else "contradicted"


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % interval; without one where a spread cannot be had."""

    estimate: float
    low: float | None
    high: float | None


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the mean of independent runs with Student's interval; none for a single run."""
    mean = fmean(values)
    if len(values) < 2:
        return Interval(mean, None, None)
    return around(mean, variance(values) / len(values), len(values) - 1)


def difference_interval(one: Sequence[float], other: Sequence[float]) -> Interval:
    """Return mean(one) - mean(other) of independent runs with Welch's interval (1947, Biometrika 34:28).

    None for the interval where either side has a single run.
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
    half = float(stdtrit(degrees, (1 + CONFIDENCE) / 2)) * sqrt(squared_error)
    return Interval(mean, mean - half, mean + half)


Analysis = Callable[..., Finding]
"""A pure function, called with the evidence on one base model and a claim's arguments; raises NoEvidence."""
