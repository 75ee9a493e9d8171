"""Ranks over bases and Kendall's tau, against scipy and planted orders."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from rlvr_bench.stats.random_effects import Floats
from rlvr_bench.stats.ranks import kendall, mean_ranks

SCORES = st.lists(st.integers(0, 5), min_size=3, max_size=12)


@given(SCORES, st.randoms(use_true_random=False))
def test_tau_is_scipys(one: list[int], shuffler: object) -> None:
    other = sorted(one, key=lambda value: hash((value, len(one))))
    assume(len(set(one)) > 1)
    assert kendall(one, other, "k").mean == pytest.approx(stats.kendalltau(one, other).statistic)


def test_the_interval_of_tau_is_scipys_over_resampled_items() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=20)
    other = one + rng.normal(size=20)
    found = kendall(list(one), list(other), "items")
    draws = [stats.kendalltau(one[places], other[places]).statistic for places in rng.integers(0, 20, (2000, 20))]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=0.05)
    with pytest.raises(ValueError, match="differ on both sides"):
        kendall([1.0, 1.0], [0.0, 1.0], "constant")


def _table(rng: np.random.Generator, level: float) -> Floats:
    return (rng.random((5, 400)) < level).astype(np.float64)


def test_planted_orders_have_their_ranks_and_equal_methods_share_theirs() -> None:
    rng = np.random.default_rng(1)
    tables = {
        base: {name: _table(rng, level) for name, level in levels.items()}
        for base, levels in {
            "one": {"good": 0.9, "middle": 0.6, "bad": 0.2},
            "other": {"good": 0.8, "middle": 0.5, "bad": 0.3},
        }.items()
    }
    found = mean_ranks(tables)
    assert [found[name].mean for name in ("good", "middle", "bad")] == [1.0, 2.0, 3.0]
    assert found["good"].high < 1.5
    alike = {"base": {name: _table(rng, 0.5) for name in "abcd"}}
    spread = mean_ranks(alike)
    assert all(each.low <= 2.5 <= each.high for each in spread.values())
    assert sum(each.mean for each in spread.values()) == pytest.approx(10.0)
    tied = {"base": dict.fromkeys("ab", np.ones((3, 10)))}
    assert {each.mean for each in mean_ranks(tied).values()} == {1.5}
