"""Weighted sums over seeds and problems, against scipy, against formulas written out, and by simulated coverage."""

from collections.abc import Hashable, Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rlvr_bench.stats import estimate
from rlvr_bench.stats.false_discovery import adjusted
from rlvr_bench.stats.hierarchical import Group, Sum, Value, i_squared, seed_df, weighted_sum
from rlvr_bench.stats.random_effects import Floats

PAIRED, APART = True, False


def _group(weight: float, table: Floats, side: Hashable, problems: str = "test") -> Group:
    """Runs with these outcomes, shape (seeds, problems); under a side of their own, or paired by seed (None)."""
    keys = [seed if side is None else (side, seed) for seed in range(len(table))]
    return Group(weight, {key: Value(outcomes={problems: row}) for key, row in zip(keys, table, strict=True)})


def _scalars(weight: float, values: Sequence[float], side: Hashable) -> Group:
    keys = [seed if side is None else (side, seed) for seed in range(len(values))]
    return Group(weight, {key: Value(value) for key, value in zip(keys, values, strict=True)})


def _outcomes(rng: np.random.Generator, seeds: int, problems: int, spread: float = 0.3) -> Floats:
    """Outcomes whose probability is a problem's own, moved by the seed and by chance."""
    easy = rng.normal(0.5, 0.3, problems)
    chance = np.clip(easy + rng.normal(0, spread, (seeds, 1)), 0, 1)
    return (rng.random((seeds, problems)) < chance).astype(np.float64)


def test_without_problems_it_is_students_and_welchs() -> None:
    one, other = [0.1, 0.4, 0.35, 0.2], [0.6, 0.9, 0.55]
    welch = stats.ttest_ind(one, other, equal_var=False)
    found = weighted_sum([_scalars(1, one, "a"), _scalars(-1, other, "b")])
    assert found.interval() == pytest.approx(tuple(welch.confidence_interval(0.95)))
    assert found.p_value(0.0) == pytest.approx(welch.pvalue)
    rival = [0.2, 0.3, 0.5, 0.1]
    paired = stats.ttest_rel(one, rival)
    found = weighted_sum([_scalars(1, one, None), _scalars(-1, rival, None)])
    assert found.interval() == pytest.approx(tuple(paired.confidence_interval(0.95)))
    assert found.p_value(0.0) == pytest.approx(paired.pvalue)


def test_strata_on_the_same_seeds_are_one_sample_of_seeds() -> None:
    """As over the common seeds of two strata: Student's interval of each seed's mean difference."""
    rng = np.random.default_rng(0)
    tables = rng.normal(size=(4, 5))
    groups = [_scalars(sign / 2, row, None) for sign, row in zip((1, -1, 1, -1), tables, strict=True)]
    by_seed = (tables[0] - tables[1] + tables[2] - tables[3]) / 2
    expected = stats.ttest_1samp(by_seed, 0).confidence_interval(0.95)
    assert weighted_sum(groups).interval() == pytest.approx(tuple(expected))


def test_one_table_is_the_crossed_random_effects_interval() -> None:
    rng = np.random.default_rng(1)
    one, other = _outcomes(rng, 5, 200), _outcomes(rng, 4, 200)
    apart = estimate.difference(one, other)
    assert weighted_sum([_group(1, one, "a"), _group(-1, other, "b")]).interval() == pytest.approx(
        (apart.low, apart.high), abs=1e-9
    )
    paired = estimate.paired_difference(one[:4], other)
    assert weighted_sum([_group(1, one[:4], None), _group(-1, other, None)]).interval() == pytest.approx(
        (paired.low, paired.high), abs=1e-9
    )


def test_the_variance_is_the_two_way_clustered_one_written_out() -> None:
    """Two strata of unequal seeds, paired by seed, on two problem sets: loops over runs, seeds and problems."""
    rng = np.random.default_rng(2)
    sizes, weights, sets = (5, 5, 3, 3), (0.5, -0.5, 0.5, -0.5), ("x", "x", "y", "y")
    tables = [_outcomes(rng, size, 40) for size in sizes]
    groups = [_group(w, table, None, name) for w, table, name in zip(weights, tables, sets, strict=True)]
    found = weighted_sum(groups).variance
    assert found is not None
    seeds = residual = problems = 0.0
    for seed in range(5):
        total = 0.0
        for name in ("x", "y"):
            cells = np.zeros(40)
            for weight, table, of in zip(weights, tables, sets, strict=True):
                if of == name and seed < len(table):
                    n = len(table)
                    cells += weight / n * np.sqrt(n / (n - 1)) * (table[seed] - table.mean(axis=0))
            total += cells.mean()
            residual += sum((cell - cells.mean()) ** 2 for cell in cells) / (40 * 39)
        seeds += total**2
    for name in ("x", "y"):
        sums = [0.0] * 40
        for (weight, table, of), problem in product(zip(weights, tables, sets, strict=True), range(40)):
            sums[problem] += weight * table[:, problem].mean() if of == name else 0.0
        problems += float(np.var(sums, ddof=1)) / 40
    assert (found.seeds, found.residual, found.problems) == pytest.approx((seeds, residual, problems))


