"""Completions as TRL writes them with `log_completions`: a parquet file a step, or a folder of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rlvr_bench.audit.errors import AuditError
from rlvr_bench.audit.training_log import LARGEST_FILE

MOST_ROWS = 200_000
"""Completions that are read; a longer table is refused."""

NO_REWARD = {"step", "prompt", "completion", "advantage"}


@dataclass(frozen=True, slots=True)
class Completion:
    """One completion; `reward` is the sum over reward functions, `columns` everything else that was stored."""

    step: int
    prompt: str
    text: str
    reward: float | None
    columns: Mapping[str, Any]


def read_completions(paths: list[Path]) -> list[Completion]:
    """Read parquet files and folders of them. Raises AuditError for one that is none of TRL's."""
    files = [file for path in paths for file in (sorted(path.glob("*.parquet")) if path.is_dir() else [path])]
    if not files:
        raise AuditError(f"{paths[0]} holds no .parquet file: give TRL's completions folder (log_completions=True).")
    completions = [completion for file in files for completion in _of(file)]
    if len(completions) > MOST_ROWS:
        raise AuditError(f"{paths[0]} has {len(completions)} completions, more than {MOST_ROWS}: give fewer files.")
    return completions


def _of(file: Path) -> list[Completion]:
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise AuditError(f"{file} is larger than {LARGEST_FILE >> 20} MB: give fewer steps.")
        # Opened as one file: the name of a folder may not add a column to it.
        with pq.ParquetFile(file) as parquet:
            columns, rows = set(parquet.schema_arrow.names), parquet.metadata.num_rows
            if not {"prompt", "completion"} <= columns:
                raise AuditError(f"{file} has no columns prompt and completion: give TRL's completions parquet.")
            if rows > MOST_ROWS:
                raise AuditError(f"{file} has {rows} rows, more than {MOST_ROWS}: give fewer steps.")
            table = parquet.read().to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise AuditError(f"{file} is no whole parquet file ({error}): copy it again.") from error
    return [_completion(row) for row in table]


def _completion(row: Mapping[str, Any]) -> Completion:
    numbers = {name: value for name, value in row.items() if name not in NO_REWARD and _is_number(value)}
    # Reward functions lend their columns their own names; where one says reward, the others are extra columns.
    rewards = [value for name, value in numbers.items() if "reward" in name] or list(numbers.values())
    step = row.get("step")
    return Completion(
        step if isinstance(step, int) else 0,
        _text(row["prompt"]),
        _text(row["completion"]),
        float(sum(rewards)) if rewards else None,
        {name: value for name, value in row.items() if name not in ("prompt", "completion")},
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _text(value: Any) -> str:
    """Return a text, of a conversation the contents of its messages."""
    if isinstance(value, list):
        return "\n".join(str(turn.get("content") or "") if isinstance(turn, Mapping) else str(turn) for turn in value)
    return "" if value is None else str(value)
