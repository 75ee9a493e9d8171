"""What a reward gains: greedy accuracy on the trained task's test split minus the base's, and its spread over seeds."""

from collections.abc import Sequence
from functools import partial
from math import sqrt
from statistics import fmean, stdev

import numpy as np
from scipy.special import fdtr, fdtri

from rlvr_bench.leaderboard.row import outcome_matrix, test_score
from rlvr_bench.record.steps import recorded
from rlvr_bench.stats.hierarchical import Value
from rlvr_bench.stats.random_effects import Floats
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

    def value(run: EvidenceRun) -> Value | None:
        tuned, base = test_score(run.record, "tuned"), test_score(run.record, "base")
        if tuned is None or base is None or not base.sample_counts:
            return None
        ever = np.array(base.sample_counts) > 0
        return Value(outcomes={f"{tuned.problem_set}/sampled": outcome_matrix([tuned])[0][: len(ever)] - ever})

    return mean_over_runs(evidence, value, "several samples of the base", runs)


def reward_order(evidence: Evidence, order: Sequence[str], runs: Where, half: Half = "all") -> Finding:
    """Kendall's tau between a published order of rewards, best first, and the gains under one seed; mean over seeds.

    Seeds that lack a reward are left out.
    """
    by_seed: dict[int, dict[str, contrasts.Valued]] = {}
    for run, value in contrasts.having(evidence.select(runs), partial(gain_of, half=half), "a gain"):
        by_seed.setdefault(run.seed, {})[str(run.setting("reward.name"))] = (run, value)
    whole = [gains for gains in by_seed.values() if set(order) <= gains.keys()]
    if not whole:
        raise NoEvidence(f"no seed has all of the rewards {', '.join(order)}")
    from scipy.stats import kendalltau  # two seconds that only this analysis costs

    ranks = [-place for place in range(len(order))]
    taus = [float(kendalltau(ranks, [gains[name][1].mean for name in order]).statistic) for gains in whole]
    return Finding.of(mean_interval(taus), [gains[name][0] for gains in whole for name in order])


def peak_to_last(evidence: Evidence, runs: Where) -> Finding:
    """Accuracy of the rollouts in their best window minus that in the last one, mean over runs.

    The largest of many windows lies above the last one by chance alone. So every second batch says which window is the
    best and the others how much better it is, and the other way round: without a peak the mean of it is 0.
    """

    def value(run: EvidenceRun) -> float | None:
        accuracies = np.array(recorded(run.steps, "accuracy"), dtype=np.float64)
        return fall_from_peak(accuracies) if len(accuracies) >= WINDOW else None

    return mean_over_runs(evidence, value, f"{WINDOW} rollout batches", runs)


def fall_from_peak(accuracies: Floats) -> float:
    """Return by how much the best window of batches is better than the last, chosen and measured on different batches.

    Args:
        accuracies: of the batches in their order, shape (batches,), WINDOW or more.
    """
    windows = np.lib.stride_tricks.sliding_window_view(accuracies, WINDOW)
    odd = (np.arange(len(windows))[:, None] + np.arange(WINDOW)) % 2 == 1
    means = [windows[half].reshape(len(windows), -1).mean(axis=1) for half in (odd, ~odd)]
    return fmean(measures[chooses.argmax()] - measures[-1] for chooses, measures in (means, means[::-1]))


def seed_sd_ratio(evidence: Evidence, a: Where, b: Where) -> Finding:
    """Standard deviation of test accuracy over the seeds of `a` over that of `b`, with the F interval."""
    sides = [contrasts.having(evidence.select(where), accuracy_of, "a greedy test score") for where in (a, b)]
    if min(map(len, sides)) < 2 or not (below := stdev([value.mean for _, value in sides[1]])):
        raise NoEvidence("fewer than two seeds on one side, or no spread in the second")
    ratio = stdev([value.mean for _, value in sides[0]]) / below
    degrees = [len(side) - 1 for side in sides]
    outside = (1 - CONFIDENCE) / 2
    high, low = (sqrt(float(fdtri(*degrees, share))) for share in (outside, 1 - outside))

    def tail(hypothesis: float) -> float:
        if hypothesis <= 0:
            return 0.0
        below_it = float(fdtr(*degrees, (ratio / hypothesis) ** 2))
        return 2 * min(below_it, 1 - below_it)

    interval = Interval(ratio, ratio / low, ratio / high, tail)
    return Finding.of(interval, *([run for run, _ in side] for side in sides))
