"""A test of two means that rests on accuracies lying in [0, 1] alone, not on how seeds scatter.

If the better method's mean were at most m, each of its seeds divided by m would be 1 or less on average, so that their
product is an e-value (a bet of everything at every seed: Waudby-Smith & Ramdas 2024, J. R. Stat. Soc. B 86:1), and so
is that of (1 - seed) / (1 - m) for a worse method whose mean is m or more. If the better one is not better, both hold
for some m, so that 1 over the least product of the two is a p-value (Ville 1939), for any number of seeds. It finds
only large differences, such as that of a method at 90 % to an untrained base at 10 %; but those also where a t has few
degrees of freedom, or loses much by skewness.
"""

import numpy as np
from scipy.special import ndtr, xlogy

from rlvr_bench.stats.random_effects import Floats

PROBLEM_ERRORS = 5.0
"""Standard errors over problems that are taken off the better method's accuracies; their chance is added to the p."""


def bounded_p_value(better: Floats, worse: Floats, problem_variance: float) -> float:
    """Return the two-sided p-value of equal means, in [0, 1].

    Args:
        better, worse: accuracies in [0, 1] of shape (seeds,); one alone is a model without seeds, whose mean is known.
        problem_variance: of the difference over problems.
    """
    left = np.maximum(better - PROBLEM_ERRORS * np.sqrt(problem_variance), 0.0)
    seeds, rivals = (len(side) if len(side) > 1 else 0 for side in (left, worse))
    if not seeds + rivals:
        return 1.0
    mean = left[0] if not seeds else worse[0] if not rivals else seeds / (seeds + rivals)
    log_p = np.float64(xlogy(seeds, mean) + xlogy(rivals, 1 - mean))
    with np.errstate(divide="ignore"):
        log_p -= np.log(left).sum() if seeds else 0.0
        log_p -= np.log1p(-worse).sum() if rivals else 0.0
    return float(min(2 * (np.exp(min(log_p, 0.0)) + ndtr(-PROBLEM_ERRORS)), 1.0))
