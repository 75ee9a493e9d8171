"""From what a cell gave to its record on disk, and to the outcome that the launcher passes on."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rlvr_bench.cell.events import Outcome
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.record import store
from rlvr_bench.record.environment import capture
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.schema import Cause, Cost, RunRecord

if TYPE_CHECKING:  # it brings torch, which the process that launches cells does not need
    from rlvr_bench.cell.run import CellResult


def write_result(cell: Cell, results: Path, result: "CellResult") -> Outcome:
    """Write the samples, the steps and the record of a finished cell."""
    from rlvr_bench.record import samples  # it brings pyarrow

    try:
        # The record last: where it is, the cell counts as done.
        stored = samples.stored(samples.write_samples(cell.id, result.samples), len(result.samples))
        store.write_run(results, result.record.model_copy(update={"samples": stored}), result.steps)
    except RecordError as error:  # nothing can be written: only the outcome can say so
        return Outcome(cell.id, cell.method_name, cell.seed, "failed", str(error))
    return _outcome(cell, result.record)


def failed_record(cell: Cell, cause: Cause) -> RunRecord:
    """Return the record of a cell that has no result."""
    return RunRecord(
        cell=cell.model_dump(mode="json"),
        cell_id=cell.id,
        comparison=cell.comparison,
        status="failed",
        cause=cause,
        cost=Cost(),
        environment=capture(),
    )


def write_failure(cell: Cell, results: Path, record: RunRecord) -> Outcome:
    """Write the record of a cell that has no result, unless there is an earlier result."""
    outcome = _outcome(cell, record)
    try:
        if _has_result(cell, results):
            return replace(outcome, message=f"{outcome.message}; the earlier result stays")
        store.write_run(results, record, [])
    except RecordError as error:
        return replace(outcome, message=f"{outcome.message}; {error}")
    return outcome


def _has_result(cell: Cell, results: Path) -> bool:
    """Whether a readable record of a run that did not fail is there already (a cell that was run again as stale)."""
    try:
        earlier = store.read_cell(
            results, comparison=cell.comparison, method=cell.method_name, seed=cell.seed, cell_id=cell.id
        )
    except RecordError:
        return False
    return earlier is not None and earlier.status != "failed"


def _outcome(cell: Cell, record: RunRecord) -> Outcome:
    message = ""
    if record.cause is not None:
        message = "; ".join(filter(None, (record.cause.message.rstrip("."), record.cause.fix)))
    if record.status == "stale":
        raise ValueError("a cell that has just run cannot be stale")
    return Outcome(cell.id, cell.method_name, cell.seed, record.status, message)
