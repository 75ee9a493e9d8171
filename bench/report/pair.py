"""Two rows side by side: their difference, seed by seed too, the settings that differ, and their curves."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.leaderboard.row import Entry, entry_key, outcome_matrix, test_score
from rlvr_bench.plugins.suggestion import did_you_mean
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.record.store import StepReader, load_all
from rlvr_bench.report.curves import curves, is_drawn
from rlvr_bench.stats.estimate import Estimate, difference, paired_difference

SHORTEST_ID = 6
"""Digits by which a cell is named: fewer may be a method."""

NO_SETTINGS = {"seed", "method_name", "tuning.cells", "tuning.ranking", "tuning.validation"}
"""Keys of a cell that nobody chose: names, what a row spans, and what its protocol's trials measured."""


@dataclass(frozen=True, slots=True)
class Side:
    """A row, or one run as a row of its own, in the results folder that its steps lie in."""

    results: Path
    entry: Entry

    @property
    def name(self) -> str:
        """The method, with the seed of a single run."""
        seeds = {record.keys.seed for record in self.entry.records}
        return f"{self.entry.method} seed {min(seeds)}" if len(self.entry.records) == 1 else self.entry.method


def sides(results: Path, name: str, within: str = "*") -> list[Side]:
    """Return what a name stands for in a results folder: rows of that method, or the run whose id begins so.

    Args:
        name: "method", or the first digits of a cell's id.
        within: a glob on the names of comparisons.

    Raises:
        ExperimentError: nothing there is called so.
    """
    records = [record for record in load_all(results)[0] if fnmatch(record.comparison, within)]
    rows: dict[str, list[RunRecord]] = defaultdict(list)
    for record in records:
        if record.keys.method_name == name and record.status != "stale":
            rows[entry_key(record)].append(record)
    if rows:
        return [Side(results, Entry(tuple(sorted(row, key=lambda each: each.keys.seed)))) for row in rows.values()]
    if len(name) >= SHORTEST_ID:
        runs = [record for record in records if record.cell_id.startswith(name)]
        if len(runs) == 1:
            return [Side(results, Entry((runs[0],)))]
    names = dict.fromkeys(record.keys.method_name for record in records)
    raise ExperimentError(f"{results} has no row and no run {name!r}{did_you_mean(name, names)}")


def pairs(ones: Sequence[Side], others: Sequence[Side]) -> list[tuple[Side, Side]]:
    """Return the pairs of the same comparison; where none is the same, the only one of each.

    Raises:
        ExperimentError: it is not clear which to compare.
    """
    same = [(one, other) for one in ones for other in others if one.entry.comparison == other.entry.comparison]
    if same:
        return same
    if len(ones) == len(others) == 1:
        return [(ones[0], others[0])]
    where = sorted({side.entry.comparison for side in (*ones, *others)})
    raise ExperimentError(f"the two share no comparison; name one of each with --in: {', '.join(where[:6])}, ...")


def pair_document(one: Side, other: Side) -> dict[str, Any]:
    """Return all that is shown of two sides, as JSON-able data; `difference` is the first minus the second."""
    first, second = one.entry, other.entry
    comparable = bool(first.scored and second.scored) and len(first.problem_sets | second.problem_sets) == 1
    return {
        "comparison": [first.comparison, second.comparison],
        "names": [one.name, other.name],
        "accuracy": [_accuracy(first), _accuracy(second)],
        "difference": _as_dict(difference(first.outcomes("tuned"), second.outcomes("tuned"))) if comparable else None,
        "seeds": list(_by_seed(first, second)) if comparable else [],
        "settings": list(differing(first.first.cell, second.first.cell)),
        "curves": [_curves(side) for side in (one, other)],
    }


def differing(one: Mapping[str, Any], other: Mapping[str, Any], prefix: str = "") -> Iterator[dict[str, Any]]:
    """Yield every setting that two cells do not share, by its dotted key."""
    for key in sorted(one.keys() | other.keys()):
        first, second = one.get(key), other.get(key)
        if isinstance(first, Mapping) and isinstance(second, Mapping):
            yield from differing(first, second, f"{prefix}{key}.")
        elif first != second and f"{prefix}{key}" not in NO_SETTINGS:
            yield {"setting": f"{prefix}{key}", "one": first, "other": second}


def _by_seed(one: Entry, other: Entry) -> Iterator[dict[str, Any]]:
    """Yield the difference of each seed that both have; a seed means the same prompts at each step."""
    others = {record.keys.seed: record for record in other.scored}
    for record in one.scored:
        if (partner := others.get(record.keys.seed)) is not None:
            scores = [test_score(each, "tuned") for each in (record, partner)]
            tables = [outcome_matrix([score]) for score in scores if score is not None]
            yield {
                "seed": record.keys.seed,
                "one": float(tables[0].mean()),
                "other": float(tables[1].mean()),
                "difference": _as_dict(paired_difference(*tables)),
            }


def _accuracy(entry: Entry) -> float | None:
    return float(entry.outcomes("tuned").mean()) if entry.scored else None


def _as_dict(estimate: Estimate) -> dict[str, float]:
    return {"mean": estimate.mean, "low": estimate.low, "high": estimate.high}


def _curves(side: Side) -> dict[str, list[float]]:
    """Return the means over seeds of each metric, in at most 24 points."""
    reader = StepReader(side.results, is_drawn)
    runs = [reader.steps(record) for record in side.entry.records]
    return {name: curve["mean"] for name, curve in curves(runs).items()}
