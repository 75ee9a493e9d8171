"""The same methods on several bases: ranks over all of them, and how far their orders agree.

Comparisons belong together when they differ in nothing but the base. Of each method the runs that ended with a model
count, in equal number on all bases.
"""

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil
from statistics import fmean
from typing import Any

from rlvr_bench.console.formats import neutral
from rlvr_bench.experiment.identity import digest
from rlvr_bench.leaderboard.row import outcome_matrix, test_score
from rlvr_bench.record.numbers import strict_json
from rlvr_bench.record.schema import RunRecord, ScoredSplit
from rlvr_bench.stats.aggregate import performance_profile
from rlvr_bench.stats.estimate import Estimate
from rlvr_bench.stats.random_effects import Floats
from rlvr_bench.stats.ranks import kendall, mean_ranks

OVER_BASES_FILE = "over-bases.csv"
OF_A_BASE = {"base", "base_fingerprint", "seed", "learning_rate", "tuning"}
OF_A_METHOD = {"method", "method_name", "method_fingerprints"}
_UNSET: tuple[Any, ...] = (None, False, [], {})
MIN_METHODS, MIN_BASES, MIN_RUNS = 5, 2, 2
"""An order of fewer methods, or of methods that were run once, is none."""

PROFILE = (0.5, 0.8, 0.9)
"""Accuracies of which the performance profile says what share of runs is above."""

GRID = tuple(step / 20 for step in range(20))
"""Accuracies of the whole profile, as it is drawn."""

BETTER_SHARE = 0.7
"""An order may hold between good and bad methods alone: agreement is also given among this share of the best."""


@dataclass(frozen=True)
class MethodOverBases:
    """One method: its mean rank over bases, its shares of runs above `PROFILE` and above `GRID`, and its worst run."""

    method: str
    rank: Estimate
    above: tuple[Estimate, ...]
    profile: tuple[Estimate, ...]
    accuracies: tuple[float, ...]
    worst: float
    trainable_share: float | None
    memory_mb: float | None


@dataclass(frozen=True)
class Agreement:
    """Kendall's tau between two orders of the methods, and among the better ones (by the mean of both)."""

    one: str
    other: str
    methods: int
    tau: Estimate
    better: int
    tau_of_better: float | None


@dataclass(frozen=True)
class OverBases:
    """One setting on several bases, methods by their rank; `comparisons` are those of the bases, in their order."""

    setting: str
    result_schema: int
    bases: tuple[str, ...]
    comparisons: tuple[str, ...]
    runs: int
    methods: tuple[MethodOverBases, ...]
    agreements: tuple[Agreement, ...]


