"""From run records to the rows of the leaderboard, ranked within each comparison.

Ranking rule: a row is ranked if it reaches the first look with enough sound runs, none is invalid and all were scored
on the problems that its comparison is scored on. Ranked rows, the base among them, get tie letters from all pairwise
differences of their accuracy given that a run is sound, with the chance of any false claim held at 5 % (`stats.looks`).
Runs are labelled by the present collapse rules, whatever they were labelled when they were made. Failed seeds are named
in `status`; collapsed ones count in the plain mean with their final accuracy; stale ones are left out.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlvr_bench.leaderboard.columns import BY_NAME, Row, rounded
from rlvr_bench.leaderboard.controls import control_columns, control_remark, controls, prompt_columns
from rlvr_bench.leaderboard.rates import rate_columns
from rlvr_bench.leaderboard.row import (
    BASE_METHOD,
    MIN_PROBLEMS,
    Entry,
    entry_key,
    measurements,
    outcome_matrix,
    row_rate,
    sampled,
    setting,
    test_score,
)
from rlvr_bench.leaderboard.tuning import protocols_of
from rlvr_bench.leaderboard.uncertainty import Sample, statistics
from rlvr_bench.record.numbers import strict_json
from rlvr_bench.record.schema import RunRecord, Score, StepRecord
from rlvr_bench.record.store import StepReader
from rlvr_bench.stats.looks import Runs
from rlvr_bench.stats.random_effects import Floats
from rlvr_bench.train.collapse import METRICS, relabelled

ReadSteps = Callable[[RunRecord], Sequence[StepRecord]]


@dataclass(frozen=True)
class Standing:
    """One row, with the greedy outcomes behind its accuracy where they are known.

    Attributes:
        outcomes: 0 or 1, shape (scored seeds, problems); the untrained base has one row.
        sound: whether each of these seeds is sound, shape (scored seeds,).
        runs: as they are compared with other rows'.
        problems: names the problem set of `outcomes`: those of equal ones can be paired.
        base: those of the row's own base, where its gain is known; one row for each evaluation of it.
    """

    row: Row
    outcomes: Floats | None = None
    problems: str | None = None
    base: Floats | None = None
    sound: NDArray[np.bool_] | None = None
    runs: Runs | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """Comparison, method and its settings: the same in two leaderboards for the same thing."""
        return row_key(self.row)


def row_key(row: Row) -> tuple[str, ...]:
    """Return what names a row: comparison, method, learning rate and the method's settings."""
    return tuple(
        "" if row[name] is None else str(row[name]) for name in ("comparison", "method", "lr", "method_config")
    )


def record_key(record: RunRecord) -> tuple[str, ...]:
    """Return the key of the row that a record belongs to, as `row_key` gives it of the row."""
    keys = record.keys
    return row_key(
        {
            "comparison": record.comparison,
            "method": keys.method_name,
            "lr": rounded(BY_NAME["lr"], row_rate(record)),
            "method_config": strict_json(keys.method),
        }
    )


def no_steps(record: RunRecord) -> Sequence[StepRecord]:
    """Return no steps."""
    return ()


def step_reader(results: Path) -> ReadSteps:
    """Return what reads the steps of a results folder's runs, as far as labels depend on them."""
    return StepReader(results, METRICS.__contains__).steps


def leaderboard(records: Iterable[RunRecord], read_steps: ReadSteps = no_steps) -> list[Standing]:
    """Return the rows of all comparisons, sorted: by comparison, ranked rows first, best first.

    The order of the records does not matter. Stale records are left out.

    Args:
        read_steps: reads those of a run, with which it is labelled again; without, its final score alone does that.
    """
    return standings_of(relabelled(record, read_steps) for record in records if record.status != "stale")


