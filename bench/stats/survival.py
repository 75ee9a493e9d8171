"""How long training stays sound: Kaplan-Meier curves of the time to collapse.

A run that ends without a collapse is censored at its last step, a crash at the step of the crash. Runs of a method at
several seeds and learning rates may be pooled if all methods were tried at the same places of their ranges.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from rlvr_bench.stats.estimate import CONFIDENCE, Estimate
from rlvr_bench.stats.random_effects import Floats


@dataclass(frozen=True)
class Survival:
    """A Kaplan-Meier curve: it falls at `times` and is 1 before the first (Kaplan & Meier 1958).

    Attributes:
        times: steps at which runs collapsed, ascending, shape (n,).
        share: share of runs that are sound after each of them, shape (n,).
        low, high: its pointwise 95 % interval, shape (n,).
        last: the last step that any run was seen at.
        runs: number of runs.
    """

    times: Floats
    share: Floats
    low: Floats
    high: Floats
    last: float
    runs: int

    def at(self, time: float) -> Estimate:
        """Return the share of runs that are sound after `time`, with its 95 % interval.

        Raises:
            ValueError: no run was seen that long.
        """
        if time > self.last:
            raise ValueError(f"survival at step {time} is unknown: no run was seen beyond step {self.last}")
        place = int(np.searchsorted(self.times, time, side="right")) - 1
        if place < 0:
            return Estimate(1.0, _exact_end(self.runs), 1.0)
        return Estimate(float(self.share[place]), float(self.low[place]), float(self.high[place]))

    @property
    def median(self) -> float | None:
        """The step by which half of the runs have collapsed, None if fewer than half did."""
        fallen = self.times[self.share <= 0.5]
        return float(fallen[0]) if len(fallen) else None


def survival(times: Sequence[float], collapsed: Sequence[bool]) -> Survival:
    """Return the Kaplan-Meier curve of the time to collapse.

    The interval is Greenwood's variance on the scale log(-log(share)), which keeps it inside [0, 1]. Where that is
    undefined, because all or none of the runs collapsed, it is the exact binomial one for as many runs.

    Args:
        times: step of the collapse, or the last step of a run without one, each positive.
        collapsed: whether the run collapsed, same length.

    Raises:
        ValueError: no run, a different number of both, or a time that is not positive.
    """
    ends, events = _checked(times, collapsed)
    moments, collapses = np.unique(ends[events], return_counts=True)
    # At risk at a moment are the runs that were seen as long, those that end at it included.
    at_risk = len(ends) - np.searchsorted(np.sort(ends), moments)
    share: Floats = np.cumprod((at_risk - collapses) / at_risk, dtype=np.float64)
    if events.all():  # what is left, without the rounding of a product
        share = 1 - np.cumsum(collapses) / len(ends)
    with np.errstate(divide="ignore", invalid="ignore"):  # where all collapsed its interval is undefined
        variance = 1 / np.log(share) ** 2 * np.cumsum(collapses / (at_risk * (at_risk - collapses)))
        middle, reach = np.log(-np.log(share)), ndtri((1 + CONFIDENCE) / 2) * np.sqrt(variance)
        low, high = np.exp(-np.exp(middle + reach)), np.exp(-np.exp(middle - reach))
    fallen = share <= 0
    low[fallen], high[fallen] = 0.0, 1 - _exact_end(len(ends))
    return Survival(moments, share, low, high, float(ends.max()), len(ends))


def _checked(times: Sequence[float], collapsed: Sequence[bool]) -> tuple[Floats, NDArray[np.bool_]]:
    ends, events = np.asarray(times, dtype=np.float64), np.asarray(collapsed, dtype=bool)
    if len(ends) == 0 or ends.shape != events.shape or not (ends > 0).all():
        raise ValueError(
            f"{len(ends)} times and {len(events)} labels are no runs; give one positive time and one label per run"
        )
    return ends, events


def _exact_end(runs: int) -> float:
    """Return the lower end of a share of 1 in so many runs (Clopper & Pearson 1934)."""
    return float(((1 - CONFIDENCE) / 2) ** (1 / runs))
