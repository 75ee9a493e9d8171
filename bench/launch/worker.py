"""The process of one cell: runs it, writes its record, and turns an error into a record too."""

import contextlib
import os
import signal
import sys
import threading
import traceback
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rlvr_bench.cell.events import Event, Outcome
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.launch import forking
from rlvr_bench.launch.causes import cause_of
from rlvr_bench.record import store
from rlvr_bench.record.environment import capture
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.schema import Cause, Cost, RunRecord

if TYPE_CHECKING:
    from rlvr_bench.cell.run import CellResult

TAIL_LINES = 20


def work(cell: Cell, results: Path, log: Path, threads: int, processes: int, connection: Connection) -> None:
    """Run one cell to its record; the outcome goes through the connection last. What it prints goes to `log`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its cells
    redirect_output(log)
    others = forking.fork(processes, log)
    if others is None:
        connection.close()
        _train_along(cell, log, threads)
    _end_with_parent(connection)
    said = threading.Lock()

    def say(event: Event | Outcome) -> None:
        with said:
            connection.send(event)

    def fail(cause: Cause) -> Outcome:
        return keep_failure(cell, results, failed_record(cell, cause))

    others.watch(lambda cause: say(fail(cause)))
    import torch

    from rlvr_bench.cell.run import run_cell

    torch.set_num_threads(threads)
    try:
        result = run_cell(cell, say)
        assert result is not None, "the first process has the result"
        say(Event("record"))
        outcome = keep(cell, results, result)
    except Exception as error:  # noqa: BLE001 - the boundary of the cell: any error becomes its record
        traceback.print_exc()
        outcome = fail(others.failure() or cause_of(error, printed(log)))
    say(outcome)


def _train_along(cell: Cell, log: Path, threads: int) -> NoReturn:
    """Train with the first process of the cell, and end this one: without success when it fails."""
    import torch

    from rlvr_bench.cell.run import run_cell

    torch.set_num_threads(threads)
    try:
        run_cell(cell, lambda event: None)
    except Exception as error:  # noqa: BLE001 - the boundary of the process: the first one records the error
        traceback.print_exc()
        forking.leave_cause(log, error, printed(log))
        os._exit(forking.FAILED_EXIT)
    os._exit(0)  # its work is done: nothing that happens at a usual exit may fail the cell


def keep(cell: Cell, results: Path, result: "CellResult") -> Outcome:
    """Write the samples, the steps and the record of a finished cell."""
    from rlvr_bench.record import samples

    try:
        samples.write_samples(cell.id, result.samples)
        store.write_run(results, result.record, result.steps)
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


def keep_failure(cell: Cell, results: Path, record: RunRecord) -> Outcome:
    """Write the record of a cell that has no result, unless there is an earlier result."""
    outcome = _outcome(cell, record)
    try:
        if _has_result(store.folder_of(results, record)):
            return replace(outcome, message=f"{outcome.message}; the earlier result stays")
        store.write_run(results, record, [])
    except RecordError as error:
        return replace(outcome, message=f"{outcome.message}; {error}")
    return outcome


def _has_result(folder: Path) -> bool:
    """Whether a readable record of a run that did not fail is there already (a cell that was run again as stale)."""
    path = folder / store.RUN_FILE
    try:
        return path.exists() and store.read_run(path).status != "failed"
    except RecordError:
        return False


def tail(log: Path) -> list[str]:
    """Return the last lines of the output of a cell's process."""
    if not log.exists():
        return []
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]


def printed(log: Path) -> list[str]:
    """Return the last lines that this process printed, after `redirect_output`."""
    sys.stdout.flush()
    sys.stderr.flush()
    return tail(log)


def _outcome(cell: Cell, record: RunRecord) -> Outcome:
    message = (
        "" if record.cause is None else "; ".join(filter(None, (record.cause.message.rstrip("."), record.cause.fix)))
    )
    if record.status == "stale":
        raise ValueError("a cell that has just run cannot be stale")
    return Outcome(cell.id, cell.method_name, cell.seed, record.status, message)


def redirect_output(log: Path) -> None:
    """Send all that this process prints from now on to a file."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _end_with_parent(connection: Connection) -> None:
    """End this process as soon as the parent's end of the connection closes: also when the parent was killed."""

    def watch() -> None:
        with contextlib.suppress(EOFError, OSError):
            connection.recv()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
