"""Runs cells on this machine: one process each, forked from a server that holds the heavy imports.

Several at a time; a cell that dies takes nothing with it. The caller holds the lock of the results folder.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from rlvr_bench.cell.events import Outcome
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.launch import gpus
from rlvr_bench.launch.causes import cause_of_exit
from rlvr_bench.launch.launcher import Listener, Queue
from rlvr_bench.launch.outcomes import failed_record, write_failure
from rlvr_bench.launch.output import tail
from rlvr_bench.launch.threads import limit_threads
from rlvr_bench.launch.worker import work
from rlvr_bench.record.leftovers import temporary_folder

POLL_SECONDS = 1.0
"""How long a look for a cell to start, or for a message of a running one, waits at most."""


@dataclass(slots=True)
class _Job:
    cell: Cell
    process: ForkServerProcess
    connection: Connection
    log: Path
    gpus: tuple[str, ...]
    outcome: Outcome | None = None
    stopped: bool = False


def cores() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    cells: Iterable[Cell | None],
    results: Path,
    workers: int | None,
    threads: int,
    listen: Listener,
    processes: int = 1,
    shard: bool = False,
) -> list[Outcome]:
    """See `Launcher`; each cell in so many processes, and by default as many at a time as there are processors for.

    With `shard` the processes of a cell share one model.
    """
    # The fork server and so every cell inherits these; set here because OpenMP reads them when torch is imported.
    limit_threads(threads)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # A fork of a process that has imported torch, and done nothing else, starts in milliseconds and shares its memory.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["rlvr_bench.launch.preload"])
    queue, running, outcomes = Queue(cells), list[_Job](), list[Outcome]()
    machine = gpus.visible()
    workers = workers or gpus.places(machine, cores(), processes)
    with temporary_folder() as folder:
        try:
            while queue.more or running:
                for cell in queue.take(workers - len(running)):
                    own = gpus.assign(machine, (job.gpus for job in running), processes)
                    running.append(_start(context, cell, results, folder, threads, (processes, shard), own))
                if not running:
                    time.sleep(POLL_SECONDS if queue.more else 0)
                    continue
                for job in _listen(running, listen):
                    running.remove(job)
                    if (outcome := _end(job, results)) is not None:
                        listen(job.cell, outcome)
                        outcomes.append(outcome)
        finally:  # an interrupt, or a defect here: no cell outlives its launcher
            for job in running:
                job.process.kill()
                job.process.join()
    return outcomes


def _start(
    context: multiprocessing.context.ForkServerContext,
    cell: Cell,
    results: Path,
    folder: Path,
    threads: int,
    shared: tuple[int, bool],
    own_gpus: tuple[str, ...],
) -> _Job:
    parent_end, worker_end = context.Pipe()
    log = folder / f"{cell.id}.log"
    arguments = (cell, results, log, threads, *shared, own_gpus, worker_end)
    process = context.Process(target=work, args=arguments, daemon=True)
    with _without_interrupts():
        process.start()
    worker_end.close()  # else the end of the cell's process would not close the connection
    return _Job(cell, process, parent_end, log, own_gpus)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Hold back Ctrl-C: what is started meanwhile never gets it (the mask is inherited), this process gets it after."""
    # Started first: it lets Ctrl-C through as soon as it runs, and the fork server would start it on its way.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _listen(running: list[_Job], listen: Listener) -> list[_Job]:
    """Pass on what the cells say, and return those whose process has ended."""
    by_connection = {job.connection: job for job in running}
    ready = wait(list(by_connection), timeout=POLL_SECONDS)
    if not ready:
        listen(running[0].cell, None)
    ended = []
    for connection in ready:
        job = by_connection[connection]  # type: ignore[index]
        try:
            message = job.connection.recv()
        except (EOFError, OSError):  # closed: the process has ended, with an outcome or without
            ended.append(job)
            continue
        if isinstance(message, Outcome):
            job.outcome = message
        elif not job.stopped and listen(job.cell, message):
            job.stopped = True
            job.process.kill()
    return ended


def _end(job: _Job, results: Path) -> Outcome | None:
    job.connection.close()
    job.process.join()
    if job.stopped:
        return None
    if job.outcome is not None:
        return job.outcome
    # The process died without a word: killed, out of memory, or ended by a library.
    cause = cause_of_exit(job.process.exitcode, tail(job.log))
    return write_failure(job.cell, results, failed_record(job.cell, cause))
