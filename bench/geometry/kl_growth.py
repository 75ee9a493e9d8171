"""Gate I over the steps of a run: how fast the policy moves away from the base. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from rlvr_bench.record.schema import StepRecord

WINDOW = 10
"""Records at either end whose means are the start and the end of a run."""


@dataclass(frozen=True, slots=True)
class KlGrowth:
    """How the KL to the base grew over a run; None where it is undefined.

    `per_step` is the least-squares slope over optimizer steps. `per_reward` is the KL added per unit of reward added,
    between the means of the first and last records; undefined when the reward did not rise.
    """

    per_step: float | None
    per_reward: float | None


def kl_growth(steps: Sequence[StepRecord]) -> KlGrowth:
    """Return the growth of the KL over the records that have one."""
    measured = [(record.step, record.kl, record.reward) for record in steps if record.kl is not None]
    numbers = np.array([step for step, _, _ in measured], dtype=np.float64)
    values = np.array([kl for _, kl, _ in measured], dtype=np.float64)
    spread = numbers - numbers.mean() if len(numbers) else numbers
    slope = float(spread @ values / (spread @ spread)) if len(set(numbers)) > 1 else None
    rewarded = [(kl, reward) for _, kl, reward in measured if reward is not None]
    return KlGrowth(slope, _per_reward(rewarded))


def _per_reward(pairs: Sequence[tuple[float, float]]) -> float | None:
    window = min(WINDOW, len(pairs) // 2)
    if not window:
        return None
    kl, reward = (
        fmean(pair[i] for pair in pairs[-window:]) - fmean(pair[i] for pair in pairs[:window]) for i in (0, 1)
    )
    return kl / reward if reward > 0 else None
