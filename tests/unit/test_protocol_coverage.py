"""How often a 95 % interval holds the truth, by simulation: the numbers in the docstring of `statistics`."""

import numpy as np
import pytest

from bench.protocol.statistics import problem_draws, resampled_mean

PROBLEMS = 128
TRIALS = 250
RESAMPLES = 400


def coverage(seeds: int, seed_sd: float) -> tuple[float, float]:
    """Return how often the intervals of accuracy and of gain hold the truth of a logistic model with random seeds."""
    rng = np.random.default_rng(7)
    population = np.log(share := np.clip(rng.beta(0.7, 0.7, 100_000), 1e-4, 1 - 1e-4)) - np.log1p(-share)
    scale = seed_sd / float(np.mean(share * (1 - share)))
    tuned_truth = np.mean([probability(population[:10_000] + 0.5 + scale * z).mean() for z in rng.normal(size=300)])
    gain_truth = tuned_truth - share.mean()
    hits = np.zeros(2)
    for trial in range(TRIALS):
        logits = rng.choice(population, PROBLEMS)
        shift = 0.5 + scale * rng.normal(size=(seeds, 1))
        tuned = (rng.random((seeds, PROBLEMS)) < probability(logits + shift)).astype(np.float64)
        base = (rng.random((1, PROBLEMS)) < probability(logits)).astype(np.float64)
        draws = problem_draws(str(trial), PROBLEMS, RESAMPLES)
        accuracy = resampled_mean(tuned, draws, f"{trial}/tuned").estimate()
        gain = resampled_mean(tuned - base, draws, f"{trial}/tuned").estimate()
        hits += accuracy.low <= tuned_truth <= accuracy.high, gain.low <= gain_truth <= gain.high
    return float(hits[0] / TRIALS), float(hits[1] / TRIALS)


def probability(logits: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-logits)))


# Three standard errors of a share near 0.95 over 250 trials are 0.04.
@pytest.mark.parametrize(("seeds", "seed_sd"), [(8, 0.02), (8, 0.05), (3, 0.02), (3, 0.05)])
def test_about_95_percent_where_seeds_differ_as_much_as_problems_allow(seeds: int, seed_sd: float) -> None:
    for share in coverage(seeds, seed_sd):
        assert 0.91 <= share <= 0.995


def test_two_seeds_that_differ_much_are_known_to_be_too_sure() -> None:
    accuracy, gain = coverage(2, 0.15)
    assert 0.65 <= accuracy <= 0.85 and 0.65 <= gain <= 0.85
