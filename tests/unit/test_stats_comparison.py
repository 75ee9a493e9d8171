"""Comparisons of many methods: what differs significantly, what must not, and what could have been."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from rlvr_bench.stats.comparison import BORROWED_DF, borrow_spread, compare, without_skewness
from rlvr_bench.stats.estimate import difference, difference_variance
from rlvr_bench.stats.power import detectable_difference, planned_variance
from rlvr_bench.stats.random_effects import p_value


def table(seeds: int, problems: int, share: float, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random((seeds, problems)) < share).astype(np.float64)


def planted() -> dict[str, np.ndarray]:
    shares = {"best": 0.9, "tied": 0.89, "middle": 0.5, "floor": 0.2}
    return {name: table(4, 400, share, seed) for seed, (name, share) in enumerate(shares.items())}


def test_a_planted_order_has_small_p_values_and_a_planted_tie_a_large_one() -> None:
    found = compare(planted() | {"base": table(1, 400, 0.05, 9)})
    assert found.names == ("best", "tied", "middle", "floor", "base")
    p = {(found.names[i], found.names[j]): p for (i, j), p in zip(found.pairs(), found.p_values, strict=True)}
    assert p.pop(("best", "tied")) > 0.05 and max(p.values()) < 1e-3
    assert found.best(0.05) == {"best", "tied"}


def test_two_methods_alone_are_never_told_apart_where_their_difference_is_not() -> None:
    for seed in range(10):
        one, other = table(3, 80, 0.6, seed), table(3, 80, 0.5, seed + 100)
        found = compare({"one": one, "other": other})
        interval = difference(one, other)
        assert (found.p_values[0] <= 0.05) <= (interval.low > 0 or interval.high < 0)


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


def test_equivalence_is_two_one_sided_tests() -> None:
    """Against scipy's t-tests of the shifted means, on methods without a spread over problems."""
    rng = np.random.default_rng(0)
    one, other = (np.repeat(0.5 + 0.01 * rng.normal(size=(6, 1)), 5000, axis=1) for _ in range(2))
    found = compare({"one": one, "other": other})
    a, b = (one, other) if found.names[0] == "one" else (other, one)
    tests = [
        stats.ttest_ind(a[:, 0] + 0.03, b[:, 0], equal_var=False, alternative="greater").pvalue,
        stats.ttest_ind(a[:, 0] - 0.03, b[:, 0], equal_var=False, alternative="less").pvalue,
    ]
    plain = dataclasses.replace(found, tails=np.zeros(1))
    assert plain.equivalence(0.03)[0] == pytest.approx(max(tests), rel=0.02)
    assert found.equivalence(0.03)[0] >= plain.equivalence(0.03)[0]
    assert found.equivalence(1e-6)[0] > 0.5


def test_skewness_moves_a_t_towards_zero_and_never_away() -> None:
    deviations = np.array([0.3, 0.3, -0.3, -0.3, 0.0])
    thirds = np.array([-0.0002, 0.0002, 0.0002, -0.0002, 0.0002])
    moved = without_skewness(deviations, thirds, np.full(5, 0.01))
    assert abs(moved[0]) < 0.3 and moved[1] == pytest.approx(0.3)
    assert moved[2] == pytest.approx(-moved[0]) and moved[3] == pytest.approx(-0.3) and moved[4] == 0
    t, g = 3.0, -0.2
    assert moved[0] == pytest.approx(0.1 * (t + g * t**2 / 3 + g**2 * t**3 / 27 + g / 6))
    assert without_skewness(np.array([0.2]), np.zeros(1), np.zeros(1)) == pytest.approx(0.2)


def test_a_t_far_out_loses_no_more_by_skewness_than_one_of_eight() -> None:
    ts = np.array([1.0, 4.0, 8.0, 9.0, 17.0, 60.0])
    lost = ts - without_skewness(ts, np.full(6, -0.3), np.ones(6))
    assert (np.diff(lost[:3]) > 0).all() and lost[2:] == pytest.approx(lost[2])


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
    assert compare({"one": table(1, 50, 0.5, 0), "other": table(1, 50, 0.5, 1)}).detectable(0.05) is None
    assert compare({"one": np.ones((3, 50)), "other": np.ones((3, 50))}).detectable(0.05) is None


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="no method to compare"):
        compare({})
    with pytest.raises(ValueError, match="different numbers of problems"):
        compare({"one": np.zeros((2, 10)), "other": np.zeros((2, 11))})
    with pytest.raises(ValueError, match="two or more of each"):
        planned_variance(1, 100, 0.1, 0.1, 0.1)
