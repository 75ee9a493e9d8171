"""Claims that hold whenever somebody looks: the t e-process, for seeds that are added outside of the declared looks.

An e-process is at most 1 on average under its hypothesis, whenever one stops; so it ever reaches 1 / alpha in a share
alpha of repetitions at most (Ville 1939). The differences of two methods are paired by seed here, because a sequence
needs one value at a time; what the seeds do not share costs power, never validity.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from rlvr_bench.stats.random_effects import Floats

PROBLEMS_SHARE = 0.1
"""Of alpha, spent on top of it: the chance that the drawn problems alone make a difference that is taken off first."""


@dataclass(frozen=True)
class AnytimeClaims:
    """Of each pair whether it was ever separated, and whether the first method was the better one then; (pairs,)."""

    separated: NDArray[np.bool_]
    first_is_better: NDArray[np.bool_]


def log_e_value(t: Floats, n: Floats) -> Floats:
    """Return the logarithm of the t e-process for a mean of 0 after n values, whatever their variance.

    ((v + 1) / 2) (log(1 + t^2 / v) - log(1 + t^2 / (v (1 + n)))) - log(1 + n) / 2 with v = n - 1: the likelihood ratio
    of the t statistic with standardised means that are standard normal (Lai 1976, Ann. Stat. 4:265; Wang & Ramdas 2024,
    arXiv 2310.03722).

    Args:
        t: Student's t of n values, may be infinite; `n`: two or more, same shape.
    """
    v = n - 1
    # 1 / t^2 + 1 / v, so that an infinite t has its limit; 0 stands for a t of 0, where both terms are equal.
    square = np.asarray(t, dtype=np.float64) ** 2
    inverse = np.divide(1.0, square, out=np.zeros_like(square), where=square > 0)
    ratio = np.where(square > 0, np.log(inverse + 1 / v) - np.log(inverse + 1 / (v * (1 + n))), 0.0)
    return np.asarray((v + 1) / 2 * ratio - np.log1p(n) / 2)


def anytime_claims(
    first: NDArray[np.int64], second: NDArray[np.int64], by_seed: Floats, problem_variance: Floats, alpha: float
) -> AnytimeClaims:
    """Return which pairs of methods were separated at any number of seeds: E >= pairs / alpha (Bonferroni).

    Accuracies on other problems would differ, too, so that what the drawn problems may explain at level alpha / 10 is
    taken off a difference before its t.

    Args:
        first, second: places of each pair's methods, shape (pairs,).
        by_seed: accuracies, shape (methods, seeds), NaN where a run is missing or broken.
        problem_variance: of each pair's difference over problems after each seed, shape (pairs, seeds).
    """
    differences = by_seed[first] - by_seed[second]
    present = ~np.isnan(differences)
    values = np.where(present, differences, 0.0)
    n = present.cumsum(axis=1)
    enough = np.maximum(n, 2)
    mean = values.cumsum(axis=1) / np.maximum(n, 1)
    squares = np.maximum((values**2).cumsum(axis=1) - n * mean**2, 0.0)
    pairs = len(values)
    beyond = np.abs(mean) + ndtri(PROBLEMS_SHARE * alpha / (2 * pairs)) * np.sqrt(problem_variance)
    error = np.sqrt(squares / (enough - 1) / enough)
    t = np.divide(beyond, error, out=np.full_like(error, np.inf), where=error > 0)
    log_e = np.where((n >= 2) & (beyond > 0), log_e_value(t, enough), -np.inf)
    reached = log_e >= np.log(pairs / alpha)
    when = reached.argmax(axis=1)
    return AnytimeClaims(reached.any(axis=1), mean[np.arange(pairs), when] > 0)
