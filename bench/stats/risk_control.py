"""Finite-sample promises about a mean loss: e-values by betting, upper bounds, and tests along a declared sequence.

A promise "the mean loss is at most `level`" is made where the hypothesis that it is larger is rejected (Learn then
Test, arXiv 2110.01052). The losses of independent units are all that is assumed; what shares a unit, such as the traces
of a problem, is averaged first. The promise then fails in at most `alpha` of all draws of the calibration units.
"""

from collections.abc import Callable, Iterable

import numpy as np

from rlvr_bench.stats.random_effects import Floats

_STAKES = np.linspace(0.05, 1, 20)
_WEIGHTS = np.append(np.full(19, 0.5 / 19), 0.5)
"""Half of the capital is staked whole, which is best while no unit loses; the rest is spread over smaller stakes."""


def e_value(losses: Floats, level: float) -> float:
    """Return the evidence against a mean loss of `level` or more; its mean is at most 1 where that is true.

    sum_k w_k prod_i (1 - s_k + s_k (1 - loss_i) / (1 - level)): bets of constant stakes s_k that the mean is smaller
    (arXiv 2010.09686), mixed, so that the order of the units does not matter. It rises with `level`.

    Args:
        losses: one for each unit, at most 1, of any size below; shape (units,).
        level: below 1.
    """
    gains = (1 - np.asarray(losses, dtype=np.float64)) / (1 - level)
    with np.errstate(divide="ignore"):
        logs = np.log1p(_STAKES[:, None] * (gains - 1)).sum(axis=1)
    return float((_WEIGHTS * np.exp(np.minimum(logs, 500.0))).sum())


def p_value(losses: Floats, level: float) -> float:
    """Return the p-value of a mean loss of `level` or more, 1 / e (Markov's inequality)."""
    evidence = e_value(losses, level)
    return 1.0 if evidence <= 1 else 1 / evidence


def upper_bound(losses_at: Callable[[float], tuple[Floats, float]], alpha: float) -> float:
    """Return the smallest of the levels 0 to 1 that can be promised, 1 where none below can.

    Args:
        losses_at: from a level that may be promised to losses and the level of their mean; harder for smaller ones.
    """
    low, high = 0.0, 1.0
    if p_value(*losses_at(low)) <= alpha:
        return low
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if p_value(*losses_at(middle)) <= alpha else (middle, high)
    return high


def ratio_losses(part: Floats, whole: Floats, level: float) -> Floats:
    """Return losses whose mean is at most 0 exactly when E part / E whole is at most `level`, each at most 1.

    Args:
        part, whole: of each unit, 0 <= part <= whole <= 1; shape (units,).
    """
    return (part - level * whole) / (1 - level)


def fixed_sequence(p_values: Iterable[float], alpha: float) -> int:
    """Return how many hypotheses of a declared order are rejected, up to the first that is not.

    The chance of one false rejection or more is at most `alpha`, whatever the dependence (arXiv 2110.01052, sec. 3).
    """
    rejected = 0
    for p in p_values:
        if p > alpha:
            break
        rejected += 1
    return rejected
