"""How far clipping alone moves a choice between two strategies under a reward that knows nothing: the arithmetic.

A completion chooses the strategy of log-odds z, of probability p = sigmoid(z), in one token. Its advantage is
independent of the choice. When z has moved by x ~ N(0, s^2) since the batch was sampled, the token's probability ratio
is about exp((1 - p) x) for the strategy and exp(-p x) for the other. Without clipping the policy gradient of z has mean
0; clipping takes away what lies outside of [1 - low, 1 + high] with an advantage of the same direction, and what is
left has a mean: Shao et al. 2025 (arXiv 2506.10947, appendix B) for one token of a sequence, written for two outcomes.

Clipping also pulls z back to where it was sampled, which the formula leaves out: with many completions in an update the
real drift is smaller than it says.
"""

from dataclasses import dataclass
from math import inf, log1p, sqrt

import numpy as np
from scipy.special import ndtr, ndtri

from rlvr_bench.stats.random_effects import Floats


@dataclass(frozen=True, slots=True)
class Clip:
    """The clip range [1 - low, 1 + high] of a probability ratio; None takes a side away."""

    low: float | None
    high: float | None

    @property
    def log_ends(self) -> tuple[float, float]:
        """The ends as log-ratios."""
        low = -inf if self.low is None or self.low >= 1 else log1p(-self.low)
        return low, inf if self.high is None else log1p(self.high)


def drift_per_completion(p: Floats | float, spread: float, clip: Clip, mean_positive: float = 0.5) -> float:
    """Return the mean gradient of the log-odds of a strategy, a completion: positive where clipping feeds it.

    b = mu p (1 - p) [P(r1 < 1 - low) - P(r1 > 1 + high) + P(r0 > 1 + high) - P(r0 < 1 - low)], r1 and r0 the ratios of
    the strategy's token and of the other's; to first order in the spread.

    Args:
        p: probability of the strategy, in (0, 1), or one of each prompt, over which the mean is taken.
        spread: s, standard deviation of the log-odds' move since the batch was sampled, 0 or more.
        clip: the clip range.
        mean_positive: mu = E[max(A, 0)] of the advantages, 0.5 for A = +-1 with even odds.
    """
    if spread <= 0:
        return 0.0
    low, high = clip.log_ends
    chance = np.asarray(p, dtype=np.float64)
    of_strategy, of_other = (1 - chance) * spread, chance * spread
    lost = ndtr(low / of_strategy) - ndtr(-high / of_strategy) + ndtr(-high / of_other) - ndtr(low / of_other)
    return float(np.mean(mean_positive * chance * (1 - chance) * lost))


def completions_needed(drift: float, p: float, power: float = 0.8, confidence: float = 0.95) -> float:
    """Return after how many completions a drift is found: n = (z_a + z_b)^2 p (1 - p) / b^2, for advantages of +-1.

    The gradient of one completion has the variance p (1 - p) E[A^2], so that after n of them the drift n b stands
    against a noise of sqrt(n p (1 - p)). Infinite where there is no drift.
    """
    if not drift:
        return inf
    return float((ndtri((1 + confidence) / 2) + ndtri(power)) ** 2 * p * (1 - p) / drift**2)


def step_size(spread: float, variance: float, completions: int, updates_per_batch: int) -> float:
    """Return by how much one update moves the log-odds, for a mean gradient of 1 a completion.

    After j updates of `completions` each, independent pushes of variance p (1 - p) / completions have moved the
    log-odds by a spread of sqrt(j) times that. `spread` is the root mean square over j = 0 ... updates_per_batch - 1.

    Args:
        spread: measured, of the log-odds between sampling and update.
        variance: mean of p (1 - p) over completions.
        completions: in one update.
        updates_per_batch: 2 or more.
    """
    return spread * sqrt(2 * completions / ((updates_per_batch - 1) * variance))
