"""The process of one cell on this machine: runs it, writes its record, and turns an error into a record too.

Module-level imports are light. torch and the cell come only after the peers of the process are forked: a process that
has used torch cannot be forked safely. Where the fork server has imported them already (`preload`), that costs nothing.
"""

import contextlib
import os
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rlvr_bench.cell.events import Event, Outcome
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.launch import forking, gpus
from rlvr_bench.launch.causes import cause_of
from rlvr_bench.launch.outcomes import failed_record, write_failure, write_result
from rlvr_bench.launch.output import own_tail, redirect_output
from rlvr_bench.record.schema import Cause

if TYPE_CHECKING:
    from rlvr_bench.cell.run import CellResult


def work(
    cell: Cell,
    results: Path,
    log: Path,
    threads: int,
    processes: int,
    shard: bool,
    own_gpus: tuple[str, ...],
    connection: Connection,
) -> None:
    """Run one cell to its record; the outcome goes through the connection last. What it prints goes to `log`.

    It sees `own_gpus` alone, one for each of its processes; on a machine without GPUs there are none.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its cells
    try:
        redirect_output(log)
    except FileNotFoundError:  # the parent was interrupted: its folder went before this process came
        os._exit(1)
    gpus.restrict(own_gpus)
    # Before this process has a thread: a fork takes along only the thread that calls it.
    peers = forking.fork(processes, log, shard)
    if peers is None:
        connection.close()  # the parent waits for the end of the first process alone
        _train_as_peer(cell, log, threads)
    _end_with_parent(connection)
    sending = threading.Lock()  # the thread that watches the peers sends too

    def send(message: Event | Outcome) -> None:
        with sending:
            connection.send(message)

    def fail(cause: Cause) -> Outcome:
        return write_failure(cell, results, failed_record(cell, cause))

    peers.watch(lambda cause: send(fail(cause)))
    try:
        result = _run(cell, threads, send)
        assert result is not None, "the first process has the result"
        send(Event("record"))
        outcome = write_result(cell, results, result)
    except Exception as error:  # noqa: BLE001 - the boundary of the cell: any error becomes its record
        traceback.print_exc()
        # A peer's failure breaks what this process waits for: the error here is then only its consequence.
        outcome = fail(peers.failure() or cause_of(error, own_tail(log)))
    send(outcome)


def _train_as_peer(cell: Cell, log: Path, threads: int) -> NoReturn:
    """Train with the first process of the cell, and end this one: without success when it fails."""
    try:
        _run(cell, threads, lambda event: None)
    except Exception as error:  # noqa: BLE001 - the boundary of the process: the first one records the error
        traceback.print_exc()
        forking.leave_cause(log, error, own_tail(log))
        os._exit(forking.FAILED_EXIT)
    os._exit(0)  # its work is done: nothing that happens at a usual exit may fail the cell


def _run(cell: Cell, threads: int, report: Callable[[Event], None]) -> "CellResult | None":
    import torch
    from tqdm import tqdm

    from rlvr_bench.cell.run import run_cell

    # Its own lock is a named semaphore, of which Python warns that it leaked where this process is ended.
    tqdm.set_lock(threading.RLock())
    torch.set_num_threads(threads)
    return run_cell(cell, report)


def _end_with_parent(connection: Connection) -> None:
    """End this process as soon as the parent's end of the connection closes: also when the parent was killed."""

    def watch() -> None:
        with contextlib.suppress(EOFError, OSError):
            connection.recv()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
