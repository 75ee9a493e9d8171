"""Analyses that any topic can use: the mean of a figure, and how it differs between two kinds of runs.

Intervals are over seeds and, where the figure is made of outcomes on problems, over problems (`stats.hierarchical`).
Where two kinds are compared, it is within strata of runs that agree in `match` (dotted keys of the cell's settings), so
that a task or a learning rate that only one side has decides nothing. Both sides of a stratum are paired by seed where
they saw the same prompts and the same kind of reward, which is drawn from a hash of prompt and completion; runs of one
seed in several strata are never taken as independent.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from math import atanh, isnan, log, sqrt, tanh
from statistics import fmean

from scipy.special import ndtr, ndtri

from rlvr_bench.leaderboard.row import outcome_matrix, test_score
from rlvr_bench.stats.hierarchical import Group, Value, mean_value, weighted_sum
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, Where
from rlvr_bench.studies.finding import CONFIDENCE, Finding, Interval, Settings, around, exponential

SAME = ("task_fingerprint", "signal.steps")
"""What both sides of a comparison must share unless a claim says otherwise."""

PROBLEMS = "problems"
"""In a list of what must be shared: the problems of the test split."""

PROMPTS = ("task_fingerprint", "signal.type", "signal.prompts_per_batch", "signal.group_size", "reward.name")
"""Runs of one seed that agree in these saw the same prompts and the same kind of reward at every step."""

Figure = Callable[[EvidenceRun], Value | float | None]

Valued = tuple[EvidenceRun, Value]

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
    return exponential(contrast(evidence, logarithm(figure), figure, a, b, match))


def logarithm(figure: str) -> Figure:
    """Return the logarithm of a figure of the record, None where that is not positive."""

    def of(run: EvidenceRun) -> float | None:
        value = run.figure(figure)
        return log(value) if value is not None and value > 0 else None

    return of


def accuracy_difference(evidence: Evidence, a: Where, b: Where, match: Sequence[str] = SAME) -> Finding:
    """Greedy test accuracy of runs `a` minus that of `b`. Only runs on the same problems are compared."""
    return contrast(evidence, greedy_outcomes, "a greedy test score", a, b, (*match, PROBLEMS))


def greedy_outcomes(run: EvidenceRun) -> Value | None:
    """Return the greedy outcomes of the tuned model on the trained task's test split."""
    score = test_score(run.record, "tuned")
    return None if score is None else Value(outcomes={score.problem_set: outcome_matrix([score])[0]})


def contrast(evidence: Evidence, value: Figure, name: str, a: Where, b: Where, match: Sequence[str]) -> Finding:
    """Mean value of runs `a` minus that of `b` within strata."""
    sides = [having(evidence.select(where), value, name) for where in (a, b)]
    values = {run.record.cell_id: each for side in sides for run, each in side}
    one, other = (list({run.record.cell_id: run for run, _ in side}.values()) for side in sides)
    return between(paired_strata(one, other, match), values)


def between(strata: Sequence[Stratum], values: Mapping[str, Value], note: str = "") -> Finding:
    """Return the mean over strata of the first side's mean minus the second's, from values by cell id.

    Strata in which a side has a single seed are left out where others have more: one run knows nothing of the spread
    over seeds and would take the interval of all others away.
    """
    used = repeated(strata)
    paired = all(same_prompts(*pair) for pair in used)
    used = [on_common_seeds(pair) for pair in used] if paired else used
    groups = []
    for pair in used:
        for side, (runs, weight) in enumerate(zip(pair, (1.0, -1.0), strict=True)):
            of_seed = by_seed([(run, values[run.record.cell_id]) for run in runs])
            clusters: dict[Hashable, Value] = {seed if paired else (side, seed): v for seed, v in of_seed.items()}
            groups.append(Group(weight / len(used), clusters))
    parts = [
        weighted_sum([Group(sign, group.runs) for sign, group in zip((1, -1), groups[at : at + 2], strict=True)])
        for at in range(0, len(groups), 2)
    ]
    sides = ([run for pair in used for run in pair[side]] for side in (0, 1))
    notes = [note, "paired by seed" if paired else ""]
    return Finding.of(
        Interval.of_sum(weighted_sum(groups)),
        *sides,
        note="; ".join(filter(None, notes)),
        settings=Settings.of(parts) if len(parts) > 1 else None,
    )


def on_common_seeds(pair: Stratum) -> Stratum:
    """Return the runs of both sides under the seeds that both have, or all of them where those are fewer than two."""
    common = {run.seed for run in pair[0]} & {run.seed for run in pair[1]}
    if len(common) < 2:
        return pair
    one, other = ([run for run in side if run.seed in common] for side in pair)
    return one, other


