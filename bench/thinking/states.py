"""Three states with controlled risk, of a trace and of an answer: keep, drop, and uncertain in between.

Two thresholds on a value (a trace's score, an answer's share of the vote) are found on calibration problems: from
`keep` upwards at most `risk` of what is kept is wrong, and below `drop` at most `risk` of all that is right is lost.
Both hold together with the asked confidence (Learn then Test, arXiv 2110.01052; two thresholds with risk control also
in arXiv 2602.03814).

An uncertain answer may be given more traces, in rounds. What is calibrated then is the whole procedure: what is kept
may have been kept in any round, what is dropped is dropped in the last.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from rlvr_bench.stats.random_effects import Floats
from rlvr_bench.stats.risk_control import fixed_sequence, p_value, ratio_losses

State = Literal["keep", "drop", "uncertain"]
OnUncertain = Literal["abstain", "sample"]

GRID = tuple(place / 10 for place in range(1, 11))
"""Thresholds that are tried, declared before any calibration."""

NEVER = 1.01
"""A `keep` above every value: nothing is kept."""


class Thresholds(NamedTuple):
    """What is kept from `keep` on and dropped below `drop`; without promises `NEVER` and 0."""

    keep: float
    drop: float

    def state(self, value: float) -> State:
        """The state of a value in [0, 1]; keeping comes first."""
        return "keep" if value >= self.keep else "drop" if value < self.drop else "uncertain"


def thresholds(values: Sequence[Floats], right: Sequence[Floats], risk: float, confidence: float) -> Thresholds:
    """Find both thresholds on calibration problems.

    Args:
        values: in [0, 1], by round, each of shape (problems, traces or 1); one round where nothing is sampled anew.
        right: 1 where what has the value is right, else 0; of the same shapes.
        risk: above 0 and below 1.
        confidence: of both promises together.
    """
    if not len(values[0]):
        return Thresholds(NEVER, 0.0)
    alpha = (1 - confidence) / 2
    # Few values are high, so that a sequence from the top would end where it starts: every threshold is tested.
    kept = [least for least in GRID if _p_keep(values, right, least, risk) <= alpha / len(GRID)]
    # Dropping more loses more: a sequence.
    dropped = fixed_sequence((_p_drop(values[-1], right[-1], least, risk) for least in GRID), alpha)
    keep = min(kept, default=NEVER)
    return Thresholds(keep, min(keep, GRID[dropped - 1]) if dropped else 0.0)


def _p_keep(values: Sequence[Floats], right: Sequence[Floats], least: float, risk: float) -> float:
    """Of the hypothesis that of what is kept in any round more than `risk` is wrong."""
    wrong, all_kept = np.zeros(len(values[0])), np.zeros(len(values[0]))
    open_still = np.ones_like(values[0])
    for value, correct in zip(values, right, strict=True):
        kept = open_still * (value >= least)
        wrong, all_kept = wrong + (kept * (1 - correct)).mean(axis=1), all_kept + kept.mean(axis=1)
        open_still = open_still - kept
    return p_value(ratio_losses(wrong, all_kept, risk), 0.0)


def _p_drop(values: Floats, right: Floats, least: float, risk: float) -> float:
    """Of the hypothesis that of what is right more than `risk` is dropped in the last round."""
    lost = (right * (values < least)).mean(axis=1)
    return p_value(ratio_losses(lost, right.mean(axis=1), risk), 0.0)