def standings_of(labelled: Iterable[RunRecord]) -> list[Standing]:
    """Return what `leaderboard` does of records that the present rules have labelled (`relabelled`) already."""
    current = [record for record in labelled if record.status != "stale"]
    entries, by_id = _entries(current), {record.cell_id: record for record in current}
    by_comparison: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_comparison[entry.comparison].append(entry)
    by_settings = controls(entries)
    standings: list[Standing] = []
    for _, group in sorted(by_comparison.items()):
        standings += sorted(_rank(group, by_settings, by_id), key=_order)
    return [
        Standing({name: rounded(column, s.row.get(name)) for name, column in BY_NAME.items()}, s.outcomes, s.problems)
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


def _rank(entries: list[Entry], by_settings: dict[str, list[Entry]], by_id: dict[str, RunRecord]) -> list[Standing]:
    """Return the standings of one comparison, unsorted; `by_id` are all records, those of its trials among them."""
    problems, backends = _common_problems(entries), _most_common(b for entry in entries for b in entry.backends)
    rates = rate_columns(entries, by_id)
    standings = {entry.key: _standing(entry, problems, backends, by_settings) for entry in entries}
    for key, columns in rates.items():
        standings[key].row.update(columns)
    standings[BASE_METHOD] = _base_standing(entries, problems)
    full = [e.key for e in entries if e.first.keys.method.get("type") == "full"]
    for key, columns in statistics({key: _sample(one) for key, one in standings.items()}, full).items():
        standings[key].row.update(columns)
    return list(standings.values())


def _standing(
    entry: Entry, problems: str | None, backends: str | None, by_settings: dict[str, list[Entry]]
) -> Standing:
    row = measurements(entry)
    reasons = entry.reasons_against_ranking()
    reasons += [f"run by {b}, most of its comparison by {backends}" for b in set(entry.backends) if b != backends]
    if len(entry.problem_sets) == 1 and problems not in entry.problem_sets:
        reasons.append("scored on other problems than the rest of its comparison")
    status = "unranked: " + "; ".join(reasons) if reasons else "ranked"
    row["status"] = "; ".join([status, *entry.failures(), *entry.unused_budgets()])
    if len(entry.problem_sets) != 1 or any(score.n < MIN_PROBLEMS for score in entry.scores()):
        return Standing(row | {"accuracy": _mean_greedy(entry)})
    (own_problems,) = entry.problem_sets
    tuned, base = entry.outcomes("tuned"), outcome_matrix(_distinct(entry.scores("base")))
    row |= control_columns(entry, by_settings) | prompt_columns(entry)
    row["status"] = "; ".join([str(row["status"]), *control_remark(row)])
    return Standing(row, tuned, own_problems, base, entry.sound, entry.runs)


def _sample(standing: Standing) -> Sample:
    return Sample(
        name=str(standing.row["method"]),
        problems=standing.problems,
        outcomes=standing.outcomes,
        sound=standing.sound,
        base=standing.base,
        ranked=standing.runs if _is_ranked(standing.row) else None,
    )


def _base_standing(entries: list[Entry], problems: str | None) -> Standing:
    """Return the row of the untrained base: a comparison always has one."""
    row = setting(entries[0].first) | {"method": BASE_METHOD}
    scores = [score for entry in entries for score in entry.scores("base") if score.problem_set == problems]
    if problems is None or not scores:
        return Standing(row | {"status": "unranked: no record holds a test score of the base"})
    distinct = _distinct(scores)
    row |= sampled(distinct)
    if distinct[0].n < MIN_PROBLEMS:
        return Standing(row | {"status": f"unranked: scored on 1 problem, {MIN_PROBLEMS} are needed"})
    outcomes = outcome_matrix(distinct)
    row |= {"status": "reference", "base_accuracy": float(outcomes.mean())}
    every = np.ones(len(outcomes), dtype=np.bool_)
    return Standing(row, outcomes, problems, sound=every, runs=Runs.untrained(outcomes))


def _distinct(scores: Iterable[Score]) -> list[Score]:
    """Return the base's scores, equal ones once: cells share one evaluation; if theirs differ, all count."""
    return list({score.greedy_outcomes: score for score in scores}.values())


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


def _is_ranked(row: Row) -> bool:
    return str(row["status"]).startswith(("ranked", "reference"))


def _order(standing: Standing) -> tuple[bool, float, tuple[str, ...]]:
    row = standing.row | {name: standing.row.get(name) for name in ("accuracy", "lr", "method_config")}
    accuracy = standing.row.get("accuracy_sound") if _is_ranked(row) else row["accuracy"]
    return not _is_ranked(row), -accuracy if isinstance(accuracy, float) else 1.0, row_key(row)
