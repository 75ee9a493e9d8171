"""Traces in parquet, in the content-addressed cache: what changes a trace is hashed into the file's name.

Traces are untrusted model output: stored as text and numbers, never run.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rlvr_bench.generate import matmul
from rlvr_bench.record.atomic import replace_whole
from rlvr_bench.record.cache import cache_dir, computed_once
from rlvr_bench.record.errors import RecordError
from rlvr_bench.thinking.trace import Trace

_CODE_VERSION = 2
"""Raised when a change of this package changes the traces or probes of an unchanged model."""

TRACES_SCHEMA = pa.schema(
    [
        ("problem", pa.string()),
        ("sample", pa.int32()),
        ("prompt", pa.list_(pa.int32())),
        ("tokens", pa.list_(pa.int32())),
        ("text", pa.string()),
        ("answer", pa.string()),  # null: no answer was found
        ("correct", pa.bool_()),
        ("reason", pa.string()),
        ("truncated", pa.bool_()),
    ]
)


def key(content: dict[str, Any]) -> str:
    """16 hex digits of the hash of `content`, of the libraries' versions and of what float32 products go through."""
    libraries = {name: version(name) for name in ("torch", "transformers", "peft")}
    whole = {"code": _CODE_VERSION, "libraries": libraries, "products": matmul.library(), **content}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]


def folder(identity: str) -> Path:
    """Where the traces or the probe under this key are kept."""
    return cache_dir() / "thinking" / identity


def cached_traces(identity: str, make: Callable[[], list[Trace]]) -> list[Trace]:
    """The traces under this key, made and kept if they are not there. Raises RecordError for a broken file."""
    path = folder(identity) / "traces.parquet"
    if path.exists():
        return read_traces(path)
    traces = make()
    write_traces(path, traces)
    return traces


def cached_values(identity: str, make: Callable[[], Any]) -> Any:
    """What was computed of traces, as JSON, under this key; made and kept if it is not there."""
    return computed_once(folder(identity) / "values.json", json.loads, make, json.dumps)


def write_traces(path: Path, traces: list[Trace]) -> None:
    """Write traces whole or not at all."""
    table = pa.Table.from_pylist([asdict(trace) for trace in traces], schema=TRACES_SCHEMA)
    replace_whole(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"))


def read_traces(path: Path) -> list[Trace]:
    """Read what `write_traces` wrote; raises RecordError where it cannot be read."""
    try:
        rows: list[dict[str, Any]] = pq.read_table(path, schema=TRACES_SCHEMA).to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise RecordError(
            f"{path}: not a readable parquet file of traces ({error}); delete it and run again"
        ) from error
    return [Trace(**row | {name: tuple(row[name]) for name in ("prompt", "tokens")}) for row in rows]
