"""Comparisons of many methods: what differs significantly, what must not, and what could have been."""

import numpy as np
import pytest

from rlvr_bench.stats.comparison import ALPHA, BORROWED_DF, borrow_spread, compare
from rlvr_bench.stats.estimate import difference, difference_variance
from rlvr_bench.stats.power import detectable_difference, planned_variance
from rlvr_bench.stats.random_effects import p_value


def table(seeds: int, problems: int, share: float, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random((seeds, problems)) < share).astype(np.float64)


def planted() -> dict[str, np.ndarray]:
    shares = {"best": 0.9, "tied": 0.89, "middle": 0.5, "floor": 0.2}
    return {name: table(4, 400, share, seed) for seed, (name, share) in enumerate(shares.items())}


def test_a_planted_order_is_found_and_a_planted_tie_is_not_ranked() -> None:
    found = compare(planted())
    assert found.letters() == {"best": "a", "tied": "a", "middle": "b", "floor": "c"}
    assert found.best() == {"best", "tied"}


def test_a_base_without_seeds_takes_part() -> None:
    found = compare(planted() | {"base": table(1, 400, 0.05, 9)})
    assert found.letters()["base"] == "d"


def test_two_methods_alone_are_compared_as_by_their_difference() -> None:
    for seed in range(10):
        one, other = table(3, 80, 0.6, seed), table(3, 80, 0.5, seed + 100)
        found = compare({"one": one, "other": other})
        interval = difference(one, other)
        assert (found.p_values[0] <= ALPHA) == (interval.low > 0 or interval.high < 0)


def test_equal_spreads_stay_and_gain_degrees_of_freedom() -> None:
    squares, df = borrow_spread(np.full(8, 0.3), np.full(8, 2.0))
    assert squares == pytest.approx(0.3) and df == pytest.approx(2 + BORROWED_DF * (1 - 2 / 8))


def test_two_methods_borrow_nothing() -> None:
    squares, df = borrow_spread(np.array([0.1, 0.9]), np.array([2.0, 2.0]))
    assert list(squares) == [0.1, 0.9] and list(df) == [2.0, 2.0]


def test_one_collapsed_method_does_not_set_the_spread_of_the_others() -> None:
    calm, _ = borrow_spread(np.array([0.1] * 7 + [0.1]), np.full(8, 2.0))
    beside, _ = borrow_spread(np.array([0.1] * 7 + [1000.0]), np.full(8, 2.0))
    assert beside[0] < 2 * calm[0]


@pytest.mark.parametrize("methods", [8, 16])
def test_equal_methods_are_seldom_told_apart(methods: int) -> None:
    """5 % of comparisons may hold a false claim; the bound is three standard errors above that."""
    rng = np.random.default_rng(methods)
    trials, false = 120, 0
    for _ in range(trials):
        difficulty = rng.random((1, 100))
        tables = {
            str(name): (rng.random((3, 100)) < 0.2 + 0.6 * difficulty + 0.05 * rng.normal(size=(3, 1))).astype(float)
            for name in range(methods)
        }
        false += compare(tables).adjusted.min() <= ALPHA
    assert false / trials <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)


def test_a_detectable_difference_is_found_in_80_percent() -> None:
    plan = planned_variance(seeds=5, problems=200, seed_sd=0.03, problem_sd=0.1, residual_sd=0.3)
    gap = float(detectable_difference(plan, 0.05))
    rng = np.random.default_rng(0)
    trials, found = 300, 0
    for _ in range(trials):
        one, other = (0.03 * rng.normal(size=(5, 1)) + 0.3 * rng.normal(size=(5, 200)) for _ in range(2))
        one = one + gap + 0.1 * rng.normal(size=(1, 200))
        found += float(p_value(one.mean() - other.mean(), difference_variance(one, other))) <= 0.05
    assert 0.7 <= found / trials <= 0.9


def test_more_seeds_and_fewer_comparisons_detect_more() -> None:
    few, many = (planned_variance(seeds, 512, 0.03, 0.1, 0.3) for seeds in (3, 10))
    assert detectable_difference(many, 0.05) < detectable_difference(few, 0.05) < detectable_difference(few, 0.001)
    assert compare({"one": table(1, 50, 0.5, 0), "other": table(1, 50, 0.5, 1)}).detectable() is None
    assert compare({"one": np.ones((3, 50)), "other": np.ones((3, 50))}).detectable() is None


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="no method to compare"):
        compare({})
    with pytest.raises(ValueError, match="different numbers of problems"):
        compare({"one": np.zeros((2, 10)), "other": np.zeros((2, 11))})
    with pytest.raises(ValueError, match="two or more of each"):
        planned_variance(1, 100, 0.1, 0.1, 0.1)
