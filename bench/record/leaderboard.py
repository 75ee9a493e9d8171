"""From run records to the rows of the leaderboard, ranked within each comparison.

Ranking rule: a row is ranked if two or more seeds were scored, none is invalid and all were scored on the problems that
its comparison is scored on. Ranked rows, the base among them, get tie letters from the paired bootstrap of their
differences (`bench.protocol.statistics.letters`). Failed seeds are named in `status`; collapsed ones count with their
final accuracy; stale ones are left out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from bench.protocol.statistics import Estimate, Floats, Resampled, letters, problem_draws, resampled_mean
from bench.record.columns import BY_NAME, Row, rounded
from bench.record.numbers import strict_json
from bench.record.row import (
    BASE_METHOD,
    Entry,
    entry_key,
    measurements,
    outcome_matrix,
    sampled,
    setting,
    test_score,
)
from bench.record.schema import RunRecord
from bench.record.tuning import protocols_of

CONTROL_REWARDS = ("format", "random")
"""Rewards that say nothing about correctness: what a method gains from them is the floor that a gain must beat."""

# What may differ between a row and its control.
_VARIES = {"reward", "seed", "learning_rate", "data_dir"}


@dataclass(frozen=True)
class Standing:
    """One row, with the bootstrap of its accuracy if it has one; `key` names it in any leaderboard."""

    row: Row
    accuracy: Resampled | None = None
    problems: str | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """Comparison, method and its settings: the same in two leaderboards for the same thing."""
        return row_key(self.row)


def row_key(row: Row) -> tuple[str, ...]:
    """Return what names a row: comparison, method, learning rate and the method's settings."""
    return tuple(
        "" if row[name] is None else str(row[name]) for name in ("comparison", "method", "lr", "method_config")
    )


def leaderboard(records: Iterable[RunRecord]) -> list[Standing]:
    """Return the rows of all comparisons, sorted: by comparison, ranked rows first, best first.

    The order of the records does not matter. Stale records are left out.
    """
    entries = _entries(record for record in records if record.status != "stale")
    by_comparison: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_comparison[entry.comparison].append(entry)
    controls = _controls(entries)
    standings: list[Standing] = []
    for _, group in sorted(by_comparison.items()):
        standings += sorted(_rank(group, controls), key=_order)
    return [
        Standing({name: rounded(column, s.row.get(name)) for name, column in BY_NAME.items()}, s.accuracy, s.problems)
        for s in standings
    ]


def _entries(records: Iterable[RunRecord]) -> list[Entry]:
    groups: dict[str, list[RunRecord]] = defaultdict(list)
    for record in records:
        groups[entry_key(record)].append(record)
    protocols = protocols_of(record for group in groups.values() for record in group)
    return [
        Entry(
            tuple(sorted(group, key=lambda record: (record.keys.seed, record.cell_id))),
            protocols.get(group[0].comparison),
        )
        for _, group in sorted(groups.items())
    ]


def _rank(entries: list[Entry], controls: dict[str, float]) -> list[Standing]:
    """Return the standings of one comparison, unsorted."""
    problems, backends = _common_problems(entries), _most_common(b for entry in entries for b in entry.backends)
    sizes = {score.problem_set: score.n for entry in entries for score in entry.scores()}
    draws = {name: problem_draws(f"{entries[0].comparison}/{name}", size) for name, size in sizes.items()}
    standings = [_standing(entry, problems, backends, draws, controls) for entry in entries]
    standings.append(_base_standing(entries, problems, draws))
    ranked = {str(i): s.accuracy for i, s in enumerate(standings) if _is_ranked(s.row) and s.accuracy is not None}
    for index, group in letters(ranked).items():
        standings[int(index)].row["rank_group"] = group
    return standings


