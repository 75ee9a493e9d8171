"""The drift that clipping makes of a reward that knows nothing: the formula against a simulation that has none."""

from math import inf

import numpy as np
import pytest
from scipy import stats

from rlvr_bench.stats.clip_drift import Clip, completions_needed, drift_per_completion, step_size
from rlvr_bench.stats.random_effects import Floats

BOTH, HIGH, LOW, OFF = Clip(0.02, 0.02), Clip(None, 0.02), Clip(0.02, None), Clip(None, None)


def clipped_gradients(p: float, moves: Floats, clip: Clip, random: np.random.Generator) -> Floats:
    """d/dz of min(r A, clip(r) A) by differences: actions of probability p, A = +-1, a policy that moved since."""
    chosen, advantages = random.random(moves.shape) < p, random.choice([-1.0, 1.0], moves.shape)
    low, high = 1 - (clip.low or 1.0), 1 + (clip.high or 1e9)

    def surrogate(z: Floats) -> Floats:
        now = 1 / (1 + np.exp(-z))
        ratio = np.where(chosen, now / p, (1 - now) / (1 - p))
        return np.minimum(ratio * advantages, np.clip(ratio, low, high) * advantages)

    at, step = np.log(p / (1 - p)) + moves, 1e-6
    return (surrogate(at + step) - surrogate(at - step)) / (2 * step)


@pytest.mark.parametrize("clip", [Clip(0.004, 0.004), Clip(None, 0.004), Clip(0.004, None)])
@pytest.mark.parametrize("p", [0.65, 0.9, 0.3])
def test_the_formula_against_a_simulated_policy_gradient(p: float, clip: Clip) -> None:
    random = np.random.default_rng(0)
    spread = 0.01
    gradients = clipped_gradients(p, random.normal(0, spread, 2_000_000), clip, random)
    # To first order in the spread: each of the four probabilities may be off by about that share of itself.
    second_order = spread * 0.5 * p * (1 - p) * 2
    assert gradients.mean() == pytest.approx(
        drift_per_completion(p, spread, clip), abs=4 * stats.sem(gradients) + second_order
    )


def test_drift_feeds_the_mode_on_the_high_side_and_starves_it_on_the_low_one() -> None:
    for p in (0.6, 0.65, 0.9):
        assert drift_per_completion(p, 0.1, HIGH) > 0 > drift_per_completion(p, 0.1, LOW)
        assert drift_per_completion(1 - p, 0.1, HIGH) == pytest.approx(-drift_per_completion(p, 0.1, HIGH))
    assert drift_per_completion(0.5, 0.1, HIGH) == pytest.approx(0, abs=1e-12)
    assert drift_per_completion(0.65, 0.1, OFF) == drift_per_completion(0.65, 0.0, BOTH) == 0
    shares = np.array([0.9, 0.1])
    assert drift_per_completion(shares, 0.1, HIGH) == pytest.approx(0, abs=1e-12)


def test_completions_needed_are_those_that_the_normal_power_asks_for() -> None:
    drift = drift_per_completion(0.65, 0.3, Clip(0.2, 0.2))
    needed = completions_needed(drift, 0.65)
    assert needed == pytest.approx(250_000, rel=0.1)
    noise = np.sqrt(needed * 0.65 * 0.35)
    assert stats.norm.sf(stats.norm.ppf(0.975) - needed * drift / noise) == pytest.approx(0.8, abs=1e-3)
    one_side_alone = drift_per_completion(0.65, 0.1, HIGH) - drift_per_completion(0.65, 0.1, LOW)
    assert 2_000 < completions_needed(one_side_alone, 0.65) < 5_000
    assert completions_needed(0.0, 0.65) == inf


def test_the_step_of_an_update_follows_from_the_spread_that_it_leaves() -> None:
    random = np.random.default_rng(1)
    step, completions, updates, p = 0.4, 16, 8, 0.65
    scores = np.where(random.random((20_000, updates - 1, completions)) < p, 1 - p, -p)
    moves = step * (scores * random.choice([-1.0, 1.0], scores.shape)).mean(axis=2)
    since = np.concatenate([np.zeros((20_000, 1)), moves.cumsum(axis=1)], axis=1)
    spread = float(np.sqrt((since**2).mean()))
    assert step_size(spread, p * (1 - p), completions, updates) == pytest.approx(step, rel=0.02)


def test_predicted_and_simulated_change_of_log_odds() -> None:
    """Runs of a two-armed policy gradient drift where the formula says, a little less far.

    Clipping also pulls the log-odds back to where they were sampled, the more so the more completions an update has:
    their move is not the free one that the formula takes it for.
    """
    random = np.random.default_rng(2)
    p, step, completions, updates, batches, runs = 0.65, 0.06, 1, 8, 10, 40_000
    z = np.full(runs, np.log(p / (1 - p)))
    start = z.mean()
    predicted = 0.0
    for _ in range(batches):
        sampled, since = 1 / (1 + np.exp(-z)), z.copy()
        for _ in range(updates):
            predicted += step * drift_per_completion(sampled, float(np.sqrt(((z - since) ** 2).mean())), HIGH)
            chosen = random.random((runs, completions)) < sampled[:, None]
            advantages = random.choice([-1.0, 1.0], (runs, completions))
            now = (1 / (1 + np.exp(-z)))[:, None]
            ratio = np.where(chosen, now / sampled[:, None], (1 - now) / (1 - sampled[:, None]))
            kept = ~((ratio > 1.02) & (advantages > 0))
            z = z + step * (advantages * ratio * np.where(chosen, 1 - now, -now) * kept).mean(axis=1)
    error = float(stats.sem(z))
    assert 0.6 * predicted - 4 * error < z.mean() - start < predicted + 4 * error
    assert z.mean() - start > 10 * error
