"""How many seeds a claim needs: against scipy's noncentral t, and on verdicts with and without an interval."""

from math import sqrt
from typing import Any

import numpy as np
import pytest
from scipy.stats import nct, sem, t

from rlvr_bench.stats.estimate import sd_bound
from rlvr_bench.stats.hierarchical import Group, Value, weighted_sum
from rlvr_bench.studies.errors import FindingsError
from rlvr_bench.studies.finding import Interval
from rlvr_bench.studies.power import ASSURANCE, ClaimPower, claim_power, decided_distance

HALF_OF_FIVE = float(t.ppf(0.975, 4)) * 0.1 / sqrt(5)
"""Half the width of an interval of five seeds whose estimates have a standard deviation of 0.1."""


def _entry(**changes: Any) -> dict[str, Any]:
    entry = {"id": "W8", "base": "organism-steps", "verdict": "undecided", "margin": 0.05}
    entry |= {
        "sides": [5, 7],
        "seeds": [0, 1, 2, 3, 4],
        "cells": ["a", "b"],
        "low": -HALF_OF_FIVE,
        "high": HALF_OF_FIVE,
    }
    return entry | changes


def _at_seen(need: ClaimPower) -> dict[int, float]:
    return {seeds: distance.at_seen for seeds, distance in need.distances.items()}


@pytest.mark.parametrize("seeds", [2, 5, 20, 40])
def test_the_decided_distance_is_found_in_80_percent_of_repetitions(seeds: int) -> None:
    error = 0.1 / sqrt(seeds)
    distance = decided_distance(0.1, seeds)

    found = nct.sf(t.ppf(0.975, seeds - 1), seeds - 1, distance / error)

    assert found == pytest.approx(0.8, abs=1e-6)


def test_the_spread_is_read_from_the_interval_at_hand() -> None:
    (need,) = claim_power("W8", [_entry()], [])

    assert need.seeds == 5
    assert _at_seen(need) == {n: pytest.approx(decided_distance(0.1, n)) for n in (5, 10, 20, 40)}
    assert need.minutes == {}


def test_four_of_five_pilots_promise_no_more_than_the_true_spread_gives() -> None:
    pilots = np.random.default_rng(0).normal(0.0, 0.1, (20_000, 5)).std(axis=1, ddof=1)

    kept = np.mean(pilots * sd_bound(4, ASSURANCE) >= 0.1)

    assert kept == pytest.approx(0.8, abs=0.01)
    assert np.mean(pilots >= 0.1) < 0.45  # what a forecast by the spread as seen keeps


def test_seeds_are_chosen_by_the_cautious_distance() -> None:
    (need,) = claim_power("W8", [_entry(margin=0.075)], [])

    assert need.distances[20].at_seen < 0.075 < need.distances[20].cautious
    assert need.distances[40].cautious == pytest.approx(decided_distance(0.1 * sd_bound(4, ASSURANCE), 40))
    assert need.seeds_for_margin == 40
    assert need.as_document()["looks"][3]["cautious_distance"] == need.distances[40].cautious


def test_what_lies_between_problems_does_not_shrink_with_seeds() -> None:
    (need,) = claim_power("W8", [_entry(errors={"seeds": 0.1 / sqrt(5), "problems": 0.03})], [])

    assert _at_seen(need) == {n: pytest.approx(decided_distance(0.1, n, 0.03)) for n in (5, 10, 20, 40)}
    assert decided_distance(0.1, 40, 0.03) > 0.03 * 2.8 > decided_distance(0.1, 40)
    assert decided_distance(0.0, 40, 0.03) == pytest.approx(decided_distance(0.03 * sqrt(40), 40))


def test_the_two_errors_of_a_sum_are_those_of_a_two_way_analysis_of_variance() -> None:
    draws = np.random.default_rng(0)
    runs = (draws.random((6, 50)) < draws.random(50)).astype(float)
    by_problem, by_run = runs.mean(axis=0), runs.mean(axis=1)
    left = runs - by_problem - by_run[:, None] + runs.mean()
    residual = (left**2).sum() / (5 * 49) / runs.size

    group = Group(1.0, {seed: Value(outcomes={"problems": run}) for seed, run in enumerate(runs)})
    errors = Interval.of_sum(weighted_sum([group])).errors

    assert errors == pytest.approx((sem(by_run), sqrt(sem(by_problem) ** 2 - residual)))


def test_a_claim_without_an_interval_promises_nothing() -> None:
    (need,) = claim_power("W8", [_entry(low=None, high=None)], [])

    assert need.distances == {}
    assert need.seeds_for_margin is None


def test_a_claim_without_margin_needs_no_number_of_seeds() -> None:
    (need,) = claim_power("W8", [_entry(margin=0.0)], [])

    assert need.seeds_for_margin is None


def test_an_unknown_claim_is_named() -> None:
    with pytest.raises(FindingsError, match='no verdict on a claim "W99"; rlvr-bench findings lists all claims'):
        claim_power("W99", [_entry()], [])