def _standing(
    entry: Entry, problems: str | None, backends: str | None, draws: dict[str, Floats], controls: dict[str, float]
) -> Standing:
    row = measurements(entry)
    reasons = entry.reasons_against_ranking()
    reasons += [f"run by {b}, most of its comparison by {backends}" for b in set(entry.backends) if b != backends]
    if len(entry.problem_sets) == 1 and problems not in entry.problem_sets:
        reasons.append("scored on other problems than the rest of its comparison")
    if reasons:
        row["status"] = "unranked: " + "; ".join(reasons + entry.failures())
    else:
        row["status"] = "; ".join(["ranked", *entry.failures()])
    if len(entry.problem_sets) != 1:
        return Standing(row | {"accuracy": _mean_greedy(entry)})
    (own_problems,) = entry.problem_sets
    tuned, base = entry.outcomes("tuned"), entry.outcomes("base")
    accuracy = resampled_mean(tuned, draws[own_problems], entry.key)
    gain = resampled_mean(tuned - base, draws[own_problems], entry.key)
    row |= _columns("accuracy", accuracy.estimate()) | _columns("gain", gain.estimate())
    control = controls.get(_control_key(entry))
    if control is not None and entry.first.keys.reward["name"] not in CONTROL_REWARDS:
        row["gain_over_control"] = accuracy.mean - control
    return Standing(row, accuracy, own_problems)


def _base_standing(entries: list[Entry], problems: str | None, draws: dict[str, Floats]) -> Standing:
    """Return the row of the untrained base: a comparison always has one."""
    row = setting(entries[0].first) | {"method": BASE_METHOD}
    scores = [score for entry in entries for score in entry.scores("base") if score.problem_set == problems]
    if problems is None or not scores:
        return Standing(row | {"status": "unranked: no record holds a test score of the base"})
    # Every cell holds the same base scores, from one evaluation; if they differ, all of them count.
    distinct = list({score.greedy_outcomes: score for score in scores}.values())
    key = f"{entries[0].comparison}/{BASE_METHOD}"
    accuracy = resampled_mean(outcome_matrix(distinct), draws[problems], key)
    row |= sampled(distinct) | _columns("accuracy", accuracy.estimate())
    row |= {"status": "reference", "base_accuracy": accuracy.mean}
    return Standing(row, accuracy, problems)


def _controls(entries: Iterable[Entry]) -> dict[str, float]:
    """Return the best mean accuracy under a control reward, by what is trained how on what."""
    best: dict[str, float] = {}
    for entry in entries:
        accuracy = _mean_greedy(entry)
        if entry.first.keys.reward["name"] in CONTROL_REWARDS and accuracy is not None:
            key = _control_key(entry)
            best[key] = max(accuracy, best.get(key, accuracy))
    return best


def _control_key(entry: Entry) -> str:
    return strict_json({name: value for name, value in entry.first.cell.items() if name not in _VARIES})


def _common_problems(entries: Iterable[Entry]) -> str | None:
    """Return the hash of the problems that most records of a comparison were scored on."""
    return _most_common(
        score.problem_set
        for entry in entries
        for record in entry.scored
        if (score := test_score(record, "tuned")) is not None
    )


def _most_common(names: Iterable[str]) -> str | None:
    """Return the most frequent name, of several the first in the alphabet; None without any."""
    counts = Counter(names)
    return min(counts, key=lambda name: (-counts[name], name), default=None)


def _mean_greedy(entry: Entry) -> float | None:
    values = [score.greedy for score in entry.scores() if score.greedy is not None]
    return sum(values) / len(values) if values else None


def _columns(name: str, estimate: Estimate) -> Row:
    return {name: estimate.mean, f"{name}_lo": estimate.low, f"{name}_hi": estimate.high}


def _is_ranked(row: Row) -> bool:
    return str(row["status"]).startswith(("ranked", "reference"))


def _order(standing: Standing) -> tuple[bool, float, tuple[str, ...]]:
    row = standing.row | {name: standing.row.get(name) for name in ("accuracy", "lr", "method_config")}
    accuracy = row["accuracy"]
    return not _is_ranked(row), -accuracy if isinstance(accuracy, float) else 1.0, row_key(row)
