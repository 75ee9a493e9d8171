"""A share with its interval where several completions belong to one problem, and so are no independent draws."""

from collections import defaultdict
from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

from scipy.stats import binomtest

Z = 1.959964


class Share(NamedTuple):
    """`events` of `total`, with the ends of a 95 % interval (all zero where there is nothing)."""

    events: int
    total: int
    low: float
    high: float

    def __str__(self) -> str:
        if not self.total:
            return "-"
        part = self.events / self.total
        return f"{self.events}/{self.total} = {part:.2%} [{self.low:.2%}, {self.high:.2%}]"


def exact_share(events: int, total: int) -> Share:
    """The interval of Clopper and Pearson (1934), for draws that are independent."""
    interval = binomtest(events, total).proportion_ci(method="exact")
    return Share(events, total, interval.low, interval.high)


def share(events: Sequence[bool], clusters: Sequence[str]) -> Share:
    """Wilson's interval at the effective sample size n / design effect (Kish 1965), one cluster per problem.

    Where all outcomes are alike the design effect cannot be seen; then every problem counts once.
    """
    total, happened = len(events), sum(events)
    if not total:
        return Share(0, 0, 0.0, 0.0)
    part = happened / total
    low, high = _wilson(part, _effective_size(events, clusters, part))
    return Share(happened, total, low, high)


def _effective_size(events: Sequence[bool], clusters: Sequence[str], part: float) -> float:
    residuals: defaultdict[str, float] = defaultdict(float)
    for event, cluster in zip(events, clusters, strict=True):
        residuals[cluster] += event - part
    count = len(residuals)
    if part in (0.0, 1.0) or count < 2:
        return float(count)
    between = count / (count - 1) * sum(residual**2 for residual in residuals.values())
    effect = max(between / (len(events) * part * (1 - part)), 1.0)
    return len(events) / effect


def _wilson(part: float, size: float) -> tuple[float, float]:
    middle = part + Z**2 / (2 * size)
    half = Z * sqrt(part * (1 - part) / size + Z**2 / (4 * size**2))
    scale = 1 + Z**2 / size
    return max((middle - half) / scale, 0.0), min((middle + half) / scale, 1.0)
