"""Analyses that any topic can use: the mean of a figure, and how it differs between two kinds of runs.

A run is the unit: intervals are over seeds. Where two kinds are compared, it is within strata of runs that agree in
`match` (dotted keys of the cell's settings), so that a task or a learning rate that only one side has decides nothing.
"""

from collections.abc import Callable, Sequence
from math import atanh, exp, isnan, log, sqrt, tanh
from operator import mul
from statistics import fmean

import numpy as np
from scipy.special import ndtri

from rlvr_bench.leaderboard.row import outcome_matrix, test_score
from rlvr_bench.record.schema import Score
from rlvr_bench.stats import estimate
from rlvr_bench.stats.random_effects import Floats
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, Where
from rlvr_bench.studies.finding import CONFIDENCE, Finding, Interval, around, difference_interval

SAME = ("task_fingerprint", "signal.steps")
"""What both sides of a comparison must share unless a claim says otherwise."""

PROBLEMS = "problems"
"""In a list of what must be shared: the problems of the test split."""

Figure = Callable[[EvidenceRun], float | None]

Weigh = Callable[[Sequence[Sequence[EvidenceRun]]], Sequence[float]]
"""From the runs at each of several settings to a weight for each."""

Stratum = tuple[list[EvidenceRun], list[EvidenceRun]]
"""The runs of both sides of a comparison that agree in what they must share."""


def mean(evidence: Evidence, figure: str, runs: Where) -> Finding:
    """The mean of a figure over runs, with its interval over seeds."""
    return over_seeds(having(evidence.select(runs), lambda run: run.figure(figure), figure))


def difference(evidence: Evidence, figure: str, a: Where, b: Where, match: Sequence[str] = SAME) -> Finding:
    """Mean figure of runs `a` minus that of runs `b`, averaged over the strata that have both."""
    return contrast(evidence, lambda run: run.figure(figure), figure, a, b, match)


def ratio(evidence: Evidence, figure: str, a: Where, b: Where, match: Sequence[str] = SAME) -> Finding:
    """Geometric mean of a positive figure of runs `a` over that of runs `b`; the interval is taken on the logarithm."""

    def logarithm(run: EvidenceRun) -> float | None:
        value = run.figure(figure)
        return log(value) if value is not None and value > 0 else None

    return exponential(contrast(evidence, logarithm, figure, a, b, match))


def exponential(logarithmic: Finding) -> Finding:
    """Return what was found on the logarithm of a figure as a geometric mean or a ratio."""
    low, high = (None if end is None else exp(end) for end in (logarithmic.low, logarithmic.high))
    return Finding(exp(logarithmic.estimate), low, high, logarithmic.seeds, logarithmic.cells, logarithmic.note)


def accuracy_difference(evidence: Evidence, a: Where, b: Where, match: Sequence[str] = SAME) -> Finding:
    """Greedy test accuracy of runs `a` minus that of `b`, problems paired and seeds independent.

    Only runs on the same problems are compared.
    """
    first, second = ([run for run in evidence.select(where) if test_score(run.record, "tuned")] for where in (a, b))
    strata = repeated(paired_strata(first, second, (*match, PROBLEMS)))
    intervals = []
    for one, other in strata:
        intervals.append(outcome_difference(one, other))
    return Finding.of(pooled(intervals), [run for pair in strata for side in pair for run in side])


def outcome_difference(one: Sequence[EvidenceRun], other: Sequence[EvidenceRun]) -> Interval:
    """Return the greedy test accuracy of runs `one` minus that of `other` on the same problems."""
    first, second = _outcomes(one), _outcomes(other)
    difference = estimate.difference(first, second)
    alone = min(len(first), len(second)) < 2
    return Interval(difference.mean, None if alone else difference.low, None if alone else difference.high)


def _outcomes(runs: Sequence[EvidenceRun]) -> Floats:
    """Return the greedy outcomes on the test split in [0, 1], the mean of a seed's runs, shape (seeds, problems)."""
    by_seed: dict[int, list[Score]] = {}
    for run in runs:
        if score := test_score(run.record, "tuned"):
            by_seed.setdefault(run.seed, []).append(score)
    return np.array([outcome_matrix(scores).mean(axis=0) for scores in by_seed.values()])


def contrast(evidence: Evidence, value: Figure, name: str, a: Where, b: Where, match: Sequence[str]) -> Finding:
    """Mean value of runs `a` minus that of `b` within strata."""
    one, other = (dict_of(having(evidence.select(where), value, name)) for where in (a, b))
    values = one | other
    runs = {cell: run for cell, (run, _) in values.items()}
    strata = repeated(paired_strata([runs[cell] for cell in one], [runs[cell] for cell in other], match))
    intervals = [
        difference_interval(*(list(_by_seed([values[run.record.cell_id] for run in side]).values()) for side in pair))
        for pair in strata
    ]
    return Finding.of(pooled(intervals), [run for pair in strata for side in pair for run in side])


def having(runs: Sequence[EvidenceRun], value: Figure, name: str) -> list[tuple[EvidenceRun, float]]:
    """Return the runs for which a value is defined, with it. Raises NoEvidence if there is none."""
    pairs = [(run, figure) for run in runs if (figure := value(run)) is not None]
    if not pairs:
        raise NoEvidence(f"none of {len(runs)} records has {name}")
    return pairs


