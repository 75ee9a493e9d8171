"""Intervals of the grading report, where completions of one problem are no independent draws."""

import numpy as np
import pytest
from clustered import exact_share, share
from scipy.stats import beta, binomtest
from synthetic import PERTURBATIONS, REWRITINGS, written

from rlvr_bench.tasks.verifiers.latex import LatexVerifier


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


@pytest.mark.parametrize(("events", "total"), [(0, 5900), (3, 720), (50, 50)])
def test_exact_intervals_are_quantiles_of_beta_distributions(events: int, total: int) -> None:
    found = exact_share(events, total)
    low = beta.ppf(0.025, events, total - events + 1) if events else 0.0
    high = beta.ppf(0.975, events + 1, total - events) if events < total else 1.0
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


GOLDS = (
    r"\frac{14}{3}",
    "11,\\! 111",
    r"3\sqrt{13}",
    r"\left( 3, \frac{\pi}{2} \right)",
    "42",
    r"\text{Evelyn}",
    "2,-3",
)


@pytest.mark.parametrize("gold", GOLDS)
def test_rewritten_golds_are_accepted_and_spoiled_ones_refused(gold: str) -> None:
    verifier = LatexVerifier(seconds=60)
    rewritten, spoiled = written(gold, REWRITINGS), written(gold, PERTURBATIONS)
    assert len(rewritten) >= 6 and len(spoiled) >= 4 and not set(rewritten.values()) & set(spoiled.values())
    refused = {how for how, text in rewritten.items() if not verifier.verify(rf"\boxed{{{text}}}", gold).correct}
    accepted = {how for how, text in spoiled.items() if verifier.verify(rf"\boxed{{{text}}}", gold).correct}
    assert (refused, accepted) == (set(), set())
