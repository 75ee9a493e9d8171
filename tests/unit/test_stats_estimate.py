"""Mean squares, p-values and intervals: against SciPy where it has the special case, and by simulation."""

from dataclasses import astuple

import numpy as np
import pytest
from scipy import stats

from rlvr_bench.stats.estimate import accuracies, accuracy, difference, differences, paired_difference, seed_sd
from rlvr_bench.stats.random_effects import Variance, half_width, mean_squares, p_value, pooled_df


def table(seeds: int, problems: int, share: float, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((seeds, problems)) < share).astype(np.float64)


def variance(problems: float, seeds: float, seed_df: float, problem_df: int = 10**9) -> Variance:
    return Variance(np.float64(problems), problem_df, np.float64(seeds), np.float64(0.0), np.float64(seed_df))


def test_mean_squares_by_their_definition() -> None:
    outcomes = table(4, 30, 0.6)
    found = mean_squares(outcomes)
    grand, rows, columns = outcomes.mean(), outcomes.mean(axis=1), outcomes.mean(axis=0)
    residual = outcomes - rows[:, None] - columns[None, :] + grand
    assert found.seeds == pytest.approx(30 * rows.var(ddof=1))
    assert found.problems == pytest.approx(4 * columns.var(ddof=1))
    assert found.residual == pytest.approx((residual**2).sum() / (3 * 29))


@pytest.mark.parametrize("df", [1, 2, 3.8, 9])
def test_with_seeds_alone_it_is_students_t(df: float) -> None:
    for distance in (0.5, 2.0, 10.0, 30.0):
        expected = 2 * stats.t.sf(distance, df)
        assert p_value(distance, variance(0.0, 1.0, df)) == pytest.approx(expected, rel=2e-3)


def test_with_problems_alone_it_is_students_t_of_the_problems() -> None:
    assert p_value(2.0, variance(1.0, 0.0, 1.0, 7)) == pytest.approx(2 * stats.t.sf(2.0, 7))


def test_a_half_width_has_its_level_as_p_value() -> None:
    parts = Variance(np.array([1.0, 0.2]), 50, np.array([0.5, 3.0]), np.array([0.1, 0.1]), np.array([2.0, 4.0]))
    assert p_value(half_width(parts, 0.01), parts) == pytest.approx(0.01, rel=1e-6)


def test_intervals_that_are_found_together_are_those_found_alone() -> None:
    tables = [table(seeds, problems, share) for seeds, problems, share in [(3, 40, 0.5), (1, 25, 0.9), (5, 80, 1.0)]]
    pairs = [(table(3, 40, 0.5), table(1, 40, 0.2, seed=1)), (table(4, 30, 0.8), table(2, 30, 0.8, seed=2))]
    together = [*accuracies(tables), *differences(pairs)]
    alone = [*map(accuracy, tables), *(difference(*pair) for pair in pairs)]
    for one, other in zip(together, alone, strict=True):
        assert astuple(one) == pytest.approx(astuple(other), rel=1e-12, abs=1e-15)
    assert accuracies([]) == differences([]) == []


def test_without_spread_only_a_deviation_of_zero_is_possible() -> None:
    nothing = variance(0.0, 0.0, 1.0)
    assert p_value(0.0, nothing) == 1.0 and p_value(0.1, nothing) == 0.0 and half_width(nothing, 0.05) == 0.0


def test_degrees_of_freedom_are_welchs() -> None:
    one, other = np.array([0.6, 0.62, 0.7]), np.array([0.3, 0.34, 0.31, 0.33])
    parts = (np.float64(one.var(ddof=1) / 3), 2, np.float64(other.var(ddof=1) / 4), 3)
    assert pooled_df(*parts) == pytest.approx(stats.ttest_ind(one, other, equal_var=False).df)


def test_seeds_that_differ_on_every_problem_alike_give_welchs_interval() -> None:
    one, other = np.array([0.6, 0.62, 0.7]), np.array([0.3, 0.34, 0.31, 0.33])
    found = difference(np.repeat(one[:, None], 40, axis=1), np.repeat(other[:, None], 40, axis=1))
    expected = stats.ttest_ind(one, other, equal_var=False).confidence_interval()
    # Welch's degrees of freedom are an approximation; the generalised interval is a little wider.
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=0.02)


def test_one_seed_has_the_wilson_interval() -> None:
    outcomes = np.zeros((1, 2000))
    outcomes[0, :1900] = 1
    expected = stats.binomtest(1900, 2000).proportion_ci(method="wilson")
    found = accuracy(outcomes)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=2e-4)


def test_all_correct_is_no_proof_of_one() -> None:
    perfect, hopeless = accuracy(np.ones((3, 512))), accuracy(np.zeros((3, 512)))
    assert perfect.high == 1.0 and 0.99 < perfect.low < 0.995
    assert hopeless.low == 0.0 and hopeless.high == pytest.approx(1 - perfect.low)


def test_a_base_without_seeds_is_paired_by_problem() -> None:
    tuned, base = table(3, 200, 0.7), table(1, 200, 0.4, seed=1)
    one, other = difference(tuned, base), paired_difference(tuned, np.repeat(base, 3, axis=0))
    assert (one.mean, one.low, one.high) == pytest.approx((other.mean, other.low, other.high))


def test_samples_are_averaged_first() -> None:
    samples = (np.random.default_rng(0).random((3, 50, 8)) < 0.5).astype(np.float64)
    assert accuracy(samples) == accuracy(samples.mean(axis=2))


def test_the_same_runs_made_twice_differ_by_nothing() -> None:
    outcomes = table(3, 50, 0.5)
    found = paired_difference(outcomes, outcomes)
    assert found.low == found.mean == found.high == 0.0


def test_sd_over_seeds_has_the_chi_square_interval() -> None:
    outcomes = table(5, 100, 0.5)
    found = seed_sd(outcomes)
    sd = outcomes.mean(axis=1).std(ddof=1)
    low, high = (sd * np.sqrt(4 / stats.chi2.ppf(tail, 4)) for tail in (0.975, 0.025))
    assert found is not None and (found.mean, found.low, found.high) == pytest.approx((sd, low, high))
    assert seed_sd(outcomes[:1]) is None


@pytest.mark.parametrize("shape", [(512,), (0, 10), (3, 1), (3, 4, 0)])
def test_what_is_no_table_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="two or more problems"):
        accuracy(np.zeros(shape))


def test_other_problems_are_refused() -> None:
    with pytest.raises(ValueError, match="on 10 and 11 problems"):
        difference(np.zeros((2, 10)), np.zeros((2, 11)))
    with pytest.raises(ValueError, match="cannot be paired by seed"):
        paired_difference(np.zeros((2, 10)), np.zeros((3, 10)))


# The truth of a normal model is its mean. Three standard errors of a share near 0.95 over 300 trials are 0.04.
@pytest.mark.parametrize(("seeds", "sd"), [(3, 0.0), (3, 0.05), (3, 0.15), (10, 0.05)])
def test_about_95_percent_of_the_intervals_hold_the_truth(seeds: int, sd: float) -> None:
    rng = np.random.default_rng(7)
    hits, trials, problems = 0, 300, 128
    for _ in range(trials):
        effects = sd * rng.normal(size=(seeds, 1)) + 0.2 * rng.normal(size=(1, problems))
        found = difference(effects + 0.4 * rng.normal(size=(seeds, problems)), np.zeros((1, problems)))
        hits += found.low <= 0 <= found.high
    assert hits / trials >= 0.91
    if seeds == 10:
        assert hits / trials <= 0.99
