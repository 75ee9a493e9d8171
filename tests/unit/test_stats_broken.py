"""The share of broken runs and the mean over sound and broken ones: exact intervals, and coverage in simulations.

RANKING_SIMULATIONS=10 repeats every simulation ten times as often.
"""

import os

import numpy as np
import pytest
from scipy.stats import binomtest

from rlvr_bench.stats.broken import broken_share, mixture_mean
from rlvr_bench.stats.estimate import Estimate, accuracies

TABLES = 300 * int(os.environ.get("RANKING_SIMULATIONS", "1"))
PROBLEMS = 8
LEAST = 0.93 - 3 * np.sqrt(0.93 * 0.07 / TABLES)
"""Coverage that a procedure with 93 % shows in all but one of 700 repetitions."""


@pytest.mark.parametrize(("broken", "runs"), [(0, 5), (1, 5), (5, 5), (3, 20), (17, 40)])
def test_the_share_has_the_exact_interval(broken: int, runs: int) -> None:
    exact = binomtest(broken, runs).proportion_ci(0.95, method="exact")
    found = broken_share(broken, runs)
    assert (found.mean, found.low, found.high) == pytest.approx((broken / runs, exact.low, exact.high))


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="0 of 0 runs"):
        broken_share(0, 0)
    with pytest.raises(ValueError, match="3 of 2 runs"):
        broken_share(3, 2)


def test_of_runs_that_all_broke_the_mean_may_be_anything_above() -> None:
    found = mixture_mean(np.array([0.1, 0.0, 0.1, 0.0, 0.0]), np.zeros(5, dtype=bool), None)
    assert found.mean == pytest.approx(0.04) and found.low == 0.0 and 0.4 < found.high < 1.0


def test_gains_are_bounded_by_their_base() -> None:
    gains = np.array([0.5, 0.52, 0.48, 0.5, -0.2])
    found = mixture_mean(gains, gains > 0, Estimate(0.5, 0.47, 0.53), base=0.2)
    assert -0.2 < found.low < 0.1 and 0.5 < found.high <= 0.5301


def coverage(draw: np.random.Generator, seeds: int, dies: float, spread: float, shape: str) -> float:
    """Return how often the mean's interval holds the truth."""
    runs, sound = simulated(draw, seeds, dies, spread, shape)
    truth = 0.6 * (1 - dies) + 0.1 * dies
    of_sound = iter(
        accuracies([np.repeat(one[ok, None], PROBLEMS, 1) for one, ok in zip(runs, sound, strict=True) if ok.sum() > 1])
    )
    means = [
        mixture_mean(one, ok, next(of_sound) if ok.sum() > 1 else None) for one, ok in zip(runs, sound, strict=True)
    ]
    return float(np.mean([found.low <= truth <= found.high for found in means]))


def simulated(
    rng: np.random.Generator, seeds: int, dies: float, spread: float, shape: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return accuracies and which runs are sound, shape (tables, seeds): 0.6 on average, broken ones 0.1."""
    size = (TABLES, seeds)
    noise = {
        "normal": lambda: rng.normal(size=size),
        "skewed": lambda: rng.exponential(size=size) - 1,
        "heavy": lambda: rng.standard_t(3, size=size) / np.sqrt(3),
        "spikes": lambda: rng.choice([-1.0, 1.0], size=size),
    }[shape]()
    sound = rng.random(size) >= dies
    return np.where(sound, 0.6 + spread * noise, 0.2 * rng.random(size)), sound


@pytest.mark.parametrize("seeds", [5, 10, 20, 40])
@pytest.mark.parametrize("dies", [0.0, 0.05, 0.1, 0.25, 0.4])
def test_the_mean_is_covered_whatever_share_dies(seeds: int, dies: float) -> None:
    assert coverage(np.random.default_rng(seeds), seeds, dies, 0.02, "normal") >= LEAST


@pytest.mark.parametrize("seeds", [5, 10, 20, 40])
@pytest.mark.parametrize("spread", [0.007, 0.05, 0.13])
def test_the_mean_is_covered_whatever_the_spread(seeds: int, spread: float) -> None:
    assert coverage(np.random.default_rng(seeds), seeds, 0.0, spread, "normal") >= LEAST


@pytest.mark.parametrize("shape", ["skewed", "heavy", "spikes"])
@pytest.mark.parametrize("seeds", [5, 40])
def test_the_mean_is_covered_in_other_shapes(seeds: int, shape: str) -> None:
    assert coverage(np.random.default_rng(seeds), seeds, 0.1, 0.03, shape) >= LEAST


def test_students_interval_alone_is_not_enough() -> None:
    """Why the mean has an interval of its own."""
    rng = np.random.default_rng(0)
    runs, _ = simulated(rng, 5, 0.1, 0.02, "normal")
    plain = accuracies([np.repeat(one[:, None], PROBLEMS, 1) for one in runs])
    assert np.mean([one.low <= 0.55 <= one.high for one in plain]) < 0.7