def over_seeds(pairs: Sequence[tuple[EvidenceRun, float]], weigh: Weigh | None = None) -> Finding:
    """Return a weighted sum of settings' means over their seeds, with its interval; by default their mean.

    Settings are fixed and seeds random: what a seed has at one setting and not at another is no spread over seeds. Runs
    of one seed at several settings are not independent: a seed's deviations are added up before they are squared (Liang
    and Zeger 1986, Biometrika 73:13), with as many degrees of freedom as a setting has on average. With the same seeds
    at all settings it is Student's interval of the seeds' own weighted sums. A setting with a single seed is left out
    where others have more.

    Args:
        pairs: runs with their values.
        weigh: gives the weight of each setting from the runs at each; None weighs all alike.
    """
    settings: dict[str, list[tuple[EvidenceRun, float]]] = {}
    for run, value in pairs:
        settings.setdefault(repr((run.record.comparison, run.record.keys.method_name)), []).append((run, value))
    groups = [(group, _by_seed(group)) for group in settings.values()]
    # One setting with a single seed would take the interval of all others away.
    groups = [pair for pair in groups if len(pair[1]) > 1] or groups
    runs = [[run for run, _ in group] for group, _ in groups]
    weights = [1 / len(groups)] * len(groups) if weigh is None else weigh(runs)
    means = [fmean(of_seed.values()) for _, of_seed in groups]
    middle, used = sum(map(mul, weights, means)), [run for each in runs for run in each]
    count = fmean(len(of_seed) for _, of_seed in groups)
    if count == 1:
        return Finding.of(Interval(middle, None, None), used)
    deviations: dict[int, float] = {}
    for (_, of_seed), weight, mean_ in zip(groups, weights, means, strict=True):
        for seed, value in of_seed.items():
            deviations[seed] = deviations.get(seed, 0.0) + weight * (value - mean_) / len(of_seed)
    squared_error = sum(deviation**2 for deviation in deviations.values()) * count / (count - 1)
    return Finding.of(around(middle, squared_error, count - 1), used)


def _by_seed(pairs: Sequence[tuple[EvidenceRun, float]]) -> dict[int, float]:
    """Return the mean value of each seed: a seed that was run twice at a setting is no second seed."""
    by_seed: dict[int, list[float]] = {}
    for run, value in pairs:
        by_seed.setdefault(run.seed, []).append(value)
    return {seed: fmean(values) for seed, values in sorted(by_seed.items())}


def dict_of(pairs: Sequence[tuple[EvidenceRun, float]]) -> dict[str, tuple[EvidenceRun, float]]:
    """Return runs and values by cell id: the same cell counts once."""
    return {run.record.cell_id: (run, value) for run, value in pairs}


def paired_strata(one: Sequence[EvidenceRun], other: Sequence[EvidenceRun], match: Sequence[str]) -> list[Stratum]:
    """Return the strata that both sides have: the runs of each side that agree in all keys of `match`.

    Raises:
        NoEvidence: there is none.
    """
    grouped = [_strata(side, match) for side in (one, other)]
    shared = [key for key in grouped[0] if key in grouped[1]]
    if not shared:
        raise NoEvidence(f"no two records to compare agree in {', '.join(match)}")
    return [(grouped[0][key], grouped[1][key]) for key in shared]


def repeated(strata: Sequence[Stratum]) -> Sequence[Stratum]:
    """Return the strata in which both sides have two seeds or more; all of them where none has.

    A stratum of one run knows nothing of the spread over seeds and would take the interval of all others away.
    """
    repetitions = [pair for pair in strata if all(len({run.seed for run in side}) > 1 for side in pair)]
    return repetitions or strata


def pooled(intervals: Sequence[Interval]) -> Interval:
    """Return the mean of independent estimates; without an interval if one of them has none.

    The half widths add up in squares, which is exact for equal degrees of freedom.
    """
    middle = fmean(interval.estimate for interval in intervals)
    squares = 0.0
    for interval in intervals:
        if interval.low is None or interval.high is None:
            return Interval(middle, None, None)
        squares += ((interval.high - interval.low) / 2) ** 2
    half = sqrt(squares) / len(intervals)
    return Interval(middle, middle - half, middle + half)


def rank_correlation(pairs: Sequence[tuple[float, float]]) -> Interval:
    """Return Spearman's rank correlation with the interval of Bonett and Wright (2000, Psychometrika 65:23).

    Raises:
        NoEvidence: fewer than five pairs, or one side is constant.
    """
    from scipy.stats import spearmanr  # half a second that only this analysis costs

    if len(pairs) < 5:
        raise NoEvidence(f"{len(pairs)} pairs, a rank correlation needs at least 5")
    correlation = float(spearmanr([x for x, _ in pairs], [y for _, y in pairs]).statistic)
    if isnan(correlation):
        raise NoEvidence("one side of the rank correlation is the same for all")
    bounded = min(max(correlation, -1 + 1e-12), 1 - 1e-12)
    error = sqrt((1 + bounded**2 / 2) / (len(pairs) - 3))
    half = float(ndtri((1 + CONFIDENCE) / 2)) * error
    return Interval(correlation, tanh(atanh(bounded) - half), tanh(atanh(bounded) + half))


def _strata(runs: Sequence[EvidenceRun], match: Sequence[str]) -> dict[str, list[EvidenceRun]]:
    strata: dict[str, list[EvidenceRun]] = {}
    for run in runs:
        key = repr([_problems(run) if name == PROBLEMS else run.setting(name) for name in match])
        strata.setdefault(key, []).append(run)
    return strata


def _problems(run: EvidenceRun) -> str | None:
    score = test_score(run.record, "tuned")
    return score.problem_set if score else None
