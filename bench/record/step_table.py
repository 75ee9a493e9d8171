"""The steps of all cells of one comparison in one parquet file: a row a step, a column a metric.

Shares and norms are float64, as they were measured, counts int64. A null is a metric that the step does not have. Pages
carry checksums, so that a damaged file is never read as numbers.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rlvr_bench.record.atomic import replace_whole
from rlvr_bench.record.documents import refuse_irregular
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.record.steps import METRIC_NAMES, Steps, column, extras

CELL = "cell_id"
_ATTRIBUTES = {metric: name for name, metric in METRIC_NAMES.items()}


def write_steps(path: Path, steps: Mapping[str, Sequence[StepRecord]]) -> None:
    """Write the steps of cells, by cell id, whole or not at all; cells without steps have no rows.

    Raises:
        RecordError: the file cannot be written.
    """
    table = table_of(steps)
    replace_whole(
        path,
        lambda temporary: pq.write_table(
            table, temporary, compression="zstd", compression_level=9, write_page_checksum=True
        ),
    )


def table_of(steps: Mapping[str, Sequence[StepRecord]]) -> pa.Table:
    """Return the table of the steps of cells, by cell id."""
    groups = list(steps.values())
    names = METRIC_NAMES | {name: name for group in groups for name in extras(group)}
    columns = {metric: [value for group in groups for value in column(group, name)] for name, metric in names.items()}
    cells = [cell for cell, group in steps.items() for _ in range(len(group))]
    measured = {name: _array(columns[name]) for name in sorted(columns) if set(columns[name]) - {None}}
    return pa.table({CELL: pa.array(cells, pa.string()).dictionary_encode(), **measured})


class StepTable:
    """The steps of one file, by cell."""

    def __init__(self, places: Mapping[str, tuple[int, int]], columns: Mapping[str, list[Any]]) -> None:
        """`columns` holds a value for each row, by the attribute of a step; `places` first and end row of each cell."""
        self._places = places
        self._columns = columns

    @property
    def cells(self) -> list[str]:
        """The ids of the cells that made a step."""
        return list(self._places)

    def steps(self, cell_id: str) -> Steps:
        """Return the steps of a cell in their order, none of one that is not there."""
        start, stop = self._places.get(cell_id, (0, 0))
        own = {name: values[start:stop] for name, values in self._columns.items()}
        # A column is shared by all cells of a comparison: what only another cell reports is null in these rows.
        return Steps({n: v for n, v in own.items() if n in METRIC_NAMES or v.count(None) < len(v)}, stop - start)


def read_steps(path: Path, selected: Callable[[str], bool] = lambda metric: True) -> StepTable:
    """Read a file of steps, of its metrics those that are `selected`; there are none where there is no file.

    They were validated when they were packed; that they are what was packed is known by the pages' checksums.

    Raises:
        RecordError: the file cannot be read: which and the fix.
    """
    if not (path.exists() or path.is_symlink()):
        return StepTable({}, {})
    refuse_irregular(path)
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        names = [name for name in file.schema_arrow.names if name != CELL and selected(name)]
        table = file.read([CELL, *names])
        return StepTable(
            _places(table.column(CELL)), {_ATTRIBUTES.get(name, name): _values(table.column(name)) for name in names}
        )
    except (OSError, KeyError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise RecordError(f"{path}: not a readable table of steps ({reason}); restore the file from git") from error


def _array(values: Sequence[Any]) -> pa.Array:
    # By the values and not by the first of them: a metric may be whole in one step and a fraction in the next.
    kinds = {type(value) for value in values if value is not None}
    return pa.array(values, pa.bool_() if kinds == {bool} else pa.int64() if kinds == {int} else pa.float64())


def _places(column: pa.ChunkedArray) -> dict[str, tuple[int, int]]:
    """Return by cell its first row and the one after its last; a cell's rows are next to each other."""
    encoded = column.combine_chunks().dictionary_encode()
    of_row = _numpy(encoded.indices)
    starts = np.flatnonzero(np.diff(of_row, prepend=-1)).tolist()
    names = encoded.dictionary.to_pylist()
    cells = [names[place] for place in of_row[starts].tolist()]
    return dict(zip(cells, pairwise([*starts, len(of_row)]), strict=True))


def _values(column: pa.ChunkedArray) -> list[Any]:
    """Return a column's values, None for null; to_pylist() takes ten times as long."""
    values = column.combine_chunks()
    if not values.null_count:
        return list(_numpy(values).tolist())
    # Arrow's own way to fill nulls imports pandas, which takes longer than a leaderboard's steps.
    validity, content = values.buffers()
    end = values.offset + len(values)
    kind = values.type.to_pandas_dtype()
    held = _bits(content, end) if pa.types.is_boolean(values.type) else np.frombuffer(content, kind, end)
    filled = held[values.offset :].astype(object)
    filled[~_bits(validity, end)[values.offset :]] = None
    return list(filled.tolist())


def _bits(buffer: pa.Buffer, count: int) -> NDArray[np.bool_]:
    """Return the first bits of a buffer."""
    return np.unpackbits(np.frombuffer(buffer, np.uint8), count=count, bitorder="little").astype(bool)


def _numpy(values: pa.Array) -> NDArray[Any]:
    """Return an array without nulls as NumPy's; its to_numpy() imports pandas, which takes most of a second."""
    if pa.types.is_boolean(values.type):
        return _bits(values.buffers()[1], values.offset + len(values))[values.offset :]
    return np.from_dlpack(values)
