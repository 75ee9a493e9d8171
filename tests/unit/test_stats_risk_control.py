"""Promises about a mean loss against exact binomial arithmetic, and kept in at least 95 % of simulated draws."""

import numpy as np
import pytest

from rlvr_bench.stats.risk_control import e_value, fixed_sequence, p_value, ratio_losses, upper_bound

ALPHA = 0.05
DRAWS = 2000
LIMIT = ALPHA + 3 * (ALPHA * (1 - ALPHA) / DRAWS) ** 0.5
"""Three standard errors of a share of DRAWS above 5 %."""


def test_an_e_value_has_mean_one_at_the_level_itself() -> None:
    # All 2^12 outcomes of a fair coin, each as likely: the exact mean, not a sample of it.
    outcomes = (np.arange(2**12)[:, None] >> np.arange(12)) & 1
    assert np.mean([e_value(row.astype(float), 0.5) for row in outcomes]) == pytest.approx(1.0)


def test_without_a_loss_the_whole_stake_is_the_binomial_chance() -> None:
    losses = np.zeros(200)
    assert p_value(losses, 0.02) <= 2 * 0.98**200
    assert p_value(losses, 0.02) >= 0.98**200
    assert p_value(np.zeros(100), 0.02) > ALPHA  # 0.98 ** 100 is 0.13: nothing can be promised


def test_order_does_not_matter_and_larger_losses_are_less_evidence() -> None:
    losses = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], 300, p=[0.05, 0.9, 0.05])
    assert e_value(losses, 0.1) == pytest.approx(e_value(losses[::-1], 0.1))
    assert e_value(losses + 0.01 * (losses < 1), 0.1) < e_value(losses, 0.1) < e_value(losses, 0.12)


@pytest.mark.parametrize(("gain", "loss"), [(0.0, 0.05), (0.1, 0.15), (0.3, 0.35)])
def test_a_promise_at_the_true_mean_is_made_in_at_most_five_percent_of_draws(gain: float, loss: float) -> None:
    draws = np.random.default_rng(1).choice([-1.0, 0.0, 1.0], (DRAWS, 400), p=[gain, 1 - gain - loss, loss])
    assert np.mean([p_value(row, loss - gain) <= ALPHA for row in draws]) <= LIMIT


def test_a_bound_lies_above_the_truth_in_at_least_95_percent_of_draws() -> None:
    draws = (np.random.default_rng(2).random((400, 300)) < 0.1).astype(float)
    bounds = np.array([upper_bound(lambda level, row=row: (row, level), ALPHA) for row in draws])  # type: ignore[misc]
    assert np.mean(bounds < 0.1) <= ALPHA + 3 * (ALPHA * (1 - ALPHA) / 400) ** 0.5
    assert bounds.mean() < 0.18  # and it is no idle bound


def test_a_share_of_clustered_traces_is_promised_by_problem() -> None:
    # Problems, not traces, are independent: all right traces of a problem are dropped together, or none is.
    source, violations = np.random.default_rng(3), 0
    for _ in range(DRAWS):
        whole = source.integers(0, 9, 300) / 8
        part = whole * (source.random(300) < 0.1)
        violations += p_value(ratio_losses(part, whole, 0.1), 0.0) <= ALPHA
    assert violations / DRAWS <= LIMIT


def test_a_sequence_ends_at_its_first_failure() -> None:
    assert fixed_sequence([0.01, 0.05, 0.2, 0.001], ALPHA) == 2
    assert fixed_sequence([], ALPHA) == 0