def same_prompts(one: Sequence[EvidenceRun], other: Sequence[EvidenceRun]) -> bool:
    """Whether runs of one seed on either side share their prompts and their kind of reward, and there are such."""
    seen = {repr([run.setting(key) for key in PROMPTS]) for run in (*one, *other)}
    return len(seen) == 1 and bool({run.seed for run in one} & {run.seed for run in other})


def having(runs: Sequence[EvidenceRun], value: Figure, name: str) -> list[Valued]:
    """Return the runs for which a value is defined, with it. Raises NoEvidence if there is none."""
    pairs = [
        (run, each if isinstance(each, Value) else Value(float(each)))
        for run in runs
        if (each := value(run)) is not None
    ]
    if not pairs:
        raise NoEvidence(f"none of {len(runs)} records has {name}")
    return pairs


def over_seeds(pairs: Sequence[Valued], weigh: Weigh | None = None, note: str = "") -> Finding:
    """Return a weighted sum of settings' means over their seeds, with its interval; by default their mean.

    Settings are fixed and seeds random: what a seed has at one setting and not at another is no spread over seeds. Runs
    of one seed at several settings are not independent. A setting with a single seed is left out where others have
    more.

    Args:
        pairs: runs with their values.
        weigh: gives the weight of each setting from the runs at each; None weighs all alike.
        note: what a reader must know.
    """
    settings: dict[str, list[Valued]] = {}
    for run, value in pairs:
        settings.setdefault(repr((run.record.comparison, run.record.keys.method_name)), []).append((run, value))
    groups = [(group, by_seed(group)) for group in settings.values()]
    # One setting with a single seed would take the interval of all others away.
    groups = [pair for pair in groups if len(pair[1]) > 1] or groups
    runs = [[run for run, _ in group] for group, _ in groups]
    weights = [1 / len(groups)] * len(groups) if weigh is None else weigh(runs)
    total = weighted_sum([Group(weight, of) for (_, of), weight in zip(groups, weights, strict=True)])
    parts = [weighted_sum([Group(1.0, of)]) for _, of in groups]
    return Finding.of(
        Interval.of_sum(total),
        [run for each in runs for run in each],
        note=note,
        settings=Settings.of(parts) if len(parts) > 1 and weigh is None else None,
    )


def by_seed(pairs: Sequence[Valued]) -> dict[Hashable, Value]:
    """Return the mean value of each seed: a seed that was run twice at a setting is no second seed."""
    values: dict[int, list[Value]] = {}
    for run, value in pairs:
        values.setdefault(run.seed, []).append(value)
    return {seed: mean_value(each) for seed, each in sorted(values.items())}


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


def jackknife(runs: Sequence[EvidenceRun], figure: Callable[[Sequence[int]], float]) -> Interval:
    """Return a figure of the runs' seeds with its jackknife interval (Tukey 1958), each seed left out once."""
    seeds = sorted({run.seed for run in runs})
    count, whole = len(seeds), figure(seeds)
    without = [figure([seed for seed in seeds if seed != left]) for left in seeds]
    squares = sum((value - fmean(without)) ** 2 for value in without)
    return around(whole, (count - 1) / count * squares, count - 1)


def rank_correlation(pairs: Sequence[tuple[float, float]]) -> Interval:
    """Return Spearman's rank correlation with the interval of Bonett and Wright (2000, Psychometrika 65:23).

    Raises:
        NoEvidence: fewer than five pairs, or one side is constant.
    """
    from scipy.stats import spearmanr  # two seconds that only this analysis costs

    if len(pairs) < 5:
        raise NoEvidence(f"{len(pairs)} pairs, a rank correlation needs at least 5")
    correlation = float(spearmanr([x for x, _ in pairs], [y for _, y in pairs]).statistic)
    if isnan(correlation):
        raise NoEvidence("one side of the rank correlation is the same for all")
    bounded = min(max(correlation, -1 + 1e-12), 1 - 1e-12)
    error = sqrt((1 + bounded**2 / 2) / (len(pairs) - 3))
    half = float(ndtri((1 + CONFIDENCE) / 2)) * error

    def tail(hypothesis: float) -> float:
        return 2 * float(ndtr(-abs(atanh(bounded) - atanh(hypothesis)) / error)) if abs(hypothesis) < 1 else 0.0

    return Interval(correlation, tanh(atanh(bounded) - half), tanh(atanh(bounded) + half), tail)


def _strata(runs: Sequence[EvidenceRun], match: Sequence[str]) -> dict[str, list[EvidenceRun]]:
    strata: dict[str, list[EvidenceRun]] = {}
    for run in runs:
        key = repr([_problems(run) if name == PROBLEMS else run.setting(name) for name in match])
        strata.setdefault(key, []).append(run)
    return strata


def _problems(run: EvidenceRun) -> str | None:
    score = test_score(run.record, "tuned")
    return score.problem_set if score else None
