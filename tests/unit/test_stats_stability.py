"""Survival curves by hand and by their formulas; learning-rate tolerance against a fine grid."""

import math

import numpy as np
import pytest
from scipy import stats

from rlvr_bench.stats.survival import log_rank, survival
from rlvr_bench.stats.tolerance import good_width, learning_rate_tolerance

TIMES = [10.0, 20.0, 20.0, 35.0, 40.0, 55.0, 80.0, 80.0]
COLLAPSED = [True, True, True, False, True, False, False, False]
OTHER_TIMES = [60.0, 70.0, 80.0, 80.0, 80.0]
OTHER_COLLAPSED = [True, False, False, False, False]


def test_kaplan_meier_by_hand() -> None:
    found = survival(TIMES, COLLAPSED)
    assert list(found.times) == [10.0, 20.0, 40.0]
    assert found.share == pytest.approx([7 / 8, 7 / 8 * 5 / 7, 7 / 8 * 5 / 7 * 3 / 4])
    assert found.at(39).mean == pytest.approx(5 / 8) and found.at(5).mean == 1.0
    assert found.median == 40.0


def test_the_interval_is_greenwoods_on_the_log_log_scale() -> None:
    """By the formula (Kalbfleisch & Prentice 2002, eq. 1.13), for the curve of the test by hand."""
    found = survival(TIMES, COLLAPSED)
    at_risk, fallen = np.array([8.0, 7.0, 4.0]), np.array([1.0, 2.0, 1.0])
    variance = np.cumsum(fallen / (at_risk * (at_risk - fallen)))
    width = 1.959963984540054 * np.sqrt(variance) / np.abs(np.log(found.share))
    assert found.low == pytest.approx(found.share ** np.exp(width))
    assert found.high == pytest.approx(found.share ** np.exp(-width))


def test_log_rank_is_mantels() -> None:
    """By the formula, over the four times at which a run collapsed: (sum of O - E)^2 / sum of V is chi-square."""
    own, both = np.array([8, 7, 4, 2]), np.array([13, 12, 9, 7])
    own_fallen, fallen = np.array([1, 2, 1, 0]), np.array([1, 2, 1, 1])
    expected = fallen * own / both
    variance = fallen * own / both * (1 - own / both) * (both - fallen) / (both - 1)
    statistic = (own_fallen - expected).sum() ** 2 / variance.sum()
    found = log_rank(TIMES, COLLAPSED, OTHER_TIMES, OTHER_COLLAPSED)
    assert found == pytest.approx(math.erfc(math.sqrt(statistic / 2)))


def test_groups_that_were_never_at_risk_together_do_not_differ() -> None:
    assert log_rank([5.0], [False], [5.0], [False]) == 1.0
    assert log_rank([8.0], [False], [10.0, 14.0], [True, True]) == 1.0


def test_three_sound_runs_are_no_proof_and_three_collapsed_ones_neither() -> None:
    sound, fallen = survival([80] * 3, [False] * 3), survival([5, 6, 7], [True] * 3)
    assert (sound.at(80).mean, sound.at(80).high, sound.median) == (1.0, 1.0, None)
    assert sound.at(80).low == pytest.approx(stats.binomtest(3, 3).proportion_ci(method="exact").low)
    assert (fallen.at(7).mean, fallen.at(7).low, fallen.median) == (0.0, 0.0, 6.0)
    assert fallen.at(7).high == pytest.approx(stats.binomtest(0, 3).proportion_ci(method="exact").high)


def test_what_no_run_was_seen_at_is_unknown() -> None:
    with pytest.raises(ValueError, match="no run was seen beyond step 80"):
        survival(TIMES, COLLAPSED).at(81)
    with pytest.raises(ValueError, match="one positive time and one label per run"):
        survival([], [])
    with pytest.raises(ValueError, match="one positive time and one label per run"):
        survival([0.0], [True])


def test_width_by_hand() -> None:
    decades = np.array([-4.0, -3.0, -2.0])
    assert good_width(decades, np.array([0.5, 0.8, 0.5])) == pytest.approx(2 * 0.01 / 0.3)
    assert good_width(decades, np.array([0.8, 0.8, 0.8])) == 2.0


def test_width_is_that_of_a_fine_grid() -> None:
    rng = np.random.default_rng(0)
    decades = np.sort(rng.uniform(-5, -2, 6))
    grid = np.linspace(decades[0], decades[-1], 200_001)
    for accuracies in rng.uniform(0.7, 0.73, (20, 6)):
        good = np.interp(grid, decades, accuracies) >= accuracies.max() - 0.01
        expected = good.mean() * (decades[-1] - decades[0])
        assert good_width(decades, accuracies) == pytest.approx(expected, abs=1e-3)


def test_tolerance_says_where_it_is_open() -> None:
    rng = np.random.default_rng(0)
    shares = {1e-2: 0.1, 1e-4: 0.8, 1e-3: 0.8}
    tables = [(rng.random((3, 200)) < share).astype(np.float64) for share in shares.values()]
    tables[2] = tables[1].copy()
    found = learning_rate_tolerance(list(shares), tables, "m")
    assert found.open_low and not found.open_high
    assert 1.0 < found.width.mean < 1.1 and found.width.low <= found.width.mean <= found.width.high
    assert found == learning_rate_tolerance(list(shares), tables, "m")


def test_rates_that_cannot_be_used_are_refused() -> None:
    outcomes = [np.zeros((1, 10)), np.zeros((1, 10))]
    for rates in ([1e-3], [1e-3, 1e-3], [0.0, 1e-3]):
        with pytest.raises(ValueError, match="distinct rates above 0"):
            learning_rate_tolerance(rates, outcomes, "m")
    with pytest.raises(ValueError, match="different numbers of problems"):
        learning_rate_tolerance([1e-4, 1e-3], [np.zeros((1, 10)), np.zeros((1, 11))], "m")