def over_bases(records: Iterable[RunRecord]) -> list[OverBases]:
    """Return every setting that has enough methods in common on two bases or more.

    The newest result schema first, and of one schema the setting with most methods.
    """
    settings: dict[str, dict[str, dict[str, list[RunRecord]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    ended = [record for record in records if record.status in ("done", "collapsed") and test_score(record, "tuned")]
    setting_of = _settings(ended)
    for record in sorted(ended, key=lambda record: (record.keys.seed, record.cell_id)):
        base = str(record.keys.base.get("label") or record.keys.base["name"])
        settings[setting_of[record.comparison]][base][record.keys.method_name].append(record)
    found = [each for setting, of_base in settings.items() if (each := _of_setting(setting, of_base)) is not None]
    return sorted(found, key=lambda each: (-each.result_schema, -len(each.methods), each.setting))


def _settings(records: Iterable[RunRecord]) -> dict[str, str]:
    """Return by comparison the setting that it has in common with those of other bases.

    A comparison may be written in several ways, if seeds were added after a setting had come; one of them is enough.
    """
    reduced: dict[int, Any] = {}
    written: dict[str, set[str]] = defaultdict(set)
    for record in records:
        written[record.comparison].add(_setting(record, reduced))
    groups: list[set[str]] = []
    for ways in written.values():
        groups = [group for group in groups if not group & ways] + [ways.union(*(g for g in groups if g & ways))]
    return {comparison: min(next(g for g in groups if g & ways)) for comparison, ways in written.items()}


def _setting(record: RunRecord, reduced: dict[int, Any]) -> str:
    """Return what of a record's settings other bases have too, as JSON.

    `reduced` holds tables without what is off, by identity: the records of a packed comparison share their tables.
    """
    cell = {key: value for key, value in record.cell.items() if key not in OF_A_BASE | OF_A_METHOD}
    for table in cell.values():
        if id(table) not in reduced:
            reduced[id(table)] = _without_unset(table)
    kept = {key: reduced[id(value)] for key, value in cell.items()}
    return strict_json({key: value for key, value in kept.items() if value not in _UNSET})


def _without_unset(value: Any) -> Any:
    """Return settings without those that are off: a record from before there was a setting does not name it."""
    if not isinstance(value, Mapping):
        return value
    return {key: kept for key, each in value.items() if (kept := _without_unset(each)) not in _UNSET}


def _of_setting(setting: str, of_base: Mapping[str, Mapping[str, Sequence[RunRecord]]]) -> OverBases | None:
    bases = sorted(of_base)
    methods = sorted(set.intersection(*(set(each) for each in of_base.values())))
    methods = [method for method in methods if all(len(_one_rate(of_base[base][method])) >= MIN_RUNS for base in bases)]
    if len(bases) < MIN_BASES or len(methods) < MIN_METHODS:
        return None
    runs = min(len(of_base[base][method]) for base in bases for method in methods)
    kept = {base: {method: list(of_base[base][method])[:runs] for method in methods} for base in bases}
    tables = {base: {method: _outcomes(each) for method, each in kept[base].items()} for base in bases}
    ranks = mean_ranks(tables)
    first = kept[bases[0]][methods[0]][0]
    rows = [_method(method, ranks[method], [kept[base][method] for base in bases]) for method in methods]
    return OverBases(
        f"{'.'.join(first.comparison.split('.')[1:-1])}.{digest(json.loads(setting))[:6]}",
        int(first.cell.get("result_schema", 0)),
        tuple(bases),
        tuple(_comparison(kept[base]) for base in bases),
        runs,
        tuple(sorted(rows, key=lambda row: (row.rank.mean, row.method))),
        tuple(_agreements(kept)),
    )


def _comparison(of_method: Mapping[str, Sequence[RunRecord]]) -> str:
    """Return the comparison that most runs of one base are in."""
    names = Counter(record.comparison for records in of_method.values() for record in records)
    return names.most_common(1)[0][0]


def _one_rate(records: Sequence[RunRecord]) -> Sequence[RunRecord]:
    """Return the runs, none where a method has several rates: their names would say which."""
    return records if len({record.keys.seed for record in records}) == len(records) else []


def _outcomes(records: Sequence[RunRecord]) -> Floats:
    return outcome_matrix([score for record in records if (score := test_score(record, "tuned")) is not None])


def _method(method: str, rank: Estimate, by_base: Sequence[Sequence[RunRecord]]) -> MethodOverBases:
    tables = [_outcomes(records) for records in by_base]
    shares = performance_profile(tables, (*PROFILE, *GRID), "bases", method)
    attested = [record for records in by_base for record in records]
    return MethodOverBases(
        method=method,
        rank=rank,
        above=tuple(shares[: len(PROFILE)]),
        profile=tuple(shares[len(PROFILE) :]),
        accuracies=tuple(float(table.mean()) for table in tables),
        worst=min(float(table.mean(axis=1).min()) for table in tables),
        trainable_share=_trainable(attested),
        memory_mb=max((r.cost.peak_memory_bytes / 1e6 for r in attested if r.cost.peak_memory_bytes), default=None),
    )


def _agreements(kept: Mapping[str, Mapping[str, Sequence[RunRecord]]]) -> list[Agreement]:
    """Return how the orders on two bases agree, and those on validation, in trials and on test within each base."""
    test = {base: [_score(records, "test") for records in of.values()] for base, of in kept.items()}
    validation = {base: [_score(records, "validation") for records in of.values()] for base, of in kept.items()}
    trials = {base: [_trial(records) for records in of.values()] for base, of in kept.items()}
    pairs = [(one, other, test[one], test[other]) for one, other in combinations(kept, 2)]
    for base in kept:
        pairs.append((f"{base}, validation", f"{base}, test", validation[base], test[base]))
        pairs.append((f"{base}, trial", f"{base}, test", trials[base], test[base]))
    return [agreement for pair in pairs if (agreement := _agreement(*pair)) is not None]


def _agreement(one: str, other: str, first: Sequence[float | None], second: Sequence[float | None]) -> Agreement | None:
    both = [(x, y) for x, y in zip(first, second, strict=True) if x is not None and y is not None]
    if len({x for x, _ in both}) < MIN_BASES or len({y for _, y in both}) < MIN_BASES:
        return None
    better = sorted(both, key=lambda pair: -(pair[0] + pair[1]))[: ceil(BETTER_SHARE * len(both))]
    differ = len({x for x, _ in better}) > 1 and len({y for _, y in better}) > 1
    key = f"{one}/{other}"
    return Agreement(
        one,
        other,
        len(both),
        kendall([x for x, _ in both], [y for _, y in both], key),
        len(better),
        kendall([x for x, _ in better], [y for _, y in better], key).mean if differ else None,
    )


def _score(records: Sequence[RunRecord], split: ScoredSplit) -> float | None:
    """Return the mean greedy accuracy of runs on a split of their task, None where one has none."""
    scores = [record.score("tuned", str(record.keys.task["name"]), split) for record in records]
    values = [score.greedy for score in scores if score is not None and score.greedy is not None]
    return fmean(values) if len(values) == len(records) else None


def _trial(records: Sequence[RunRecord]) -> float | None:
    """Return the validation accuracy of the trial that chose the rate, None for runs that were not tuned."""
    tuning: Mapping[str, Any] = records[0].cell.get("tuning") or {}
    tried = [value for value in tuning.get("validation") or () if isinstance(value, float)]
    return max(tried, default=None)


def _trainable(records: Sequence[RunRecord]) -> float | None:
    """Return the mean share of a model's parameters that was trained, None where no run attests it."""
    attested = [record.attestation for record in records if record.attestation is not None]
    shares = [float(each["trainable_parameters"]) / float(each["total_parameters"]) for each in attested]
    return fmean(shares) if shares else None


def to_csv(found: Sequence[OverBases]) -> str:
    """Return the methods of every setting as a table, one line a method; empty cells are unknown."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = [f"above_{share:g}{end}" for share in PROFILE for end in ("", "_lo", "_hi")]
    head = ["setting", "result_schema", "bases", "runs", "method", "rank", "rank_lo", "rank_hi", *names]
    writer.writerow([*head, "worst_run", "trainable_share", "peak_memory_mb"])
    for each in found:
        for row in each.methods:
            shares = [f"{value:.3f}" for share in row.above for value in (share.mean, share.low, share.high)]
            costs = [
                f"{row.worst:.4f}",
                *("" if cost is None else f"{cost:.6g}" for cost in (row.trainable_share, row.memory_mb)),
            ]
            rank = [f"{value:.2f}" for value in (row.rank.mean, row.rank.low, row.rank.high)]
            about = [each.setting, each.result_schema, " ".join(each.bases), each.runs]
            writer.writerow([*map(neutral, [*about, row.method]), *rank, *shares, *costs])
    return buffer.getvalue()