def test_degrees_of_freedom_are_those_of_pairs_and_of_welch() -> None:
    rng = np.random.default_rng(3)
    one, other = rng.normal(size=6), 3 * rng.normal(size=4)
    assert seed_df([_scalars(1, one, "a"), _scalars(-1, other, "b")]) == pytest.approx(
        stats.ttest_ind(one, other, equal_var=False).df
    )
    assert seed_df([_scalars(1, one[:4], None), _scalars(-1, other, None)]) == pytest.approx(3)
    assert seed_df([_scalars(1, [1.0, 1.0, 1.0], None)]) == pytest.approx(2)


def test_a_single_run_has_no_interval_and_no_problem_seen_is_no_proof() -> None:
    alone = weighted_sum([_group(1, np.ones((1, 50)), None)])
    assert (alone.mean, alone.interval(), alone.p_value(0.5)) == (1.0, None, None)
    always = weighted_sum([_group(1, np.ones((3, 50)), None)])
    low, high = always.interval() or (0.0, 0.0)
    assert 0.9 < low < 1.0 < high
    with pytest.raises(ValueError, match="different problems"):
        weighted_sum([Group(1, {0: Value(outcomes={"x": np.ones(5)}), 1: Value(outcomes={"y": np.ones(5)})})])
    with pytest.raises(ValueError, match="no group"):
        weighted_sum([])


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=6).filter(lambda values: np.ptp(values) > 1e-3))
def test_the_p_value_at_the_end_of_an_interval_is_five_per_cent(values: list[float]) -> None:
    found = weighted_sum([_scalars(1, values, None)])
    for end in found.interval() or ():
        assert found.p_value(end) == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("spread", [0.0, 0.05, 0.15])
@pytest.mark.parametrize("design", ["mean", "apart", "paired", "strata"])
def test_intervals_hold_the_truth(seeds: int, spread: float, design: str) -> None:
    """In 93 % of draws at least, less three standard errors of the simulation; seeds are normal, problems many."""
    held, draws = 0, 250
    for draw in range(draws):
        rng = np.random.default_rng([seeds, int(100 * spread), draw])
        truth, groups = _design(rng, design, seeds, spread)
        low, high = weighted_sum(groups).interval() or (0.0, 0.0)
        held += low <= truth <= high
    assert held / draws >= 0.93 - 3 * np.sqrt(0.95 * 0.05 / draws)


def _design(rng: np.random.Generator, design: str, seeds: int, spread: float) -> tuple[float, list[Group]]:
    """Return the true sum and groups drawn around it: 128 problems whose ease differs, seeds that move all of them."""
    ease = rng.normal(0.0, 0.15, 128)

    def runs(weight: float, moved: Floats, side: Hashable, problems: str = "test") -> Group:
        chance = np.clip(0.5 + ease + moved[:, None], 0, 1)
        return _group(weight, (rng.random(chance.shape) < chance).astype(np.float64), side, problems)

    def drawn(count: int) -> Floats:
        return rng.normal(0, spread, count)

    if design == "mean":
        return 0.5, [runs(1, drawn(seeds), None)]
    if design == "apart":
        return 0.0, [runs(1, drawn(seeds), "a"), runs(-1, drawn(seeds), "b")]
    common = drawn(seeds)
    both = [runs(1, common + drawn(seeds) / 3, None), runs(-1, common + drawn(seeds) / 3, None)]
    if design == "paired":
        return 0.0, both
    few = common[: max(2, seeds - 2)]
    again = [runs(sign, few + drawn(len(few)) / 3, None, "other") for sign in (1, -1)]
    return 0.0, [Group(group.weight / 2, group.runs) for group in (*both, *again)]


def test_heterogeneity_is_cochrans() -> None:
    parts = [
        weighted_sum([_scalars(1, values, None)]) for values in ([0.1, 0.2, 0.3], [0.5, 0.6, 0.8], [0.2, 0.1, 0.15])
    ]
    means = np.array([part.mean for part in parts])
    weights = 1 / np.array([np.var(v, ddof=1) / 3 for v in ([0.1, 0.2, 0.3], [0.5, 0.6, 0.8], [0.2, 0.1, 0.15])])
    scatter = (weights * (means - np.average(means, weights=weights)) ** 2).sum()
    assert i_squared(parts) == pytest.approx(1 - 2 / scatter)
    assert i_squared(parts[:1]) is None
    assert i_squared([parts[0], Sum(0.3, None)]) is None


@given(st.lists(st.floats(0, 1), max_size=40))
def test_adjusted_p_values_are_scipys(values: list[float]) -> None:
    expected = stats.false_discovery_control(values, method="by") if values else []
    assert adjusted(values) == pytest.approx(list(expected), abs=1e-12)
