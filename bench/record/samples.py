"""Every completion that was scored, in one parquet file per cell.

Samples are large, so they live in the cache and not in git; the cell id finds them again. Completions are untrusted
model output: they are stored as text and never run.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rlvr_bench.record.atomic import replace_whole
from rlvr_bench.record.cache import cache_dir
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.schema import StoredSamples

SAMPLES_FILE = "samples.parquet"

SAMPLES_SCHEMA = pa.schema(
    [
        ("cell_id", pa.string()),
        ("model", pa.dictionary(pa.int8(), pa.string())),  # base | tuned
        ("task", pa.dictionary(pa.int16(), pa.string())),
        ("split", pa.dictionary(pa.int8(), pa.string())),
        ("problem_id", pa.string()),
        ("sample", pa.int32()),  # number within its problem; temperature 0 is the greedy completion
        ("completion", pa.string()),
        ("parsed", pa.string()),  # null: no answer was found
        ("correct", pa.bool_()),
        ("reason", pa.dictionary(pa.int8(), pa.string())),  # correct | wrong | unparsed | truncated | error
        ("tokens", pa.int32()),
        ("logprob_sum", pa.float64()),
        ("finish_reason", pa.dictionary(pa.int8(), pa.string())),  # stop | length
        ("temperature", pa.float64()),
        ("seed", pa.int64()),
    ]
)


def samples_path(cell_id: str) -> Path:
    """Return where the samples of a cell are kept."""
    return cache_dir() / "cells" / cell_id / SAMPLES_FILE


def cells_with_samples() -> frozenset[str]:
    """Return the ids of the cells whose samples are in the cache."""
    return frozenset(path.parent.name for path in (cache_dir() / "cells").glob(f"*/{SAMPLES_FILE}"))


def write_samples(cell_id: str, rows: list[dict[str, Any]]) -> Path:
    """Write the samples of a cell whole or not at all; each row has the columns of `SAMPLES_SCHEMA`.

    Raises:
        RecordError: a row lacks a column or holds the wrong type, or the disk is full.
    """
    path = samples_path(cell_id)
    try:
        table = pa.Table.from_pylist([_checked(row, path) for row in rows], schema=SAMPLES_SCHEMA)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise RecordError(
            f"a sample of cell {cell_id} does not fit its column ({error}); see SAMPLES_SCHEMA"
        ) from error
    replace_whole(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"))
    return path


def stored(path: Path, rows: int) -> StoredSamples:
    """Return what a record keeps of a file of samples; raises RecordError where it cannot be read."""
    return StoredSamples(rows=rows, sha256=file_digest(path))


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file of samples; raises RecordError where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); make the file readable") from error


def samples_file(cell_id: str, beside: Path | None = None) -> Path:
    """Return the file of a cell's samples: that in the folder `beside` where there is one, else that in the cache."""
    own = None if beside is None else beside / SAMPLES_FILE
    return own if own is not None and own.exists() else samples_path(cell_id)


def read_samples(
    cell_id: str,
    beside: Path | None = None,
    columns: Sequence[str] | None = None,
    where: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Read the samples of a cell.

    Args:
        beside: a folder that may hold them too, as `samples.parquet`: that of the cell's record.
        columns: those that are read, None for all: few of them take a fraction of the time.
        where: values that rows must have, by column.

    Raises:
        RecordError: there are none in this cache, or the file is broken.
    """
    path = samples_file(cell_id, beside)
    if not path.exists():
        raise RecordError(
            f"no samples of cell {cell_id} in {path.parent}; run the cell here, or point RLVR_BENCH_CACHE "
            "to the cache that has them"
        )
    try:
        filters = [(name, "=", value) for name, value in (where or {}).items()] or None
        table = pq.read_table(path, schema=SAMPLES_SCHEMA, columns=columns and list(columns), filters=filters)
        rows: list[dict[str, Any]] = table.to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise RecordError(
            f"{path}: not a readable parquet file of samples ({error}); delete it and run cell {cell_id} again"
        ) from error
    return rows


def _checked(row: dict[str, Any], path: Path) -> dict[str, Any]:
    expected = set(SAMPLES_SCHEMA.names)
    if row.keys() != expected:
        missing, unknown = sorted(expected - row.keys()), sorted(row.keys() - expected)
        raise RecordError(
            f"a sample for {path} has the wrong columns (missing {missing}, unknown {unknown}); see SAMPLES_SCHEMA"
        )
    return row
