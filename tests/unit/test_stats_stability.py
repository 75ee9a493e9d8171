"""Survival curves by hand and by their formulas; learning-rate tolerance against a fine grid."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rlvr_bench.stats.survival import survival
from rlvr_bench.stats.tolerance import good_width, learning_rate_tolerance

TIMES = [10.0, 20.0, 20.0, 35.0, 40.0, 55.0, 80.0, 80.0]
COLLAPSED = [True, True, True, False, True, False, False, False]


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


@given(st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=1, max_size=30))
def test_a_curve_is_that_of_scipy(runs: list[tuple[int, bool]]) -> None:
    ends, events = np.array([end for end, _ in runs], dtype=float), np.array([event for _, event in runs])
    found, curve = survival(ends, events), stats.ecdf(stats.CensoredData.right_censored(ends, ~events)).sf
    assert found.share == pytest.approx(curve.evaluate(found.times))
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        interval = curve.confidence_interval(0.95, method="log-log")
    inside = found.share > 0  # where all have collapsed scipy's interval is NaN
    assert found.low[inside] == pytest.approx(interval.low.evaluate(found.times)[inside])
    assert found.high[inside] == pytest.approx(interval.high.evaluate(found.times)[inside])


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
