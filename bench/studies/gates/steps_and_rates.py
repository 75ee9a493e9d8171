"""What the course of training says: KL growth, the way of the weights, and which learning rates a method survives."""

from collections.abc import Sequence
from math import exp, inf, log
from statistics import fmean

from rlvr_bench.geometry.kl_growth import kl_growth
from rlvr_bench.record.schema import ModelRole, ScoredSplit
from rlvr_bench.studies.contrasts import (
    PROBLEMS,
    SAME,
    Stratum,
    Valued,
    between,
    contrast,
    greedy_outcomes,
    having,
    over_seeds,
    paired_strata,
    rank_correlation,
)
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import RATE, Evidence, EvidenceRun, Where, by_rate
from rlvr_bench.studies.finding import Finding, Interval, Settings, mean_interval

LEAST_GAIN = 0.02
"""A share of a gain smaller than this, in accuracy, says nothing."""


def kl_slope(run: EvidenceRun) -> float | None:
    """Return the growth of the KL to the base per optimizer step, nats per token."""
    return kl_growth(run.steps).per_step


def kl_difference(evidence: Evidence, a: Where, b: Where, match: Sequence[str] = SAME) -> Finding:
    """KL growth per step of runs `a` minus that of `b`."""
    return contrast(evidence, kl_slope, "a KL", a, b, match)


def kl_accuracy_correlation(evidence: Evidence, runs: Where) -> Finding:
    """Spearman's correlation, over methods, of KL growth per step and test accuracy, each a mean over seeds."""
    slopes = having(evidence.select(runs), kl_slope, "a KL")
    grouped: dict[str, list[Valued]] = {}
    for run, slope in slopes:
        if accuracy(run) is not None:
            grouped.setdefault(repr((run.record.comparison, run.record.keys.method_name)), []).append((run, slope))
    pairs = [
        (fmean(slope.mean for _, slope in group), fmean(accuracy(run) or 0.0 for run, _ in group))
        for group in grouped.values()
    ]
    settings = Settings(len(pairs), min(y for _, y in pairs), max(y for _, y in pairs), None)
    return Finding.of(rank_correlation(pairs), [run for run, _ in slopes], settings=settings)


def rank_one_recovery(evidence: Evidence, runs: Where) -> Finding:
    """Share of the gain in accuracy that is left when the update of each matrix is cut to rank one."""

    def share(run: EvidenceRun) -> float | None:
        base, cut, tuned = accuracy(run, "base"), run.figure("rank_one.greedy"), accuracy(run, "tuned")
        if base is None or cut is None or tuned is None or tuned - base < LEAST_GAIN:
            return None
        return (cut - base) / (tuned - base)

    recoveries = having(evidence.select(runs), share, f"a rank-one score and a gain of {LEAST_GAIN:g}")
    return over_seeds(recoveries)


def best_rate_difference(evidence: Evidence, a: Where, b: Where, match: Sequence[str] = SAME) -> Finding:
    """Test accuracy of `a` minus that of `b`, each at the learning rate with the best mean validation accuracy."""
    strata: list[Stratum] = [
        (_at_best_rate(ones), _at_best_rate(others))
        for ones, others in paired_strata(evidence.select(a), evidence.select(b), (*match, PROBLEMS))
    ]
    used = [run for pair in strata for side in pair for run in side]
    values = {run.record.cell_id: value for run, value in having(used, greedy_outcomes, "a greedy test score")}
    rates = sorted({f"{run.record.keys.method['type']} {run.setting(RATE):g}" for run in used})
    return between(strata, values, f"best rates: {', '.join(rates)}")


def survived_rate_ratio(evidence: Evidence, a: Where, b: Where, match: Sequence[str] = SAME) -> Finding:
    """Largest learning rate that `a` survives over the largest that `b` survives, geometric mean over seeds.

    A rate is survived when test accuracy is at least half of the method's best at any rate with the same seed; runs
    without a test score say nothing. Where a run collapses between the largest rate survived and the smallest above it
    is not known: the interval, over seeds, holds both ends for both methods. It has no upper end where `a` survives
    every rate that was tried. Settings under which `b` was tried at one rate say nothing of where it collapses and are
    left out where others say more; so are seeds that were not run at all the rates of their setting.

    Raises:
        NoEvidence: `b` survives every rate that was tried, so that nothing is known of where it collapses; or no seed
            was run at all the rates of its setting.
    """
    middles, lows, highs = [], [], []
    sides: tuple[list[EvidenceRun], list[EvidenceRun]] = ([], [])
    one, other = ([run for run in evidence.select(where) if accuracy(run) is not None] for where in (a, b))
    strata = _with_all_rates(paired_strata(one, other, match))
    swept = [pair for pair in strata if len(by_rate(pair[1])) > 1]
    for ones, others in swept or strata:
        (survived, collapsed), (other_survived, other_collapsed) = _ends(ones), _ends(others)
        if other_collapsed is None:
            raise NoEvidence(f"{others[0].record.keys.method['type']} survives every learning rate that was tried")
        middles.append(log(survived / other_survived))
        lows.append(log(survived / other_collapsed))
        highs.append(inf if collapsed is None else log(collapsed / other_survived))
        sides[0].extend(ones)
        sides[1].extend(others)
    middle = mean_interval(middles)
    if middle.low is None or middle.high is None:
        return Finding.of(Interval(exp(middle.estimate), None, None), *sides)
    half = middle.high - middle.estimate
    return Finding.of(Interval(exp(middle.estimate), exp(fmean(lows) - half), exp(fmean(highs) + half)), *sides)


def _with_all_rates(settings: Sequence[Stratum]) -> list[Stratum]:
    """Return seed by seed the runs of the seeds at which both sides were run at all the rates of their setting."""
    strata = [
        pair
        for setting in settings
        if {run.seed for run in setting[0]} & {run.seed for run in setting[1]}
        for pair in paired_strata(*setting, ("seed",))
        if all(by_rate(own).keys() == by_rate(every).keys() for own, every in zip(pair, setting, strict=True))
    ]
    if not strata:
        raise NoEvidence("no seed was run at all the learning rates of its setting")
    return strata


def _at_best_rate(runs: Sequence[EvidenceRun]) -> list[EvidenceRun]:
    """Return the runs at the learning rate with the best mean validation accuracy; of equal ones the lowest."""
    means = {
        rate: fmean(value for run in group if (value := accuracy(run, split="validation")) is not None)
        for rate, group in by_rate(runs).items()
        if any(accuracy(run, split="validation") is not None for run in group)
    }
    if not means:
        raise NoEvidence("no run was scored on the validation split")
    best = min(means, key=lambda rate: (-means[rate], rate))
    return [run for run in by_rate(runs)[best] if accuracy(run) is not None]


def _ends(runs: Sequence[EvidenceRun]) -> tuple[float, float | None]:
    """Return the largest learning rate that one seed survived, and the smallest above it; None if none was tried."""
    scores = {rate: max(accuracy(run) or 0.0 for run in group) for rate, group in by_rate(runs).items()}
    survived = max(rate for rate, score in scores.items() if score >= max(scores.values()) / 2)
    return survived, min((rate for rate in scores if rate > survived), default=None)


def accuracy(run: EvidenceRun, role: ModelRole = "tuned", split: ScoredSplit = "test") -> float | None:
    """Return the greedy accuracy on the trained task."""
    score = run.record.score(role, run.record.keys.task["name"], split)
    return score.greedy if score else None
