"""What a method's records at several learning rates say together: how wide the range of good rates is, how sound it is.

A row of the leaderboard is one rate; these columns are the same in all rows of one method and its settings. Only
`lr_edge` is of one row: where the rate that a protocol chose lies among those of its trials.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain

from rlvr_bench.leaderboard.columns import Row, interval_columns
from rlvr_bench.leaderboard.row import Entry, outcome_matrix
from rlvr_bench.record.numbers import strict_json
from rlvr_bench.record.schema import RunRecord, Score, ScoredSplit
from rlvr_bench.stats.survival import survival
from rlvr_bench.stats.tolerance import learning_rate_tolerance


def rate_columns(entries: Sequence[Entry], trials: Mapping[str, RunRecord]) -> dict[str, Row]:
    """Return the columns of a comparison's entries by `Entry.key`; `trials` are records by cell id."""
    by_method: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_method[strict_json(entry.first.keys.method)].append(entry)
    by_entry: dict[str, Row] = {}
    for group in by_method.values():
        columns = _tolerance(group) | _survival([record for entry in group for record in entry.records])
        by_entry |= {entry.key: columns | {"lr_edge": rate_edge(entry.first, trials)} for entry in group}
    return by_entry


def rate_edge(record: RunRecord, trials: Mapping[str, RunRecord]) -> str | None:
    """Return what is doubtful about a rate that was chosen by trials, such as "next higher rate collapsed".

    Args:
        record: of a row; without `tuning`, or if more than the rate was tuned, there is nothing to say.
        trials: records by cell id; if one of the trials is not among them, there is nothing to say either.
    """
    tuning = record.cell.get("tuning")
    if tuning is None or set(tuning.get("space", ())) != {"learning_rate"}:
        return None
    if any(cell not in trials for cells in tuning["cells"] for cell in cells):
        return None
    tried = [[trials[cell] for cell in cells] for cells in tuning["cells"]]
    order = sorted(range(len(tried)), key=lambda trial: tried[trial][0].keys.learning_rate or 0.0)
    place = order.index(tuning["ranking"][0])
    doubts = [f"{end} rate tried" for end, at in (("lowest", 0), ("highest", len(order) - 1)) if place == at]
    for side, at in (("lower", place - 1), ("higher", place + 1)):
        if at in range(len(order)) and any(run.status in ("collapsed", "stopped") for run in tried[order[at]]):
            doubts.append(f"next {side} rate collapsed")
    return "; ".join(doubts) or None


def _tolerance(group: Sequence[Entry]) -> Row:
    rates = [entry.first.keys.learning_rate for entry in group]
    known = [rate for rate in rates if rate is not None]
    scores = _comparable_scores(group)
    if len(known) < len(rates) or len(set(known)) < max(len(known), 2) or scores is None:
        return {}
    problems = scores[0][0].problem_set
    key = f"{strict_json(group[0].first.keys.method)}/{problems}"
    tolerance = learning_rate_tolerance(known, [outcome_matrix(of_rate) for of_rate in scores], key)
    ends = [name for name, is_open in (("low", tolerance.open_low), ("high", tolerance.open_high)) if is_open]
    return interval_columns("lr_tolerance", tolerance.width) | {
        "lr_tried": len(known),
        "lr_open": " ".join(ends) or None,
    }


def _comparable_scores(group: Sequence[Entry]) -> list[list[Score]] | None:
    """Return each rate's scores on one set of problems, of the test split if all have it, else of validation."""
    splits: tuple[ScoredSplit, ...] = ("test", "validation")
    for split in splits:
        scores = [[one for one in entry.scores(split=split) if one.greedy is not None] for entry in group]
        sets = {score.problem_set for score in chain.from_iterable(scores)}
        if all(scores) and len(sets) == 1 and scores[0][0].n > 1:
            return scores
    return None


def _survival(records: Sequence[RunRecord]) -> Row:
    runs = [
        (record.stability.collapse_step or record.stability.steps, record.stability.collapse_rule is not None)
        for record in records
        if record.stability is not None and record.stability.steps > 0
    ]
    if not runs:
        return {}
    curve = survival([step for step, _ in runs], [collapsed for _, collapsed in runs])
    return interval_columns("sound_share", curve.at(curve.last)) | {"collapse_median_step": curve.median}
