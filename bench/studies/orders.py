"""How far two orders of methods agree: Kendall's tau with its interval over methods."""

from collections.abc import Mapping

from rlvr_bench.stats.ranks import kendall
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.finding import Interval

Scores = Mapping[str, float]
"""Of each method by name."""

FEWEST = 5
"""Methods below which an order says nothing."""


def shared_methods(one: Scores, other: Scores) -> list[str]:
    """Return the methods that both sides have, by name. Raises NoEvidence if there are fewer than `FEWEST`."""
    shared = sorted(one.keys() & other.keys())
    if len(shared) < FEWEST:
        raise NoEvidence(f"{len(shared)} methods have runs on both sides, a comparison of methods needs {FEWEST}")
    return shared


def agreement(one: Scores, other: Scores, key: str) -> Interval:
    """Return Kendall's tau over the methods that both sides have; `key` names the draws of its bootstrap.

    Raises:
        NoEvidence: there are too few of them, or all of one side are equal.
    """
    shared = shared_methods(one, other)
    try:
        tau = kendall([one[name] for name in shared], [other[name] for name in shared], key)
    except ValueError as error:
        raise NoEvidence(str(error)) from error
    return Interval(tau.mean, tau.low, tau.high)
