"""Intervals of the grading report, where completions of one problem are no independent draws."""

import numpy as np
import pytest
from clustered import share
from scipy.stats import binomtest


@pytest.mark.parametrize(("events", "total"), [(3, 200), (0, 50), (50, 50), (20, 40)])
def test_one_completion_a_problem_gives_wilsons_interval(events: int, total: int) -> None:
    found = share([place < events for place in range(total)], [str(place) for place in range(total)])
    interval = binomtest(events, total).proportion_ci(method="wilson")
    # the design effect estimated from single draws is n/(n-1)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=2e-3)


def test_copies_of_completions_add_nothing() -> None:
    events, names = [place < 6 for place in range(60)], [str(place) for place in range(60)]
    once, thrice = share(events, names), share(events * 3, names * 3)
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))
    assert thrice.total == 180


def test_intervals_cover_the_truth() -> None:
    """Simulation: 40 problems, 5 completions of each that fail together more often than alone."""
    rng = np.random.default_rng(0)
    truth, covered = 0.1, 0
    names = [str(place // 5) for place in range(200)]
    for _ in range(400):
        chances = np.repeat(rng.beta(0.5, 4.5, 40), 5)
        found = share(list(map(bool, rng.random(200) < chances)), names)
        covered += found.low <= truth <= found.high
    assert covered / 400 > 0.9


def test_nothing_gives_nothing() -> None:
    assert str(share([], [])) == "-"
