"""Finding one record by what a person names: the beginning of its cell's id."""

from pathlib import Path

from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.record.store import load_all


def find_record(results: Path, cell_id: str) -> RunRecord:
    """Return the record of the cell whose id begins so.

    Raises:
        RecordError: no cell has such an id, or more than one.
    """
    records = [record for record in load_all(results)[0] if record.cell_id.startswith(cell_id)]
    ids = {record.cell_id for record in records}
    if len(ids) != 1 or not cell_id:
        count = f"{len(ids)} cells have ids that begin" if ids else "no cell has an id that begins"
        raise RecordError(f"{results}: {count} with {cell_id!r}; give the id as plan --json or its folder says it")
    return records[-1]
