"""What happened at every step of a run, in a few numbers. The recorder keeps TRL's metric names."""

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from rlvr_bench.record.schema import Stability, StepRecord
from rlvr_bench.record.steps import recorded
from rlvr_bench.train.collapse import WINDOW, Ending, collapse


def summarise(
    steps: Sequence[StepRecord],
    completions_per_batch: int,
    base_accuracy: float | None = None,
    ending: Ending | None = None,
) -> Stability:
    """Condense the step records of a run and label it as `collapse` does, which takes the same."""
    collapsed = collapse(steps, completions_per_batch, base_accuracy, ending)
    label = {"collapse_step": collapsed.step, "collapse_rule": collapsed.kind} if collapsed else {}
    return Stability.model_validate(figures(steps) | label)


def figures(steps: Sequence[StepRecord]) -> dict[str, Any]:
    """Return what a summary says that follows from the steps alone, by its name in `Stability`.

    First and last are means over a window of rollout batches.
    """
    names = ("reward", "kl", "entropy", "grad_norm", "frac_reward_zero_std")
    rewards, kls, entropies, norms, dead = (recorded(steps, name) for name in names)
    smooth = [math.fsum(rewards[start : start + WINDOW]) / WINDOW for start in range(max(len(rewards) - WINDOW + 1, 0))]
    first, last = _ends(entropies)
    return {
        "steps": len(steps),
        "reward_first": _ends(rewards)[0],
        "reward_last": _ends(rewards)[1],
        "reward_peak": max(smooth, default=None),
        "reward_auc": fmean(rewards) if rewards else None,
        "kl_last": _ends(kls)[1],
        "kl_max": max(kls, default=None),
        "entropy_first": first,
        "entropy_last": last,
        "entropy_left": last / first if first and last is not None else None,
        "gradient_spikes": spikes(norms),
        "grad_norm_max": max(norms, default=None),
        "frac_reward_zero_std": fmean(dead) if dead else None,
    }


def spikes(norms: list[float], window: int = 50, deviations: float = 6.0) -> int:
    """Count gradient norms that exceed the trailing median by `deviations` times its MAD, from the tenth step on."""
    count = 0
    before: list[float] = []  # the norms of the window, kept in order: a median is then its middle
    for index, norm in enumerate(norms):
        if index >= 10 and norm > (middle := _middle(before)):
            # A MAD that is small enough has half of the window within it; to count those is quicker than to find it.
            reach = (norm - middle) / (0.999 * deviations)
            close = bisect_right(before, middle + reach) - bisect_left(before, middle - reach)
            if close >= (len(before) + 1) // 2:
                spread = _middle(sorted(abs(other - middle) for other in before))
                count += norm > middle + deviations * max(spread, 1e-12)
        insort(before, norm)
        if index >= window:
            del before[bisect_left(before, norms[index - window])]
    return count


def _middle(ordered: list[float]) -> float:
    """Return the median of values in ascending order."""
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _ends(values: list[float]) -> tuple[float | None, float | None]:
    return (fmean(values[:WINDOW]), fmean(values[-WINDOW:])) if values else (None, None)
