"""Two kinds of runs at the same reward: the accuracy of their last rollouts, by the verifier.

An anchor slows learning, and less learning moves weights less; so anchored runs are compared with runs without an
anchor that earn as much.
"""

from collections.abc import Sequence
from statistics import fmean

from rlvr_bench.record.steps import recorded
from rlvr_bench.studies.contrasts import SAME, greedy_outcomes, logarithm
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, Where
from rlvr_bench.studies.finding import Finding, exponential
from rlvr_bench.studies.gates.equal_norm import ACCURACY
from rlvr_bench.studies.interpolation import difference_at_equal

WINDOW = 10
"""Rollout batches at the end of a run over which its reward is taken."""


def equal_reward_ratio(evidence: Evidence, figure: str, a: Where, b: Where, match: Sequence[str] = SAME) -> Finding:
    """Geometric mean of a positive figure of runs `a` over that of runs `b` of the same seed and reward."""
    return exponential(difference_at_equal(evidence, logarithm(figure), _reward, "reward", a, b, match))


def equal_reward_difference(
    evidence: Evidence, figure: str, a: Where, b: Where, match: Sequence[str] = SAME
) -> Finding:
    """Mean difference of a figure between runs `a` and runs `b` of the same seed and reward."""
    value = greedy_outcomes if figure == ACCURACY else lambda run: run.figure(figure)
    return difference_at_equal(evidence, value, _reward, "reward", a, b, match)


def _reward(run: EvidenceRun) -> float | None:
    """Return the accuracy of a run's last rollouts: with k1 the training reward has the penalty in it."""
    accuracies = recorded(run.steps, "accuracy")
    return fmean(accuracies[-WINDOW:]) if accuracies else None
