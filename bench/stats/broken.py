"""How often runs break, and what a mean over sound and broken runs is worth.

A method whose runs sometimes die has accuracies in two heaps. Student's interval takes them as one: if a tenth of the
runs die, it holds the mean in 46 to 67 % of repetitions at 5 to 10 seeds, because a handful of seeds seldom shows a
death. So the share of broken runs and the accuracy of sound ones are estimated by themselves, and the interval of the
mean is what the two, and bounds on the accuracy of broken runs, leave possible (Bonferroni over the three).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from rlvr_bench.stats.estimate import CONFIDENCE, Estimate, accuracies
from rlvr_bench.stats.random_effects import Floats, cell_means

SHARE_SPENDS, SOUND_SPENDS, BROKEN_SPENDS = 0.5, 0.4, 0.1
"""Parts of the mean's error: most goes to the share of broken runs, whose ignorance makes most of the width."""


@dataclass(frozen=True)
class Mixture:
    """The runs of one method that have an accuracy.

    Attributes:
        outcomes: in [0, 1], shape (runs, problems[, samples]).
        sound: whether each run is sound, shape (runs,).
    """

    outcomes: Floats
    sound: NDArray[np.bool_]


def broken_share(broken: int, runs: int, confidence: float = CONFIDENCE) -> Estimate:
    """Return the share of broken runs with its exact interval (Clopper & Pearson 1934, Biometrika 26:404).

    Raises:
        ValueError: there is no run, or more are broken than there are.
    """
    if not 0 <= broken <= runs or runs == 0:
        raise ValueError(f"{broken} of {runs} runs cannot be broken; count one run or more and all broken ones")
    tail = (1 - confidence) / 2
    low = 0.0 if broken == 0 else float(betaincinv(broken, runs - broken + 1, tail))
    high = 1.0 if broken == runs else float(betaincinv(broken + 1, runs - broken, 1 - tail))
    return Estimate(broken / runs, low, high)


def mixture_means(tables: Sequence[Mixture], floor: Sequence[float] | None = None) -> list[Estimate]:
    """Return the mean over all runs of each of many methods, with an interval that covers whatever share breaks.

    Coverage and width in simulations: see `test_stats_broken`. The interval assumes that no broken run is better than
    the best that the sound runs' mean may be, or than the best broken run that was seen.

    Args:
        floor: accuracy of each method's base, which is taken off: then means are gains over a base whose accuracy is
            known exactly on these problems. None: 0.
    """
    error = 1 - CONFIDENCE
    sound = accuracies([one.outcomes[one.sound] for one in tables if one.sound.sum() > 1], 1 - error * SOUND_SPENDS)
    found, remaining = [], iter(sound)
    for one in tables:
        by_run = cell_means(one.outcomes).mean(axis=1)
        of_sound = next(remaining) if one.sound.sum() > 1 else Estimate(float(by_run.mean()), 0.0, 1.0)
        found.append(_mixture(by_run, one.sound, of_sound))
    return found


def _mixture(by_run: Floats, sound: NDArray[np.bool_], of_sound: Estimate) -> Estimate:
    error, broken = 1 - CONFIDENCE, by_run[~sound]
    share = broken_share(len(broken), len(by_run), 1 - error * SHARE_SPENDS)
    low, high = _bounded_mean(broken, of_sound.high, error * BROKEN_SPENDS)
    shares = np.array([share.low, share.high])
    lowest = ((1 - shares) * of_sound.low + shares * min(low, of_sound.low)).min()
    highest = ((1 - shares) * of_sound.high + shares * high).max()
    mean = float(by_run.mean())
    return Estimate(mean, min(float(lowest), mean), max(float(highest), mean))


def _bounded_mean(broken: Floats, best: float, error: float) -> tuple[float, float]:
    """Return the interval of the mean of values that lie between 0 and `best` or the largest seen (Hoeffding 1963)."""
    if not len(broken):
        return 0.0, best
    top = max(best, float(broken.max()))
    reach = top * sqrt(log(2 / error) / (2 * len(broken)))
    return max(float(broken.mean()) - reach, 0.0), min(float(broken.mean()) + reach, top)
