"""What a reward gains: greedy accuracy on the trained task's test split minus the base's, and its spread over seeds."""

from collections.abc import Sequence
from functools import partial
from math import sqrt
from statistics import fmean, stdev

from scipy.special import fdtri
from scipy.stats import kendalltau

from rlvr_bench.leaderboard.row import test_score
from rlvr_bench.studies import contrasts
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, Where
from rlvr_bench.studies.finding import CONFIDENCE, Finding, Interval, mean_interval
from rlvr_bench.studies.rewards.halves import WINDOW, Half, accuracy_of, gain_of, mean_over_runs


def gain(evidence: Evidence, runs: Where, half: Half = "all") -> Finding:
    """Mean gain over runs."""
    return mean_over_runs(evidence, partial(gain_of, half=half), "a gain", runs)


def gain_difference(
    evidence: Evidence, a: Where, b: Where, half: Half = "all", match: Sequence[str] = contrasts.SAME
) -> Finding:
    """Mean gain of runs `a` minus that of runs `b`."""
    return contrasts.contrast(evidence, partial(gain_of, half=half), "a gain", a, b, match)


def over_ceiling(evidence: Evidence, runs: Where) -> Finding:
    """Tuned greedy accuracy minus the base's pass@k, k all of its samples, on the problems that were sampled."""

    def value(run: EvidenceRun) -> float | None:
        tuned, base = test_score(run.record, "tuned"), test_score(run.record, "base")
        if tuned is None or base is None or not base.sample_counts:
            return None
        right = fmean(digit == "1" for digit in tuned.greedy_outcomes[: len(base.sample_counts)])
        return right - fmean(count > 0 for count in base.sample_counts)

    return mean_over_runs(evidence, value, "several samples of the base", runs)


def reward_order(evidence: Evidence, order: Sequence[str], runs: Where, half: Half = "all") -> Finding:
    """Kendall's tau between a published order of rewards, best first, and the gains under one seed; mean over seeds.

    Seeds that lack a reward are left out.
    """
    by_seed: dict[int, dict[str, tuple[EvidenceRun, float]]] = {}
    for run, value in contrasts.having(evidence.select(runs), partial(gain_of, half=half), "a gain"):
        by_seed.setdefault(run.seed, {})[str(run.setting("reward.name"))] = (run, value)
    whole = [gains for gains in by_seed.values() if set(order) <= gains.keys()]
    if not whole:
        raise NoEvidence(f"no seed has all of the rewards {', '.join(order)}")
    ranks = [-place for place in range(len(order))]
    taus = [float(kendalltau(ranks, [gains[name][1] for name in order]).statistic) for gains in whole]
    return Finding.of(mean_interval(taus), [gains[name][0] for gains in whole for name in order])


def peak_to_last(evidence: Evidence, runs: Where) -> Finding:
    """Accuracy of the rollouts in their best window minus that in the last one, mean over runs."""

    def value(run: EvidenceRun) -> float | None:
        accuracies = [step.accuracy for step in run.steps if step.accuracy is not None]
        windows = [fmean(accuracies[start : start + WINDOW]) for start in range(len(accuracies) - WINDOW + 1)]
        return max(windows) - windows[-1] if windows else None

    return mean_over_runs(evidence, value, f"{WINDOW} rollout batches", runs)


def seed_sd_ratio(evidence: Evidence, a: Where, b: Where) -> Finding:
    """Standard deviation of test accuracy over the seeds of `a` over that of `b`, with the F interval."""
    sides = [contrasts.having(evidence.select(where), accuracy_of, "a greedy test score") for where in (a, b)]
    if min(map(len, sides)) < 2 or not (below := stdev([value for _, value in sides[1]])):
        raise NoEvidence("fewer than two seeds on one side, or no spread in the second")
    ratio = stdev([value for _, value in sides[0]]) / below
    degrees = [len(side) - 1 for side in sides]
    tail = (1 - CONFIDENCE) / 2
    high, low = (sqrt(float(fdtri(*degrees, share))) for share in (tail, 1 - tail))
    return Finding.of(Interval(ratio, ratio / low, ratio / high), [run for side in sides for run, _ in side])
