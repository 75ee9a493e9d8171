"""The stored samples behind a record's scores, one score at a time: found, or an error that names what is missing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from bench.evaluate import base_cache
from bench.experiment.cell import Cell
from bench.experiment.settings import RlvrSettings
from bench.record.errors import RecordError
from bench.record.samples import read_samples, samples_path
from bench.record.schema import ModelRole, RunRecord, Score, ScoredSplit

Rows = list[dict[str, Any]]

SAMPLED_ROLES: tuple[ModelRole, ...] = ("base", "tuned")
"""Models whose completions are kept."""


@dataclass(frozen=True, slots=True)
class StoredScore:
    """One score of a record, and the samples that it was made of, greedy ones first."""

    role: ModelRole
    task: str
    split: ScoredSplit
    score: Score
    rows: Rows


def stored_scores(folder: Path, record: RunRecord) -> Iterator[StoredScore]:
    """Yield the scores of a record with their samples; of models whose completions are not kept there are none.

    Args:
        folder: that of the record; its samples may lie there instead of in the cache.

    Raises:
        RecordError: samples are not there, or are not those of the score.
    """
    cell = Cell.model_validate(record.cell)
    for role in SAMPLED_ROLES:
        for task, by_split in record.accuracy.get(role, {}).items():
            for split, score in by_split.items():
                found = _tuned(folder, record, task, split) if role == "tuned" else _base(record, cell, task, split)
                if record.rescored is None and not _gives(found, score):
                    raise RecordError(
                        f"samples of cell {record.cell_id} ({role}, {task} {split}) are not those of its score; run "
                        "the cell again"
                    )
                yield StoredScore(role, task, split, score, found)


def greedy_first(rows: Rows) -> tuple[Rows, Rows]:
    """Return the greedy and the sampled completions."""
    return [row for row in rows if row["temperature"] == 0], [row for row in rows if row["temperature"] > 0]


def _tuned(folder: Path, record: RunRecord, task: str, split: str) -> Rows:
    rows = read_samples(record.cell_id, beside=folder)
    found = [row for row in rows if (row["task"], row["split"]) == (task, split)]
    if not found:
        raise RecordError(f"no samples of cell {record.cell_id} on {task} {split}; run the cell again")
    return found


def _base(record: RunRecord, cell: Cell, task: str, split: ScoredSplit) -> Rows:
    """Return the base's samples, which all cells share, from the cache."""
    fingerprints = dict(zip(cell.scored_tasks(), [cell.task_fingerprint, *cell.extra_fingerprints], strict=True))
    used = str((record.rollout or {}).get("backend"))
    backends = get_args(RlvrSettings.model_fields["rollout_backend"].annotation)
    for backend in [used, *(name for name in backends if name not in ("auto", used))]:
        identity = base_cache.key(
            cell.base_fingerprint, fingerprints[task], split, cell.evaluate, backend, record.environment.packages
        )
        if samples_path(identity).exists():
            return read_samples(identity)
    raise RecordError(
        f"no samples of the base of cell {record.cell_id} ({task} {split}) in {samples_path('').parent}; run the cell "
        "here, or point RLVR_BENCH_CACHE to the cache that has them"
    )


def _gives(rows: Sequence[dict[str, Any]], score: Score) -> bool:
    """Whether stored verdicts add up to a score."""
    greedy, sampled = greedy_first(list(rows))
    right = "".join(str(int(row["correct"])) for row in greedy)
    return right == score.greedy_outcomes and len(sampled) == len(score.sample_counts) * score.k
