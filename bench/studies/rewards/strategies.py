"""Which strategies answers use, before and after training, and in rollouts."""

from collections.abc import Sequence
from functools import partial
from statistics import fmean

from rlvr_bench.record.steps import recorded
from rlvr_bench.stats.hierarchical import Value
from rlvr_bench.studies import contrasts
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, Where
from rlvr_bench.studies.finding import Finding
from rlvr_bench.studies.rewards.halves import WINDOW, gain_of, mean_over_runs


def change(evidence: Evidence, before: str, after: str, runs: Where) -> Finding:
    """Figure `after` minus figure `before` of the same run, mean over runs."""

    def value(run: EvidenceRun) -> float | None:
        first, second = run.figure(before), run.figure(after)
        return None if first is None or second is None else second - first

    return mean_over_runs(evidence, value, f"{before} and {after}", runs)


def rollout_change(evidence: Evidence, strategy: str, runs: Where) -> Finding:
    """Share of rollouts that use a strategy, last window minus first, mean over runs."""
    return mean_over_runs(
        evidence, partial(_rollout_change, strategy=strategy), f"strategy/{strategy} in its steps", runs
    )


def rollout_change_difference(
    evidence: Evidence, strategy: str, a: Where, b: Where, match: Sequence[str] = contrasts.SAME
) -> Finding:
    """The change of a strategy's share of rollouts in runs `a` minus that in runs `b`."""
    name = f"strategy/{strategy} in its steps"
    return contrasts.contrast(evidence, partial(_rollout_change, strategy=strategy), name, a, b, match)


def signed_gain(evidence: Evidence, strategy: str, runs: Where) -> Finding:
    """The gain times the sign of the base's accuracy with a strategy minus without: positive where they agree."""

    def value(run: EvidenceRun) -> Value | None:
        with_it = run.figure(f"behaviour.base.strategies.{strategy}.accuracy_with")
        without = run.figure(f"behaviour.base.strategies.{strategy}.accuracy_without")
        gain = gain_of(run)
        if with_it is None or without is None or gain is None:
            return None
        return gain.times((with_it > without) - (with_it < without))

    return mean_over_runs(evidence, value, f"accuracy with and without {strategy}", runs)


def _rollout_change(run: EvidenceRun, strategy: str) -> float | None:
    shares = recorded(run.steps, f"strategy/{strategy}")
    return fmean(shares[-WINDOW:]) - fmean(shares[:WINDOW]) if shares else None
