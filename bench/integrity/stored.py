"""The stored samples behind a record's scores, one score at a time: found, or an error that names what is missing."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, get_args

from rlvr_bench.evaluate import base_cache
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.scored import score_tasks
from rlvr_bench.experiment.settings import RlvrSettings
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.samples import file_digest, read_samples, samples_file, samples_path
from rlvr_bench.record.schema import ModelRole, RunRecord, Score, ScoredSplit

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
    for role in SAMPLED_ROLES:
        for task, by_split in record.accuracy.get(role, {}).items():
            for split, score in by_split.items():
                samples = list(_tuned(folder, record, task, split) if role == "tuned" else _base(record, task, split))
                if not samples:
                    raise RecordError(
                        f"no samples of cell {record.cell_id} ({role}, {task} {split}) in {samples_path('').parent}; "
                        "run the cell here, or point RLVR_BENCH_CACHE to the cache that has them"
                    )
                # The verdicts that a score rests on were given before it was graded again.
                usable = [rows for rows in samples if record.rescored is not None or _gives(rows, score)]
                if not usable:
                    raise RecordError(
                        f"samples of cell {record.cell_id} ({role}, {task} {split}) are not those of its score; run "
                        "the cell again"
                    )
                yield StoredScore(role, task, split, score, usable[0])


def _tuned(folder: Path, record: RunRecord, task: str, split: str) -> Iterator[Rows]:
    rows = read_samples(record.cell_id, beside=folder)
    path = samples_file(record.cell_id, beside=folder)
    if record.samples is not None and file_digest(path) != record.samples.sha256:
        raise RecordError(f"samples of cell {record.cell_id} in {path.parent} are of another run; run the cell again")
    selected = [row for row in rows if (row["task"], row["split"]) == (task, split)]
    if selected:
        yield selected


def _base(record: RunRecord, task: str, split: ScoredSplit) -> Iterator[Rows]:
    """Yield what the cache has of the base's samples, which all cells share: of the cell's own backend first."""
    cell = Cell.model_validate(record.cell)
    names = score_tasks(record.cell)
    fingerprints = dict(zip(names, [cell.task_fingerprint, *cell.extra_fingerprints], strict=True))
    used = str((record.rollout or {}).get("backend"))
    rollout_backends = get_args(RlvrSettings.model_fields["rollout_backend"].annotation)
    backends = [used, *(name for name in rollout_backends if name not in ("auto", used))]
    libraries = dict.fromkeys((record.environment.float32_products, None))
    for backend, code, library in product(backends, range(base_cache.CODE_VERSION, 0, -1), libraries):
        identity = base_cache.key(
            cell.base_fingerprint,
            fingerprints[task],
            split,
            cell.evaluate,
            backend,
            library,
            versions=record.environment.packages,
            code=code,
        )
        if samples_path(identity).exists():
            yield read_samples(identity)


def _gives(rows: Rows, score: Score) -> bool:
    """Whether stored verdicts add up to a score."""
    right = "".join(str(int(row["correct"])) for row in rows if row["temperature"] == 0)
    counts: dict[str, int] = {}
    for row in rows:
        if row["temperature"] > 0:
            counts[row["problem_id"]] = counts.get(row["problem_id"], 0) + int(row["correct"])
    return right == score.greedy_outcomes and list(counts.values()) == list(score.sample_counts)
