"""What clipping did in one run: shares of clipped tokens, and the drift of the strategy's log-odds it predicts.

All from the step records; `train.fork` says what is recorded at the strategy fork, `stats.clip_drift` how it predicts.
"""

from collections.abc import Mapping, Sequence
from math import fsum
from statistics import fmean
from typing import Any

from rlvr_bench.record.schema import StepRecord
from rlvr_bench.record.steps import METRIC_NAMES, recorded
from rlvr_bench.stats.clip_drift import step_size

WINDOW = 10
"""Rollout batches at either end over which the measured drift is taken."""

SHARES = {
    "tokens_low": "clip_ratio/low_mean",
    "tokens_high": "clip_ratio/high_mean",
    "fork_low": "clip_ratio/fork_low",
    "fork_high": "clip_ratio/fork_high",
}
"""Figure -> metric of a step; the first two are TRL's."""


def clipping(signal: Mapping[str, Any], steps: Sequence[StepRecord]) -> dict[str, float]:
    """Return the figures of one run, those that it has.

    `tokens_low`, `tokens_high`, `fork_low`, `fork_high`: mean shares of tokens, and of first tokens, clipped at either
    side. `spread`: root mean square change of the log-odds between sampling and update. `expected`: their change over
    the run that the arithmetic predicts from this spread; `from_clips`: from the tokens that were really clipped;
    `drift`: as measured, last window of rollout batches minus first.

    Args:
        signal: settings of the run's signal.
        steps: its step records, in order.
    """
    found = {name: fmean(values) for name, metric in SHARES.items() if (values := metric_of(steps, metric))}
    updates = int(signal.get("updates_per_batch", 1))
    spreads, variances = metric_of(steps, "fork/log_odds_spread"), metric_of(steps, "fork/variance")
    if updates < 2 or not spreads or not (variance := fmean(variances)):
        return found
    spread = fmean(value**2 for value in spreads) ** 0.5
    completions = int(signal["prompts_per_batch"]) * int(signal["group_size"]) // updates
    step = step_size(spread, variance, completions, updates)
    clips = [metric_of(steps, f"fork/clip_drift_{side}") for side in ("low", "high")]
    log_odds = metric_of(steps, "fork/log_odds")
    window = WINDOW * updates
    return found | {
        "spread": spread,
        "expected": step * fsum(metric_of(steps, "fork/clip_drift_expected")),
        "from_clips": step * fsum(value for side in clips for value in side),
        "drift": fmean(log_odds[-window:]) - fmean(log_odds[:window]),
    }


def metric_of(steps: Sequence[StepRecord], metric: str) -> list[float]:
    """Return the values of a metric over the steps that have it."""
    name = metric.replace("/", "_")
    return recorded(steps, name if name in METRIC_NAMES else metric)
