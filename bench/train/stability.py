"""What happened at every step, and whether the run collapsed.

The recorder keeps TRL's metric names. The collapse rule looks at windows of rollout batches, by the verifier's verdicts
(never by the training reward, which may be random or wrong).
"""

import math
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from rlvr_bench.record.schema import Stability, StepRecord

CollapseKind = Literal["accuracy", "entropy", "non-finite", "truncation"]

WINDOW = 10
"""Rollout batches in one window."""
PATIENCE = 5
"""Windows in a row that must be bad."""


@dataclass(frozen=True, slots=True)
class Collapse:
    """When and how a run collapsed; `step` is the first step of the first bad window."""

    kind: CollapseKind
    step: int


@dataclass(frozen=True, slots=True)
class _Window:
    step: int
    accuracy: float
    entropy: float
    dead: float
    truncated: float


def collapse(
    steps: list[StepRecord], completions_per_batch: int, base_accuracy: float | None = None
) -> Collapse | None:
    """Label a run by its step records.

    A run collapsed if (a) for five windows the accuracy of its rollouts is below half of its best window or below the
    start by two standard errors, or (b) entropy is below 5 % of the start while over 90 % of the groups carry
    no signal and accuracy is not above the start, or (c) a gradient was not finite, or (d) over half of the completions
    are truncated and the share has risen for two windows. The start is the base model's sampled accuracy, or without
    one the first window's.
    """
    for record in steps:
        if record.non_finite:
            return Collapse("non-finite", record.step)
    windows = _windows(steps)
    if not windows:
        return None
    first = windows[0]
    start = first.accuracy if base_accuracy is None else base_accuracy
    error = math.sqrt(max(start * (1 - start), 1e-12) / (completions_per_batch * WINDOW))
    best, bad = start, 0
    for index, window in enumerate(windows):
        best = max(best, window.accuracy)
        floor = max(0.5 * best, start - 2 * error)
        bad = bad + 1 if window.accuracy < floor else 0
        if bad == PATIENCE:
            return Collapse("accuracy", windows[index - PATIENCE + 1].step)
        if window.entropy < 0.05 * first.entropy and window.dead > 0.9 and window.accuracy <= start:
            return Collapse("entropy", window.step)
        before = windows[max(index - 2, 0) : index]
        rising = len(before) == 2 and before[0].truncated < before[1].truncated < window.truncated
        if window.truncated > 0.5 and rising:
            return Collapse("truncation", window.step)
    return None


def summarise(steps: list[StepRecord], completions_per_batch: int, base_accuracy: float | None = None) -> Stability:
    """Condense the step records of a run; first and last are means over a window of rollout batches."""
    collapsed = collapse(steps, completions_per_batch, base_accuracy)
    rewards = [record.reward for record in steps if record.reward is not None]
    smooth = [math.fsum(rewards[start : start + WINDOW]) / WINDOW for start in range(max(len(rewards) - WINDOW + 1, 0))]
    kls = [record.kl for record in steps if record.kl is not None]
    entropies = [record.entropy for record in steps if record.entropy is not None]
    norms = [record.grad_norm for record in steps if record.grad_norm is not None]
    dead = [record.frac_reward_zero_std for record in steps if record.frac_reward_zero_std is not None]
    first, last = _ends(entropies)
    return Stability(
        steps=len(steps),
        reward_first=_ends(rewards)[0],
        reward_last=_ends(rewards)[1],
        reward_peak=max(smooth, default=None),
        reward_auc=fmean(rewards) if rewards else None,
        kl_last=_ends(kls)[1],
        kl_max=max(kls, default=None),
        entropy_first=first,
        entropy_last=last,
        entropy_left=last / first if first and last is not None else None,
        gradient_spikes=spikes(norms),
        grad_norm_max=max(norms, default=None),
        frac_reward_zero_std=fmean(dead) if dead else None,
        collapse_step=collapsed.step if collapsed else None,
        collapse_rule=collapsed.kind if collapsed else None,
    )


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


def _windows(steps: list[StepRecord]) -> list[_Window]:
    batches = [record for record in steps if record.accuracy is not None]
    groups = [batches[start : start + WINDOW] for start in range(0, len(batches) - WINDOW + 1, WINDOW)]
    return [
        _Window(
            step=group[0].step,
            accuracy=_mean([record.accuracy for record in group]),
            entropy=_mean([record.entropy for record in group]),
            dead=_mean([record.frac_reward_zero_std for record in group]),
            truncated=_mean([record.completions_clipped_ratio for record in group]),
        )
        for group in groups
    ]


def _mean(values: list[float | None]) -> float:
    present = [value for value in values if value is not None]
    return fmean(present) if present else math.nan
