"""Interquartile mean, probability of improvement, profiles and the bootstraps behind them, against SciPy.

rliable computes its interquartile mean by `scipy.stats.trim_mean` and its probability of improvement by
`scipy.stats.mannwhitneyu`; these are the references here.
"""

import numpy as np
import pytest
from scipy import stats

from rlvr_bench.stats import aggregate as over_tasks
from rlvr_bench.stats.bootstrap import interquartile_mean, mean, percentiles, resample, resample_counts
from rlvr_bench.stats.estimate import Estimate
from rlvr_bench.stats.random_effects import mean_squares


def tables(runs: int, count: int, share: float = 0.6, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [(rng.random((runs, 60)) < share).astype(np.float64) for _ in range(count)]


def difference_of_iqms(
    one: list[np.ndarray], other: list[np.ndarray], problems: str, models: tuple[str, str]
) -> Estimate:
    """Return the difference of two interquartile means on the same problems, which are drawn together."""
    value = float(over_tasks.iqm(over_tasks.scores_of(one))) - float(over_tasks.iqm(over_tasks.scores_of(other)))
    draws = [
        over_tasks.iqm(over_tasks.resampled_scores(of_tasks, problems, model))
        for of_tasks, model in zip((one, other), models, strict=True)
    ]
    return percentiles(value, draws[0] - draws[1])


@pytest.mark.parametrize("size", [1, 3, 7, 40])
def test_interquartile_mean_of_counted_values_is_scipys_trimmed_mean(size: int) -> None:
    rng = np.random.default_rng(size)
    values, counts = np.sort(rng.random(size)), rng.integers(1, 5, size).astype(np.float64)
    expected = stats.trim_mean(np.repeat(values, counts.astype(int)), 0.25)
    assert interquartile_mean(values, counts) == pytest.approx(expected)


@pytest.mark.parametrize(("runs", "count"), [(3, 1), (3, 5), (10, 4)])
def test_interquartile_mean_of_runs_and_tasks_is_scipys_trimmed_mean(runs: int, count: int) -> None:
    scores = np.random.default_rng(0).random((runs, count))
    assert over_tasks.iqm(scores) == pytest.approx(stats.trim_mean(scores, 0.25, axis=None))


def test_probability_of_improvement_is_mann_whitney() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.integers(0, 6, (5, 3)) / 6, rng.integers(0, 6, (4, 3)) / 6
    expected = np.mean([stats.mannwhitneyu(one[:, t], other[:, t]).statistic / 20 for t in range(3)])
    assert over_tasks.probability_of_improvement(one, other) == pytest.approx(expected)


def test_a_profile_by_hand() -> None:
    assert over_tasks.share_above(0.4)(np.array([[0.2, 0.6], [0.4, 1.2]])) == 0.5


def test_run_draws_have_the_unbiased_variance() -> None:
    one_task = [np.repeat(np.array([[0.2], [0.5], [0.9]]), 2, axis=1)]
    draws = over_tasks.mean_score(over_tasks.resampled_scores(one_task, "p", "m", 20000))
    assert draws.var() == pytest.approx(np.var([0.2, 0.5, 0.9], ddof=1) / 3, rel=0.05)


def test_intervals_hold_their_value_and_equal_keys_give_equal_intervals() -> None:
    own, other = tables(3, 4), tables(3, 4, 0.4, seed=1)
    for statistic in (over_tasks.iqm, over_tasks.mean_score):
        found = over_tasks.aggregate(statistic, own, "p", "m")
        assert found.low <= found.mean <= found.high and found.low < found.high
        assert found == over_tasks.aggregate(statistic, own, "p", "m")
    gap = difference_of_iqms(own, other, "p", ("one", "other"))
    assert 0 < gap.low <= gap.mean <= gap.high


@pytest.mark.parametrize("statistic", [over_tasks.iqm, over_tasks.mean_score])
def test_many_models_at_once_are_what_each_is_alone(statistic: over_tasks.Aggregate) -> None:
    models = {f"m{runs}-{seed}": tables(runs, 1, seed=seed)[0] for runs in (2, 5) for seed in (0, 1)}
    together = over_tasks.aggregate_each(statistic, models, "p")
    assert together == {name: over_tasks.aggregate(statistic, [one], "p", name) for name, one in models.items()}


def test_runs_that_all_win_are_no_proof() -> None:
    found = over_tasks.improvement(tables(3, 1, 0.95), tables(3, 1, 0.05), "p", ("one", "other"))
    assert found.mean == found.high == 1.0 and found.low == pytest.approx(0.025 ** (1 / 3))


def test_a_profile_falls_with_its_threshold() -> None:
    profile = over_tasks.performance_profile(tables(5, 3), [0.3, 0.6, 0.9], "p", "m")
    shares = [point.mean for point in profile]
    assert shares == sorted(shares, reverse=True) and shares[0] == 1.0 and shares[-1] == 0.0
    assert profile[0].low < 1.0 and profile[-1].high > 0.0


def test_tasks_with_unequal_runs_are_refused() -> None:
    with pytest.raises(ValueError, match="same number of runs"):
        over_tasks.scores_of([*tables(3, 1), *tables(4, 1)])


def test_the_bootstrap_of_a_mean_finds_the_variances_of_the_table() -> None:
    outcomes = tables(5, 1)[0]
    found = resample(outcomes, mean, resample_counts("problems", 60, 20000), "m")
    expected = mean_squares(outcomes).variance()
    assert found.value == pytest.approx(outcomes.mean())
    assert found.seeds == pytest.approx(float(expected.seeds), rel=0.1)
    assert found.interaction == pytest.approx(float(expected.residual), rel=0.1)
    assert found.problems.var() * 60 / 59 == pytest.approx(float(expected.problems), rel=0.1)


def test_models_without_seeds_that_agree_do_not_differ() -> None:
    outcomes, draws = tables(1, 1)[0], resample_counts("problems", 60)
    same = resample(outcomes, interquartile_mean, draws, "a") - resample(outcomes, interquartile_mean, draws, "b")
    assert same.estimate().low == same.estimate().high == 0.0


def test_draws_count_what_they_draw() -> None:
    counts = resample_counts("key", 5, 100, drawn=4)
    assert (counts.sum(axis=1) == 4).all() and (counts == resample_counts("key", 5, 100, drawn=4)).all()
    assert (counts != resample_counts("other", 5, 100, drawn=4)).any()


def test_the_numbers_of_rliable() -> None:
    """From rliable 1.2.0: metrics.aggregate_iqm and probability_of_improvement."""
    rng = np.random.default_rng(0)
    one, other = rng.random((5, 7)), rng.random((5, 7))
    assert over_tasks.iqm(one) == pytest.approx(0.5661636935629151)
    assert over_tasks.probability_of_improvement(one, other) == pytest.approx(0.5542857142857144)


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.5, 1.0])
def test_a_profile_is_the_share_of_runs_strictly_above(threshold: float) -> None:
    """F(t) = 1/(MN) sum over tasks and runs of 1[score > t] (Agarwal et al. 2021, section 4.2), score by score."""
    scores = np.random.default_rng(3).integers(0, 5, (6, 4)) / 4
    expected = sum(score > threshold for run in scores for score in run) / scores.size
    assert over_tasks.share_above(threshold)(scores) == pytest.approx(expected)


def test_intervals_over_tasks_hold_the_truth_in_about_95_percent() -> None:
    """Two methods equal in truth: their interquartile means differ by 0, either wins with probability 1/2.

    Three standard errors of a share near 0.95 over 150 trials are 0.05.
    """
    rng = np.random.default_rng(11)
    hits, trials = np.zeros(2), 150
    for trial in range(trials):
        difficulty = rng.random((3, 1, 64))
        one, other = (
            [
                (rng.random((5, 64)) < 0.2 + 0.6 * task + 0.05 * rng.normal(size=(5, 1))).astype(float)
                for task in difficulty
            ]
            for _ in range(2)
        )
        gap = difference_of_iqms(one, other, f"p{trial}", ("one", "other"))
        wins = over_tasks.improvement(one, other, f"p{trial}", ("one", "other"))
        hits += [gap.low <= 0 <= gap.high, wins.low <= 0.5 <= wins.high]
    assert (hits / trials >= 0.9).all()
